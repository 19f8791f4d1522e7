//! One anomaly.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::{Frame, html};
use crate::dashboard::bounds::wilson;
use crate::dashboard::chart::{Chart, Size};
use crate::dashboard::episode::{Episode, Standing};
use crate::dashboard::facts::{AnomalyFacts, Elsewhere};
use crate::dashboard::parameters::Votes;
use crate::dashboard::{links, words};
use crate::readable::{ENGLISH, Figures};
use crate::tables::TableRow;

/// Windows listed, the newest first.
const MAX_WINDOWS: usize = 60;
/// Other aircraft listed.
const MAX_OTHERS: usize = 40;

#[derive(Template)]
#[template(path = "dashboard/anomaly.html")]
struct AnomalyPage {
    frame: Frame,
    aircraft: String,
    aircraft_path: String,
    fault: String,
    is_open: bool,
    is_confirmed: bool,
    begin: UnixSeconds,
    when: String,
    ago: String,
    reason: String,
    facts: Vec<(&'static str, String)>,
    votes: Vec<VoteView>,
    chart: Option<ChartView>,
    windows: Vec<WindowView>,
    more_windows: u64,
    others: Vec<OtherView>,
    more_others: u64,
}

struct ChartView {
    wide: String,
    narrow: String,
    description: String,
}

struct VoteView {
    detector: &'static str,
    alarms: bool,
    verdict: String,
    detail: String,
}

struct WindowView {
    hours: String,
    date: String,
    failed: String,
    expected: Option<String>,
    rate: String,
    bounds: String,
    z: Option<String>,
    z_alarms: bool,
    forest: Option<String>,
    forest_alarms: bool,
    confirmed: bool,
}

struct OtherView {
    path: String,
    aircraft: String,
    detail: String,
}

/// Shows an anomaly.
pub(in crate::dashboard) fn page(frame: Frame, facts: &AnomalyFacts, votes: Votes) -> Response {
    let AnomalyFacts { episode, rows, elsewhere, .. } = facts;
    let others =
        elsewhere.iter().take(MAX_OTHERS).map(|(tail, other)| other_view(episode, tail, other, votes));
    let page = AnomalyPage {
        aircraft: words::aircraft(episode.tail()),
        aircraft_path: links::aircraft(episode.tail()),
        fault: words::fault(episode.key()),
        is_open: episode.standing == Standing::Open,
        is_confirmed: episode.confirmed > 0,
        begin: episode.begin,
        when: words::when(episode),
        ago: words::ago(episode.begin, frame.now),
        reason: words::reason(episode),
        facts: fact_views(episode),
        votes: vote_views(episode, rows),
        chart: chart(facts),
        windows: rows.iter().rev().take(MAX_WINDOWS).map(window_view).collect(),
        more_windows: rows.len().saturating_sub(MAX_WINDOWS) as u64,
        others: others.collect(),
        more_others: elsewhere.len().saturating_sub(MAX_OTHERS) as u64,
        frame,
    };
    html(StatusCode::OK, &page)
}

fn other_view(episode: &Episode, tail: &Tail, other: &Elsewhere, votes: Votes) -> OtherView {
    let windows = |count| words::counted(count, "window", "windows");
    let (at, votes, detail) = match (other.first_confirmed, votes) {
        (Some(at), Votes::Confirmed) => (Some(at), votes, format!("{} confirmed", windows(other.confirmed))),
        _ => (
            other.first,
            Votes::Any,
            format!("{}, {} of them confirmed", windows(other.any), other.confirmed),
        ),
    };
    let path = match at {
        Some(at) => links::anomaly_of(tail, episode.key(), at, votes),
        None => links::aircraft(tail),
    };
    OtherView { path, aircraft: words::aircraft(tail), detail }
}

fn fact_views(episode: &Episode) -> Vec<(&'static str, String)> {
    let counts = episode.counts;
    let mut facts = vec![
        ("Failed", format!("{} of {}", ENGLISH.count(counts.fail), ENGLISH.count(counts.total()))),
        ("Expected failures", episode.expected_failures().map_or_else(|| "not known".to_owned(), expected)),
        ("Rate", words::rate_of(counts)),
        ("95% bounds", bounds(counts)),
        ("Usual rate", words::usual(&episode.peak).unwrap_or_else(|| "not known".to_owned())),
        ("Peak", format!("{} at {}", words::rate(episode.peak.fail_rate), ENGLISH.brief(episode.peak.start))),
        ("Anomalous windows", ENGLISH.count(episode.windows)),
    ];
    if episode.peak.model_version.0 > 0 {
        facts.push(("Model", episode.peak.model_version.0.to_string()));
    }
    facts
}

fn expected(failures: f64) -> String {
    ENGLISH.number(failures, if failures < 10.0 { 1 } else { 0 })
}

fn bounds(counts: Counts) -> String {
    wilson(counts).map_or_else(
        || "not known".to_owned(),
        |(low, high)| format!("{} to {}", ENGLISH.percent(low, 1), ENGLISH.percent(high, 1)),
    )
}

fn vote_views(episode: &Episode, rows: &[TableRow]) -> Vec<VoteView> {
    let ours = || rows.iter().filter(|row| episode.begin <= row.start && row.start <= episode.last_start);
    let highest_z = ours().filter_map(|row| row.z_score).max_by(f64::total_cmp);
    let lowest_forest = ours().filter_map(|row| row.iforest_score).min_by(f64::total_cmp);
    let verdict = |alarms: u64| match alarms {
        0 => "no alarm".to_owned(),
        alarms => format!("alarm in {alarms} of {}", words::counted(episode.windows, "window", "windows")),
    };
    vec![
        VoteView {
            detector: "z score",
            alarms: episode.z_alarms > 0,
            verdict: verdict(episode.z_alarms),
            detail: highest_z.map_or_else(
                || "No score: the model has no usual rate of this fault.".to_owned(),
                |z| format!("Up to {} standard deviations above the mean.", ENGLISH.number(z, 1)),
            ),
        },
        VoteView {
            detector: "isolation forest",
            alarms: episode.forest_alarms > 0,
            verdict: verdict(episode.forest_alarms),
            detail: lowest_forest.map_or_else(
                || "No score: there was no model.".to_owned(),
                |score| format!("Score down to {}; the lower, the more unusual.", ENGLISH.number(score, 3)),
            ),
        },
    ]
}

fn window_view(row: &TableRow) -> WindowView {
    let expected_failures = row.mean_rate.map(|mean| row.counts.total() as f64 * mean / 100.0);
    WindowView {
        hours: Figures::hours(row.start, row.end),
        date: ENGLISH.date(row.start),
        failed: format!("{} of {}", ENGLISH.count(row.counts.fail), ENGLISH.count(row.counts.total())),
        expected: expected_failures.map(expected),
        rate: words::rate(row.fail_rate),
        bounds: bounds(row.counts),
        z: row.z_score.map(|z| ENGLISH.number(z, 1)),
        z_alarms: row.alarms.z,
        forest: row.iforest_score.map(|score| ENGLISH.number(score, 3)),
        forest_alarms: row.alarms.forest,
        confirmed: row.alarms.confirmed(),
    }
}

fn chart(facts: &AnomalyFacts) -> Option<ChartView> {
    let AnomalyFacts { episode, rates, rows, .. } = facts;
    let marked = |wanted: fn(&TableRow) -> bool| {
        rows.iter().filter(move |row| wanted(row)).map(|row| row.start).collect()
    };
    let chart = Chart {
        rates,
        confirmed: marked(|row| row.alarms.confirmed()),
        alarmed: marked(|row| row.alarms.any()),
        window_seconds: episode.window_seconds(),
        mean: episode.peak.mean_rate,
        deviation: episode.peak.std_rate,
    };
    let (first, _) = rates.first()?;
    let (last, _) = rates.last()?;
    let (peak_at, peak) = rates.iter().max_by_key(|(start, rate)| (rate, std::cmp::Reverse(start)))?;
    let usual =
        words::usual(&episode.peak).map(|usual| format!(" It is usually {usual}.")).unwrap_or_default();
    let description = format!(
        "Failure rates of {} from {}: highest {} at {}.{usual}",
        words::counted(rates.len() as u64, "window", "windows"),
        ENGLISH.span(*first, UnixSeconds(last.0.saturating_add(episode.window_seconds()))),
        words::rate(peak.percent()),
        ENGLISH.brief(*peak_at),
    );
    Some(ChartView { wide: chart.svg(Size::Wide)?, narrow: chart.svg(Size::Narrow)?, description })
}
