//! The dashboard's sentences.

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{ModelOutcome, ModelReport, RollbackCause, StreamStart};
use cabinwatch_shared::zscore::ZStatus;

use super::episode::{Episode, Standing};
use crate::readable::{ENGLISH, shown};
use crate::tables::{Lost, TableRow};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// `1 window`, `3 windows`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", ENGLISH.count(count), if count == 1 { one } else { many })
}

/// A duration as people say it: `40 s`, `12 min`, `3 h 10 min`, `2 d 4 h`.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |large: i64, large_name, small: i64, small_name| match small {
        0 => format!("{large} {large_name}"),
        _ => format!("{large} {large_name} {small} {small_name}"),
    };
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => two(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        _ => two(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// How long ago something was; what is to come, by a clock that goes wrong, is now.
pub(super) fn ago(at: UnixSeconds, now: UnixSeconds) -> String {
    match now.0.saturating_sub(at.0) {
        ..5 => "just now".to_owned(),
        seconds => format!("{} ago", duration(seconds)),
    }
}

/// An aircraft's name.
pub(super) fn aircraft(tail: &Tail) -> String {
    if *tail == Tail::fleet() { "whole fleet".to_owned() } else { tail.to_string() }
}

/// A fault key, fit to be shown.
pub(super) fn fault(key: FaultKey<'_>) -> String {
    let (edr_point, description) = (shown(key.edr_point), shown(key.description));
    FaultKey { edr_point: &edr_point, description: &description }.to_string()
}

/// The same where there are many of them: cut to what tells one from another.
pub(super) fn brief_fault(key: FaultKey<'_>) -> String {
    const CHARS: usize = 96;
    let whole = fault(key);
    match whole.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", whole.get(..end).unwrap_or_default().trim_end()),
        None => whole,
    }
}

/// `5.20 ± 2.10%`; none where the model knows no usual rate.
pub(super) fn usual(row: &TableRow) -> Option<String> {
    let mean = row.mean_rate?;
    Some(match row.std_rate {
        Some(deviation) => ENGLISH.percent_with_spread(mean, deviation),
        None => ENGLISH.percent(mean, 2),
    })
}

/// A rate with as many digits as people need.
pub(super) fn rate(percent: f64) -> String {
    let decimals = if percent == 0.0 || percent >= 99.95 { 0 } else { 1 };
    ENGLISH.percent(percent, decimals)
}

/// The rate of counts; `0%` where there is none.
pub(super) fn rate_of(counts: Counts) -> String {
    rate(counts.rate().map_or(0.0, |rate| rate.percent()))
}

/// Why an anomaly is one: `61 of 100 attempts failed (61%), usually 5.2 ± 2.1%; both detectors agree.`
pub(super) fn reason(episode: &Episode) -> String {
    let counts = episode.counts;
    let verb = if counts.total() == 1 { "attempt failed" } else { "attempts failed" };
    let failed = format!(
        "{} of {} {verb} ({})",
        ENGLISH.count(counts.fail),
        ENGLISH.count(counts.total()),
        rate_of(counts)
    );
    let usually = match usual(&episode.peak) {
        Some(usual) => format!("usually {usual}"),
        None => no_usual(episode.peak.z_status).to_owned(),
    };
    format!("{failed}, {usually}; {}.", agreement(episode))
}

fn no_usual(status: ZStatus) -> &'static str {
    match status {
        ZStatus::NoModel => "there was no model to compare with",
        ZStatus::UnseenKey => "a fault that training never saw",
        _ => "training saw it too rarely to say what is usual",
    }
}

fn agreement(episode: &Episode) -> String {
    let Episode { windows, confirmed, z_alarms, forest_alarms, .. } = *episode;
    match (confirmed, z_alarms, forest_alarms) {
        (0, 0, _) => "only the isolation forest alarms".to_owned(),
        (0, _, 0) => "only the z score alarms".to_owned(),
        (0, ..) => "the detectors alarm in different windows".to_owned(),
        _ if confirmed == windows => "both detectors agree".to_owned(),
        _ => format!("both detectors agree in {confirmed} of {}", counted(windows, "window", "windows")),
    }
}

/// When it was: `since 21 Nov 08:10 (35 min)`, `21 Nov 08:10 to 08:45 (35 min)`.
pub(super) fn when(episode: &Episode) -> String {
    let lasted = duration(episode.end.0.saturating_sub(episode.begin.0));
    let begin = ENGLISH.brief(episode.begin);
    match (episode.standing, episode.is_cut) {
        (Standing::Open, false) => format!("since {begin}"),
        (Standing::Open, true) => format!("since {begin} or earlier"),
        (Standing::Over, false) => format!("{begin} for {lasted}"),
        (Standing::Over, true) => format!("{begin} or earlier, for {lasted} at least"),
    }
}

/// Who else has it.
pub(super) fn elsewhere(others: &[&Tail]) -> String {
    const NAMED: usize = 3;
    let names: Vec<String> = others.iter().take(NAMED).map(|tail| aircraft(tail)).collect();
    match others.len() {
        0 => "No other aircraft has it.".to_owned(),
        1..=NAMED => format!("Also on {}.", names.join(", ")),
        many => format!("Also on {} and {} more.", names.join(", "), many - NAMED),
    }
}

/// What was lost, in short; none where nothing was.
pub(super) fn lost(lost: &Lost) -> Option<String> {
    let reasons = lost
        .by_reason
        .iter()
        .map(|(reason, count)| format!("{} {}", ENGLISH.count(*count), reason_words(reason)));
    let ends =
        (lost.unclean_ends > 0).then(|| format!("{} cut off", counted(lost.unclean_ends, "time", "times")));
    let all: Vec<String> = reasons.chain(ends).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn reason_words(reason: &str) -> String {
    match reason {
        "gap" => "frames never came".to_owned(),
        reason => reason.replace('_', " "),
    }
}

/// What became of a model.
pub(super) fn model(report: &ModelReport) -> String {
    let version = match report.version.0 {
        0 => "A model".to_owned(),
        version => format!("Model {version}"),
    };
    let became = match report.outcome {
        ModelOutcome::Activated => "is in use".to_owned(),
        ModelOutcome::Unreadable => "was refused: it is no bundle".to_owned(),
        ModelOutcome::Untrusted => "was refused: nobody who is trusted signed it".to_owned(),
        ModelOutcome::NotForUs => "was refused: it is older, expired, or for others".to_owned(),
        ModelOutcome::SelfTestFailed => "was refused: it scores differently on board".to_owned(),
        ModelOutcome::TrialPassed(_) => "passed its trial".to_owned(),
        ModelOutcome::RolledBack(rollback) => {
            let to = match rollback.to.0 {
                0 => "no model".to_owned(),
                version => format!("model {version}"),
            };
            format!("gave way to {to}: {}", cause(rollback.cause))
        }
    };
    format!("{version} {became}.")
}

fn cause(cause: RollbackCause) -> &'static str {
    match cause {
        RollbackCause::Alarms => "too many alarms in its trial",
        RollbackCause::Damaged => "its bytes had changed",
        RollbackCause::Untrusted => "nobody who is trusted signed it",
        RollbackCause::Unfit => "it does not fit the agent any more",
        RollbackCause::SelfTest => "it scored differently than before",
    }
}

/// Why an aircraft began a new stream.
pub(super) fn start(start: StreamStart) -> (UnixSeconds, &'static str) {
    match start {
        StreamStart::NoDatabase { at } => (at, "The agent began with a new database."),
        StreamStart::DatabaseSetAside { at } => (at, "The agent's database was damaged and set aside."),
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::verdict::Alarms;

    use super::super::episode::episodes;
    use super::*;
    use crate::tables::examples::{row, window};

    fn episode(counts: &[(Counts, Alarms)]) -> Episode {
        let rows = (0..).zip(counts).map(|(number, (counts, alarms))| {
            TableRow::of(&window("TC-JJA", number * 300), &row("DHCP", "no address", *counts, *alarms))
                .expect("attempts")
        });
        episodes(rows, UnixSeconds(i64::MIN)).remove(0)
    }

    #[test]
    fn durations_are_said_in_their_two_largest_units() {
        let said = [40, 60, 3599, 3600, 11_400, 86_400, 187_000].map(duration);
        assert_eq!(said, ["40 s", "1 min", "59 min", "1 h", "3 h 10 min", "1 d", "2 d 3 h"]);
        assert_eq!(duration(-5), "0 s");
    }

    #[test]
    fn a_reason_tells_counts_what_is_usual_and_who_says_so() {
        let (both, z_only) = (Alarms { z: true, forest: true }, Alarms { z: true, forest: false });
        let one = episode(&[(Counts { fail: 61, success: 39 }, both)]);
        assert_eq!(
            reason(&one),
            "61 of 100 attempts failed (61.0%), usually 10.00 ± 2.50%; both detectors agree."
        );
        let two =
            episode(&[(Counts { fail: 61, success: 39 }, both), (Counts { fail: 30, success: 70 }, z_only)]);
        assert!(reason(&two).ends_with("; both detectors agree in 1 of 2 windows."), "{}", reason(&two));
        let z = episode(&[(Counts { fail: 30, success: 70 }, z_only)]);
        assert!(reason(&z).ends_with("; only the z score alarms."), "{}", reason(&z));
    }

    #[test]
    fn a_few_others_are_named_and_many_counted() {
        let tails: Vec<Tail> = (0..5).map(|number| format!("TC-{number}").parse().expect("a tail")).collect();
        let others: Vec<&Tail> = tails.iter().collect();
        assert_eq!(elsewhere(&[]), "No other aircraft has it.");
        assert_eq!(elsewhere(&others[..2]), "Also on TC-0, TC-1.");
        assert_eq!(elsewhere(&others), "Also on TC-0, TC-1, TC-2 and 2 more.");
    }
}
