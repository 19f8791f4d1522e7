//! The report in words: what the templates show, both as HTML and as plain text.

use askama::Template;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::attachment::Attachment;
use super::digest::{Digest, Fault, MAX_PICTURES};
use super::links::Links;
use super::picture::{self, Picture, Usual};
use super::wording::{Labels, PictureFacts, Wording};
use super::{ReportError, Run};
use crate::readable::{Figures, shown};
use crate::tables::{Lost, TableRow};

/// Rows in the mail's own table; the attachment holds all.
const MAX_TABLE_ROWS: usize = 100;
/// How far above the mean the shaded band reaches, in standard deviations.
const BAND_DEVIATIONS: f64 = 3.0;

/// The report as HTML.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct HtmlPage<'a> {
    page: &'a Page,
}

/// The report as plain text.
#[derive(Template)]
#[template(path = "report.txt")]
pub(super) struct TextPage<'a> {
    page: &'a Page,
}

/// What both show.
pub(super) struct Page {
    pub subject: String,
    labels: &'static Labels,
    headline: String,
    period: String,
    /// The fleet in the dashboard.
    dashboard: Option<String>,
    summary: Vec<String>,
    warning: Option<String>,
    rows: Vec<RowView>,
    more_rows: Option<String>,
    pub faults: Vec<FaultView>,
    more_faults: Option<String>,
    attachment_cut: Option<String>,
    footer: String,
}

/// One line of the table.
struct RowView {
    aircraft: String,
    point: String,
    description: String,
    date: String,
    hours: String,
    failed: String,
    rate: String,
    usual: String,
    z_score: String,
    forest_score: String,
    /// The anomaly in the dashboard.
    link: Option<String>,
}

/// One fault with its picture.
pub(super) struct FaultView {
    aircraft: String,
    point: String,
    description: String,
    /// The newest anomaly in the dashboard.
    link: Option<String>,
    pub picture: Option<PictureView>,
}

/// A picture and the texts beside it.
pub(super) struct PictureView {
    /// The image's name within the mail.
    pub content_id: String,
    pub png: Vec<u8>,
    alt: String,
    top: String,
    bottom: String,
    first: String,
    last: String,
    usual: Option<String>,
    width: u32,
    height: u32,
}

impl Page {
    /// Puts the digest into words.
    pub fn new(
        wording: &'static dyn Wording,
        links: Links<'_>,
        run: &Run,
        digest: &Digest,
        attachment: &Attachment,
    ) -> Result<Self, ReportError> {
        let figures = wording.figures();
        let confirmed = digest.alarms.confirmed;
        let period = figures.span(run.from(), run.until());
        let shown_rows = confirmed.min(MAX_TABLE_ROWS as u64);
        let faults: Result<Vec<_>, _> = (1..)
            .zip(&digest.faults)
            .take(MAX_PICTURES)
            .map(|(number, fault)| fault_view(wording, links, number, fault))
            .collect();
        let faults = faults?;
        let without_picture = (digest.faults.len() - faults.len()) as u64;
        let above_zero = |count: u64| (count > 0).then_some(count);
        Ok(Self {
            subject: wording.subject(confirmed, &period),
            labels: wording.labels(),
            dashboard: links.fleet(),
            headline: wording.headline(confirmed),
            summary: summary(wording, run, digest),
            warning: warning(wording, &digest.losses),
            rows: digest.confirmed().take(MAX_TABLE_ROWS).map(|row| row_view(wording, links, row)).collect(),
            more_rows: above_zero(confirmed - shown_rows).map(|rows| wording.more_rows(rows)),
            faults,
            more_faults: above_zero(without_picture).map(|count| wording.more_faults(count)),
            attachment_cut: above_zero(attachment.left_out).map(|rows| wording.attachment_cut(rows)),
            footer: footer(wording, run),
            period,
        })
    }

    /// The code of the language it is in.
    pub const fn language(&self) -> &'static str {
        self.labels.code
    }

    /// The HTML part.
    pub fn html(&self) -> Result<String, ReportError> {
        Ok(HtmlPage { page: self }.render()?)
    }

    /// The plain-text part.
    pub fn text(&self) -> Result<String, ReportError> {
        Ok(TextPage { page: self }.render()?)
    }
}

fn summary(wording: &dyn Wording, run: &Run, digest: &Digest) -> Vec<String> {
    let labels = wording.labels();
    if run.rows == 0 && digest.alarms.confirmed == 0 {
        return vec![labels.nothing_seen.to_owned()];
    }
    let mut sentences = vec![wording.examined(run.rows, run.windows), wording.alarms(digest.alarms)];
    sentences.push(match digest.alarms.confirmed {
        0 => labels.nothing_confirmed.to_owned(),
        _ => wording.affected(digest.affected),
    });
    sentences
}

fn warning(wording: &dyn Wording, losses: &Lost) -> Option<String> {
    let counts = losses.by_reason.iter();
    let reasons: Vec<String> =
        counts.map(|(reason, count)| format!("{reason}: {}", wording.figures().count(*count))).collect();
    let lost = (losses.total() > 0).then(|| wording.lost(losses.total(), &reasons.join(", ")));
    let ended = (losses.unclean_ends > 0).then(|| wording.unclean_ends(losses.unclean_ends));
    let sentences: Vec<String> = [lost, ended].into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

fn footer(wording: &dyn Wording, run: &Run) -> String {
    let model = (run.model != ModelVersion(0)).then_some(run.model.0);
    wording.footer(model, &wording.figures().instant(run.generated_at))
}

fn row_view(wording: &dyn Wording, links: Links<'_>, row: &TableRow) -> RowView {
    let figures = wording.figures();
    let unknown = || wording.labels().unknown.to_owned();
    RowView {
        aircraft: aircraft(wording, &row.tail),
        point: shown(&row.edr_point),
        description: shown(&row.description),
        date: figures.date(row.start),
        hours: Figures::hours(row.start, row.end),
        failed: format!("{} / {}", figures.count(row.counts.fail), figures.count(row.counts.total())),
        rate: figures.percent(row.fail_rate, 2),
        usual: usual_text(figures, row).unwrap_or_else(unknown),
        z_score: row.z_score.map_or_else(unknown, |z| figures.number(z, 2)),
        forest_score: row.iforest_score.map_or_else(unknown, |score| figures.number(score, 3)),
        link: links.anomaly(row),
    }
}

fn fault_view(
    wording: &dyn Wording,
    links: Links<'_>,
    number: usize,
    fault: &Fault,
) -> Result<FaultView, ReportError> {
    let last = fault.rows.last();
    let text = |of: fn(&TableRow) -> String| last.map(of).unwrap_or_default();
    Ok(FaultView {
        aircraft: last.map(|row| aircraft(wording, &row.tail)).unwrap_or_default(),
        point: text(|row| shown(&row.edr_point)),
        description: text(|row| shown(&row.description)),
        link: last.and_then(|row| links.anomaly(row)),
        picture: last.and_then(|last| picture_view(wording, number, fault, last)).transpose()?,
    })
}

fn picture_view(
    wording: &dyn Wording,
    number: usize,
    fault: &Fault,
    last: &TableRow,
) -> Option<Result<PictureView, ReportError>> {
    let figures = wording.figures();
    let anomalies: Vec<UnixSeconds> = fault.rows.iter().map(|row| row.start).collect();
    let window_seconds = last.end.0.saturating_sub(last.start.0).max(1);
    let picture = Picture { rates: &fault.recent, anomalies: &anomalies, window_seconds, usual: usual(last) };
    let png = match picture.png()? {
        Ok(png) => png,
        Err(message) => {
            return Some(Err(ReportError::Picture { fault_key: last.key().to_string(), message }));
        }
    };
    let (first, _) = fault.recent.first()?;
    let (newest, _) = fault.recent.last()?;
    let (peak_at, peak) = fault.recent.iter().max_by_key(|(start, rate)| (rate, std::cmp::Reverse(start)))?;
    let usual = usual_text(figures, last);
    let (point, description) = (shown(&last.edr_point), shown(&last.description));
    let alt = wording.picture(PictureFacts {
        aircraft: &aircraft(wording, &last.tail),
        fault: &FaultKey { edr_point: &point, description: &description }.to_string(),
        windows: fault.recent.len() as u64,
        usual: usual.as_deref(),
        peak: &figures.percent(peak.percent(), 2),
        peak_at: &figures.instant(*peak_at),
    });
    Some(Ok(PictureView {
        content_id: format!("rate-{number}@cabinwatch"),
        png,
        alt,
        top: figures.percent(picture.top(), 0),
        bottom: figures.percent(0.0, 0),
        first: figures.instant(*first),
        last: figures.instant(UnixSeconds(newest.0.saturating_add(window_seconds))),
        usual,
        width: picture::WIDTH,
        height: picture::HEIGHT,
    }))
}

fn usual(row: &TableRow) -> Option<Usual> {
    let mean = row.mean_rate?;
    Some(Usual { mean, band_top: mean + BAND_DEVIATIONS * row.std_rate? })
}

fn usual_text(figures: &Figures, row: &TableRow) -> Option<String> {
    let mean = row.mean_rate?;
    Some(match row.std_rate {
        Some(deviation) => figures.percent_with_spread(mean, deviation),
        None => figures.percent(mean, 2),
    })
}

fn aircraft(wording: &dyn Wording, tail: &Tail) -> String {
    if *tail == Tail::fleet() { wording.labels().whole_fleet.to_owned() } else { tail.to_string() }
}
