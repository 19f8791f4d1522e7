//! Everything the report says, language by language.
//!
//! A language is one implementation of [`Wording`]; the compiler sees to it that none lacks a sentence.

pub(super) mod english;
pub(super) mod turkish;

use crate::config::Language;
use crate::readable::Figures;

/// The wording of a language.
pub(super) fn wording(language: Language) -> &'static dyn Wording {
    match language {
        Language::En => &english::English,
        Language::Tr => &turkish::Turkish,
    }
}

/// Rows each detector called an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AlarmCounts {
    /// Rows the z score alarmed on.
    pub z: u64,
    /// Rows the forest alarmed on.
    pub forest: u64,
    /// Rows both alarmed on: the confirmed ones.
    pub confirmed: u64,
}

/// What is affected by the confirmed anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Affected {
    /// Distinct aircraft; 0 where the data does not tell aircraft apart.
    pub aircraft: u64,
    /// Distinct fault keys.
    pub fault_keys: u64,
}

/// What a picture shows, for those who can't see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PictureFacts<'a> {
    /// The aircraft.
    pub aircraft: &'a str,
    /// The fault key.
    pub fault: &'a str,
    /// Windows with a rate.
    pub windows: u64,
    /// The usual rate, written out.
    pub usual: Option<&'a str>,
    /// The highest rate, written out.
    pub peak: &'a str,
    /// When it was, written out.
    pub peak_at: &'a str,
}

/// Short texts that hold no number.
#[derive(Debug)]
pub(super) struct Labels {
    /// The language's code in HTML and mail headers.
    pub code: &'static str,
    /// The link to the dashboard's first page.
    pub dashboard: &'static str,
    /// Before a link to an anomaly's page, in plain text.
    pub more_of_it: &'static str,
    /// Column: the aircraft.
    pub aircraft: &'static str,
    /// In place of a tail where rows are of the whole fleet.
    pub whole_fleet: &'static str,
    /// Column: the fault key.
    pub fault: &'static str,
    /// Column: the window.
    pub window: &'static str,
    /// Column: failures and attempts.
    pub failed: &'static str,
    /// Column: the rate.
    pub rate: &'static str,
    /// Column: mean and deviation in training.
    pub usual: &'static str,
    /// Column: the z score.
    pub z_score: &'static str,
    /// Column: the forest's score.
    pub forest_score: &'static str,
    /// In place of a figure that is not known.
    pub unknown: &'static str,
    /// Heading of the table.
    pub table_heading: &'static str,
    /// Heading of the pictures.
    pub pictures_heading: &'static str,
    /// What bars, line and band mean.
    pub legend: &'static str,
    /// In place of a picture without a single rate.
    pub no_rates: &'static str,
    /// What the attachment is.
    pub attachment: &'static str,
    /// Why there is nothing to report although failures were seen.
    pub nothing_confirmed: &'static str,
    /// Why there is nothing to report where no failure was seen.
    pub nothing_seen: &'static str,
}

/// The sentences of one language.
pub(super) trait Wording: Sync {
    /// Texts without numbers.
    fn labels(&self) -> &'static Labels;

    /// How numbers and dates are written.
    fn figures(&self) -> &'static Figures;

    /// The mail's subject.
    fn subject(&self, confirmed: u64, period: &str) -> String;

    /// The heading: how many anomalies are confirmed.
    fn headline(&self, confirmed: u64) -> String;

    /// How much was looked at.
    fn examined(&self, rows: u64, windows: u64) -> String;

    /// What each detector said.
    fn alarms(&self, alarms: AlarmCounts) -> String;

    /// Whom it touches.
    fn affected(&self, affected: Affected) -> String;

    /// What was lost on the way, where something was; `reasons` lists names and counts.
    fn lost(&self, events_and_frames: u64, reasons: &str) -> String;

    /// How often an agent ended without being stopped, where one did.
    fn unclean_ends(&self, times: u64) -> String;

    /// How many rows the table leaves out.
    fn more_rows(&self, rows: u64) -> String;

    /// How many faults have no picture.
    fn more_faults(&self, faults: u64) -> String;

    /// How many rows even the attachment leaves out.
    fn attachment_cut(&self, rows: u64) -> String;

    /// A picture in words.
    fn picture(&self, facts: PictureFacts<'_>) -> String;

    /// Who wrote this, when, by which model (`None` where no model scored).
    fn footer(&self, model: Option<u32>, generated: &str) -> String;
}
