//! The picture of a fault's recent rates: bars on a light ground, without text, which the mail has beside it.

use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::time::UnixSeconds;
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform};

/// Width in the mail, in CSS pixels.
pub(super) const WIDTH: u32 = 640;
/// Height in the mail, in CSS pixels.
pub(super) const HEIGHT: u32 = 120;
/// Drawn at twice its size, for dense screens.
const SCALE: u32 = 2;
/// Above and below the bars, in picture pixels; below stand the marks.
const MARGIN_TOP: f32 = 12.0;
const MARGIN_BOTTOM: f32 = 26.0;
/// A rate of zero still shows that there was a window.
const LEAST_BAR: f32 = 4.0;

/// Red, green, blue.
type Rgb = [u8; 3];

const GROUND: Rgb = [0xf6, 0xf7, 0xf9];
const BASELINE: Rgb = [0xc4, 0xcc, 0xd6];
const BAND: Rgb = [0xdd, 0xe6, 0xf1];
const MEAN: Rgb = [0x2b, 0x5c, 0x8f];
const BAR: Rgb = [0x93, 0xa3, 0xb5];
const ANOMALY: Rgb = [0xc2, 0x35, 0x2b];

/// The fault's usual rate, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    /// Mean in training.
    pub mean: f64,
    /// Upper edge of the band: three standard deviations above the mean.
    pub band_top: f64,
}

/// What a picture shows.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    /// Rates by the start of their window, in ascending order.
    pub rates: &'a [(UnixSeconds, Rate)],
    /// Starts of the windows that are confirmed anomalies.
    pub anomalies: &'a [UnixSeconds],
    /// Length of a window in seconds, at least one.
    pub window_seconds: i64,
    /// The usual rate, where the model has it.
    pub usual: Option<Usual>,
}

impl Picture<'_> {
    /// The upper end of the scale, in percent: the next multiple of ten above everything drawn.
    pub fn top(&self) -> f64 {
        let highest = self.rates.iter().map(|(_, rate)| rate.percent()).fold(0.0, f64::max);
        let band = self.usual.map_or(0.0, |usual| usual.band_top);
        ((highest.max(band) / 10.0).ceil() * 10.0).clamp(10.0, 100.0)
    }

    /// The picture as PNG; `None` where there is no rate to draw.
    pub fn png(&self) -> Option<Result<Vec<u8>, String>> {
        let (&(first, _), &(last, _)) = (self.rates.first()?, self.rates.last()?);
        let slots = last.0.saturating_sub(first.0) / self.window_seconds.max(1) + 1;
        let mut canvas = Canvas::new(self.top())?;
        if let Some(usual) = self.usual {
            canvas.band(usual);
        }
        let slot_width = canvas.width() / slots as f32;
        for &(start, rate) in self.rates {
            let slot = (start.0 - first.0) / self.window_seconds.max(1);
            let is_anomaly = self.anomalies.contains(&start);
            canvas.bar(slot as f32 * slot_width, slot_width, rate.percent(), is_anomaly);
        }
        canvas.baseline();
        if let Some(usual) = self.usual {
            canvas.mean(usual.mean);
        }
        Some(canvas.pixmap.encode_png().map_err(|error| error.to_string()))
    }
}

struct Canvas {
    pixmap: Pixmap,
    /// Percent at the upper end.
    top: f64,
}

impl Canvas {
    fn new(top: f64) -> Option<Self> {
        let mut canvas = Self { pixmap: Pixmap::new(WIDTH * SCALE, HEIGHT * SCALE)?, top };
        let [red, green, blue] = GROUND;
        canvas.pixmap.fill(Color::from_rgba8(red, green, blue, u8::MAX));
        Some(canvas)
    }

    fn width(&self) -> f32 {
        self.pixmap.width() as f32
    }

    fn floor(&self) -> f32 {
        self.pixmap.height() as f32 - MARGIN_BOTTOM
    }

    /// The vertical place of a rate.
    fn y(&self, percent: f64) -> f32 {
        let share = (percent / self.top).clamp(0.0, 1.0) as f32;
        self.floor() - share * (self.floor() - MARGIN_TOP)
    }

    fn fill(&mut self, left: f32, top: f32, right: f32, bottom: f32, color: Rgb) {
        if let Some(rect) = Rect::from_ltrb(left, top, right, bottom) {
            self.pixmap.fill_rect(rect, &paint(color), Transform::identity(), None);
        }
    }

    fn band(&mut self, usual: Usual) {
        let (top, bottom) = (self.y(usual.band_top), self.y(usual.mean));
        self.fill(0.0, top, self.width(), bottom, BAND);
    }

    fn baseline(&mut self) {
        let floor = self.floor();
        self.fill(0.0, floor, self.width(), floor + 2.0, BASELINE);
    }

    /// Dashed, so that it stays visible across the bars.
    fn mean(&mut self, percent: f64) {
        let y = self.y(percent);
        let mut line = PathBuilder::new();
        line.move_to(0.0, y);
        line.line_to(self.width(), y);
        let stroke = Stroke { width: 3.0, dash: StrokeDash::new(vec![12.0, 8.0], 0.0), ..Stroke::default() };
        if let Some(line) = line.finish() {
            self.pixmap.stroke_path(&line, &paint(MEAN), &stroke, Transform::identity(), None);
        }
    }

    fn bar(&mut self, left: f32, width: f32, percent: f64, is_anomaly: bool) {
        let gap = (width * 0.12).clamp(1.0, 6.0);
        let (left, right) = (left + gap, left + width - gap);
        let top = self.y(percent).min(self.floor() - LEAST_BAR);
        self.fill(left, top, right, self.floor(), if is_anomaly { ANOMALY } else { BAR });
        if is_anomaly {
            self.mark(left.midpoint(right));
        }
    }

    /// A triangle below the bar: colour alone does not tell everyone.
    fn mark(&mut self, centre: f32) {
        let tip = self.floor() + 6.0;
        let mut triangle = PathBuilder::new();
        triangle.move_to(centre, tip);
        triangle.line_to(centre - 8.0, tip + 14.0);
        triangle.line_to(centre + 8.0, tip + 14.0);
        triangle.close();
        if let Some(triangle) = triangle.finish() {
            let identity = Transform::identity();
            self.pixmap.fill_path(&triangle, &paint(ANOMALY), FillRule::Winding, identity, None);
        }
    }
}

fn paint([red, green, blue]: Rgb) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, u8::MAX);
    paint
}
