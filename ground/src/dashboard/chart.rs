//! The picture of a fault's rates: drawn by `plotters` as SVG, coloured by the style sheet.
//!
//! Each kind of mark is drawn in a colour of its own, and the style sheet turns these into those of the light or the
//! dark page (`[fill="#..."]`; a test sees to it that it knows all of them). No style stands in the picture itself,
//! which the page's policy would refuse.

use std::collections::BTreeSet;

use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::time::UnixSeconds;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::readable::{ENGLISH, Figures};

const TEXT: RGBColor = RGBColor(0x5b, 0x68, 0x75);
const LINE: RGBColor = RGBColor(0xdf, 0xe4, 0xea);
const BAND: RGBColor = RGBColor(0xdd, 0xe6, 0xf1);
const MEAN: RGBColor = RGBColor(0x2b, 0x5c, 0x8f);
const BAR: RGBColor = RGBColor(0x93, 0xa3, 0xb5);
const ALARM: RGBColor = RGBColor(0xc9, 0x8a, 0x10);
const CONFIRMED: RGBColor = RGBColor(0xc2, 0x35, 0x2b);

/// How far above the mean the band reaches, in standard deviations: where the z score alarms by default.
const BAND_DEVIATIONS: f64 = 3.0;
/// Between two times that stand below it, in seconds.
const STEPS: [i64; 11] = [60, 300, 600, 900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600];
const WEEK: i64 = 7 * 24 * 3600;
/// Whatever the span.
const MAX_TIMES: usize = 16;
/// Part of a window's width that its bar leaves free on each side.
const GAP: f64 = 0.12;

/// For which screens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// For desks.
    Wide,
    /// For phones: fewer pixels, so that letters stay legible.
    Narrow,
}

/// What a picture shows.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Rates by the start of their window, in ascending order.
    pub rates: &'a [(UnixSeconds, Rate)],
    /// Starts of the windows that both detectors call anomalous.
    pub confirmed: BTreeSet<UnixSeconds>,
    /// Starts of the windows that any detector calls anomalous.
    pub alarmed: BTreeSet<UnixSeconds>,
    /// Length of a window in seconds, at least one.
    pub window_seconds: i64,
    /// The usual rate in percent.
    pub mean: Option<f64>,
    /// Its standard deviation.
    pub deviation: Option<f64>,
}

impl Size {
    const fn pixels(self) -> (u32, u32) {
        match self {
            Self::Wide => (1200, 280),
            Self::Narrow => (360, 220),
        }
    }

    /// Times that stand below it, at most.
    const fn times(self) -> i64 {
        match self {
            Self::Wide => 12,
            Self::Narrow => 5,
        }
    }
}

impl Chart<'_> {
    /// The picture; none where there is no rate to draw.
    pub fn svg(&self, size: Size) -> Option<String> {
        let (&(first, _), &(last, _)) = (self.rates.first()?, self.rates.last()?);
        let span = first.0..last.0.saturating_add(self.window_seconds);
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, size.pixels()).into_drawing_area();
        let drawn = self.draw(&area, span, size).and_then(|()| Ok(area.present()?));
        drop(area);
        match drawn {
            Ok(()) => Some(hidden_from_readers(&svg)),
            Err(error) => {
                tracing::error!(%error, "cannot draw a picture for the dashboard");
                None
            }
        }
    }

    fn draw(
        &self,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
        span: std::ops::Range<i64>,
        size: Size,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let times = times(&span, size.times());
        let mut chart = ChartBuilder::on(area)
            .margin_top(10)
            .margin_right(8)
            .margin_bottom(2)
            .x_label_area_size(28)
            .y_label_area_size(40)
            .build_cartesian_2d(span.clone().with_key_points(times), 0.0..self.top())?;
        let label = ("sans-serif", 15).into_font().color(&TEXT);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINE)
            .axis_style(LINE)
            .label_style(label)
            .x_labels(usize::try_from(size.times()).unwrap_or(1))
            .y_labels(6)
            .x_label_formatter(&|at| Figures::time(UnixSeconds(*at)))
            .y_label_formatter(&|percent| ENGLISH.percent(*percent, 0))
            .draw()?;
        if let (Some(mean), Some(deviation)) = (self.mean, self.deviation) {
            let band = [(span.start, mean), (span.end, (mean + BAND_DEVIATIONS * deviation).min(self.top()))];
            chart.draw_series([Rectangle::new(band, BAND.filled())])?;
        }
        chart.draw_series(self.rates.iter().map(|(start, rate)| self.bar(*start, *rate)))?;
        let marks = self.rates.iter().filter(|(start, _)| self.confirmed.contains(start));
        chart.draw_series(marks.map(|(start, rate)| {
            let centre = start.0.saturating_add(self.window_seconds / 2);
            TriangleMarker::new((centre, rate.percent() + self.top() * 0.035), 4, CONFIRMED.filled())
        }))?;
        if let Some(mean) = self.mean {
            let ends = [(span.start, mean), (span.end, mean)];
            chart.draw_series(LineSeries::new(ends, MEAN.stroke_width(2)))?;
        }
        Ok(())
    }

    fn bar(&self, start: UnixSeconds, rate: Rate) -> Rectangle<(i64, f64)> {
        let gap = (self.window_seconds as f64 * GAP) as i64;
        let (left, right) = (start.0.saturating_add(gap), start.0.saturating_add(self.window_seconds - gap));
        let color = if self.confirmed.contains(&start) {
            CONFIRMED
        } else if self.alarmed.contains(&start) {
            ALARM
        } else {
            BAR
        };
        // A rate of zero still shows that there was a window.
        let height = rate.percent().max(self.top() / 150.0);
        Rectangle::new([(left, 0.0), (right, height)], color.filled())
    }

    /// The upper end of the scale, in percent: a multiple of ten above everything drawn, with room for a mark.
    fn top(&self) -> f64 {
        let highest = self.rates.iter().map(|(_, rate)| rate.percent()).fold(0.0, f64::max);
        let band = self.mean.unwrap_or(0.0) + BAND_DEVIATIONS * self.deviation.unwrap_or(0.0);
        ((highest * 1.08).max(band.min(100.0)) / 10.0).ceil().max(1.0) * 10.0
    }
}

/// Round times within a span, at most so many.
fn times(span: &std::ops::Range<i64>, most: i64) -> Vec<i64> {
    let fits = |step: &i64| (span.end - span.start) / step < most;
    let step = STEPS.into_iter().find(fits).unwrap_or(WEEK);
    let first = span.start.div_euclid(step) + i64::from(span.start.rem_euclid(step) > 0);
    (first..).map(|number| number * step).take_while(|at| *at < span.end).take(MAX_TIMES).collect()
}

/// A sentence beside the picture says what it shows; its hundred numbers are no help to those who hear them.
fn hidden_from_readers(svg: &str) -> String {
    svg.replacen("<svg ", "<svg aria-hidden=\"true\" ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(of: &[(i64, u16)]) -> Vec<(UnixSeconds, Rate)> {
        let rate = |hundredths| Rate::from_hundredths(hundredths).expect("a rate");
        of.iter().map(|(start, hundredths)| (UnixSeconds(*start), rate(*hundredths))).collect()
    }

    fn drawn() -> String {
        let rates = rates(&[(0, 500), (300, 9000), (600, 0), (900, 4000)]);
        let chart = Chart {
            rates: &rates,
            confirmed: [UnixSeconds(300)].into(),
            alarmed: [UnixSeconds(300), UnixSeconds(900)].into(),
            window_seconds: 300,
            mean: Some(5.0),
            deviation: Some(2.0),
        };
        chart.svg(Size::Wide).expect("drawn")
    }

    fn colours(svg: &str) -> BTreeSet<String> {
        let values = ["fill=\"", "stroke=\""].into_iter().flat_map(|name| svg.split(name).skip(1));
        values
            .filter_map(|rest| rest.split('"').next())
            .filter(|value| *value != "none")
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_style_sheet_knows_every_colour_that_is_drawn() {
        let style = include_str!("../../templates/dashboard/app.css");
        let used = colours(&drawn());
        assert!(used.len() >= 6, "{used:?}");
        for colour in used {
            assert!(style.contains(&format!("=\"{colour}\"]")), "{colour} stays as it is in the dark");
        }
    }

    #[test]
    fn there_is_a_bar_for_each_window_and_a_mark_for_each_confirmed_one() {
        let svg = drawn();
        assert_eq!(svg.matches("fill=\"#93A3B5\"").count(), 2);
        assert_eq!(svg.matches("<rect").count(), 5, "four bars and the band: {svg}");
        assert_eq!(svg.matches("<polygon").count(), 1);
    }

    #[test]
    fn the_times_below_it_are_round() {
        assert_eq!(
            times(&(79_200..86_400), 12),
            [79_200, 80_100, 81_000, 81_900, 82_800, 83_700, 84_600, 85_500]
        );
        assert_eq!(times(&(100..7300), 5), [1800, 3600, 5400, 7200]);
    }

    #[test]
    fn nothing_in_it_needs_a_style_or_a_script() {
        let svg = drawn();
        assert!(!svg.contains("style=") && !svg.contains("<script") && !svg.contains("href"), "{svg}");
    }

    #[test]
    fn without_a_rate_there_is_no_picture() {
        let chart = Chart {
            rates: &[],
            confirmed: BTreeSet::new(),
            alarmed: BTreeSet::new(),
            window_seconds: 300,
            mean: None,
            deviation: None,
        };
        assert_eq!(chart.svg(Size::Narrow), None);
    }
}
