//! English.

use super::{Affected, AlarmCounts, Labels, PictureFacts, Wording};
use crate::readable::{ENGLISH as FIGURES, Figures};

pub(in crate::report) struct English;

static LABELS: Labels = Labels {
    code: "en",
    dashboard: "Open the dashboard",
    more_of_it: "More of it",
    aircraft: "Aircraft",
    whole_fleet: "whole fleet",
    fault: "Fault",
    window: "Window (UTC)",
    failed: "Failed / attempts",
    rate: "Failure rate",
    usual: "Usual rate",
    z_score: "z score",
    forest_score: "Forest score",
    unknown: "not known",
    table_heading: "Confirmed anomalies",
    pictures_heading: "Recent failure rates",
    legend: "One bar is one window; red bars with a mark are confirmed anomalies. The line is the usual rate (mean in \
             training), the shaded band reaches up to three standard deviations above it. Times are UTC.",
    no_rates: "No rates of this fault are stored, so there is no picture.",
    attachment: "The attached file anomalies.csv holds all confirmed anomalies with every column of the tables.",
    nothing_confirmed: "Nothing to report: no row was called an anomaly by both detectors.",
    nothing_seen: "Nothing to report: no failure was recorded in this period. Either everything worked, or no data \
                   arrived.",
};

impl Wording for English {
    fn labels(&self) -> &'static Labels {
        &LABELS
    }

    fn figures(&self) -> &'static Figures {
        &FIGURES
    }

    fn subject(&self, confirmed: u64, period: &str) -> String {
        let count = none_or(confirmed);
        format!("Cabinwatch: {count} confirmed {}, {period} UTC", anomalies(confirmed))
    }

    fn headline(&self, confirmed: u64) -> String {
        match confirmed {
            0 => "No confirmed anomalies".to_owned(),
            _ => format!("{} confirmed {}", FIGURES.count(confirmed), anomalies(confirmed)),
        }
    }

    fn examined(&self, rows: u64, windows: u64) -> String {
        let verb = if rows == 1 { "was" } else { "were" };
        format!(
            "{} in {} {verb} examined.",
            counted(rows, "row", "rows"),
            counted(windows, "window", "windows")
        )
    }

    fn alarms(&self, alarms: AlarmCounts) -> String {
        let rows = |count: u64| match count {
            0 => "no row".to_owned(),
            _ => counted(count, "row", "rows"),
        };
        format!(
            "The z score alarmed on {}, the isolation forest on {}, and both on {}.",
            rows(alarms.z),
            rows(alarms.forest),
            rows(alarms.confirmed)
        )
    }

    fn affected(&self, affected: Affected) -> String {
        let faults = counted(affected.fault_keys, "kind of fault", "kinds of fault");
        match affected.aircraft {
            0 => format!("Affected: {faults}; the data does not tell on which aircraft."),
            // The plural of aircraft is aircraft.
            aircraft => format!("Affected: {} aircraft, {faults}.", FIGURES.count(aircraft)),
        }
    }

    fn lost(&self, events_and_frames: u64, reasons: &str) -> String {
        let lost = counted(events_and_frames, "event or frame was", "events or frames were");
        format!(
            "Data is missing: {lost} lost in this period ({reasons}). Rates may be off where it was lost."
        )
    }

    fn unclean_ends(&self, times: u64) -> String {
        let times = counted(times, "time", "times");
        format!(
            "An agent was cut off {times}, by a loss of power or a failure: events of that moment may be missing, \
             nobody knows how many."
        )
    }

    fn more_rows(&self, rows: u64) -> String {
        let verb = if rows == 1 { "stands" } else { "stand" };
        format!("{} {verb} in the attached file.", counted(rows, "more row", "more rows"))
    }

    fn more_faults(&self, faults: u64) -> String {
        let verb = if faults == 1 { "has" } else { "have" };
        format!("{} with lower z scores {verb} no picture here.", counted(faults, "fault", "faults"))
    }

    fn attachment_cut(&self, rows: u64) -> String {
        let verb = if rows == 1 { "is" } else { "are" };
        format!(
            "{} {verb} left out of it to keep the mail small; ask the tables for all.",
            counted(rows, "row", "rows")
        )
    }

    fn picture(&self, facts: PictureFacts<'_>) -> String {
        let usual = facts.usual.map(|usual| format!(" It is usually {usual}.")).unwrap_or_default();
        format!(
            "Failure rate of {} on {} over {}: highest {} at {} UTC.{usual}",
            facts.fault,
            facts.aircraft,
            counted(facts.windows, "window", "windows"),
            facts.peak,
            facts.peak_at
        )
    }

    fn footer(&self, model: Option<u32>, generated: &str) -> String {
        let model = model.map_or_else(|| "no model".to_owned(), |version| format!("model {version}"));
        format!("Cabinwatch {}, {model}, written {generated} UTC.", env!("CARGO_PKG_VERSION"))
    }
}

fn anomalies(count: u64) -> &'static str {
    if count == 1 { "anomaly" } else { "anomalies" }
}

fn none_or(count: u64) -> String {
    if count == 0 { "no".to_owned() } else { FIGURES.count(count) }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", FIGURES.count(count), if count == 1 { one } else { many })
}
