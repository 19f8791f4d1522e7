//! One aircraft.

use std::cmp::Reverse;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::AgentRelease;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::filter::{FilterView, period_words};
use super::fleet::{has_fault, standing_words, waiting_words};
use super::list::EpisodeView;
use super::{Frame, html};
use crate::dashboard::episode::{Episode, Standing};
use crate::dashboard::facts::{AircraftFacts, Cell, FleetFacts, FleetMember, Flight, Heat, HeatRow, Level};
use crate::dashboard::parameters::{Parameters, Votes};
use crate::dashboard::{links, words};
use crate::readable::{ENGLISH, Figures};
use crate::tables::AircraftRecord;

/// Anomalies that are listed.
const MAX_EPISODES: usize = 30;

#[derive(Template)]
#[template(path = "dashboard/aircraft.html")]
struct AircraftPage {
    frame: Frame,
    aircraft: String,
    path: String,
    filter: FilterView,
    period: String,
    facts: Vec<FactView>,
    heat: HeatView,
    cut: bool,
    episodes: Vec<EpisodeView>,
    open: u64,
    more: u64,
    events: Vec<EventView>,
}

/// A name and a value.
struct FactView {
    name: &'static str,
    value: String,
    at: Option<UnixSeconds>,
    mood: &'static str,
}

struct HeatView {
    flights: Vec<FlightView>,
    columns: Vec<ColumnView>,
    rows: Vec<HeatRowView>,
    step: String,
    left_out: String,
}

struct FlightView {
    span: String,
    columns: usize,
}

struct ColumnView {
    time: String,
    /// Whether the time stands above it; above all there is no room.
    is_tick: bool,
}

struct HeatRowView {
    fault: String,
    path: Option<String>,
    cells: Vec<CellView>,
}

struct CellView {
    class: &'static str,
    text: String,
}

struct EventView {
    at: UnixSeconds,
    time: String,
    text: String,
}

/// Shows an aircraft.
pub(in crate::dashboard) fn page(
    frame: Frame,
    tail: &Tail,
    fleet: &FleetFacts,
    facts: &AircraftFacts,
    parameters: &Parameters,
) -> Response {
    let now = frame.now;
    let mut episodes: Vec<&Episode> =
        fleet.episodes_of(tail).iter().filter(|episode| has_fault(episode, &parameters.fault)).collect();
    episodes.sort_by_key(|episode| Reverse((episode.standing == Standing::Open, episode.begin)));
    let view = |episode: &&Episode| EpisodeView::of(episode, fleet, parameters.votes, now);
    let page = AircraftPage {
        aircraft: words::aircraft(tail),
        path: links::aircraft(tail),
        filter: FilterView::of(parameters),
        period: period_words(parameters.period),
        facts: fact_views(fleet, tail, now),
        heat: heat_view(&facts.heat, &episodes, parameters),
        cut: facts.is_cut || fleet.is_cut,
        open: episodes.iter().filter(|episode| episode.standing == Standing::Open).count() as u64,
        more: episodes.len().saturating_sub(MAX_EPISODES) as u64,
        episodes: episodes.iter().take(MAX_EPISODES).map(view).collect(),
        events: event_views(facts),
        frame,
    };
    html(StatusCode::OK, &page)
}

fn fact_views(fleet: &FleetFacts, tail: &Tail, now: UnixSeconds) -> Vec<FactView> {
    let found = fleet.members.binary_search_by(|member| member.record.tail.cmp(tail));
    let Some(member) = found.ok().and_then(|index| fleet.members.get(index)) else { return Vec::new() };
    let AircraftRecord { last_contact, release, model, cohort, .. } = &member.record;
    let (standing, mood) = standing_words(member.standing(now));
    let plain = |name, value| FactView { name, value, at: None, mood: "" };
    let contact = last_contact.map_or_else(|| "never".to_owned(), |at| words::ago(at, now));
    let mut facts = vec![
        FactView { name: "Link", value: standing, at: None, mood },
        FactView { name: "Last contact", value: contact, at: *last_contact, mood: "" },
        waiting_fact(member),
        FactView {
            name: "Lost in this time",
            value: words::lost(&member.lost).unwrap_or_else(|| "nothing".to_owned()),
            at: None,
            mood: if member.lost.is_nothing() { "" } else { "warn" },
        },
    ];
    facts.push(plain(
        "Model",
        match model.map(|model| model.0) {
            None => "not told".to_owned(),
            Some(0) => "none".to_owned(),
            Some(version) => version.to_string(),
        },
    ));
    facts.extend(cohort.as_ref().map(|cohort| plain("Cohort", crate::readable::shown(cohort))));
    facts.extend(release.map(|release| {
        let AgentRelease(major, minor, patch) = release;
        plain("Agent", format!("{major}.{minor}.{patch}"))
    }));
    facts
}

fn waiting_fact(member: &FleetMember) -> FactView {
    let value = match (waiting_words(member), member.waiting.overtaken_by) {
        (None, _) => "nothing known".to_owned(),
        (Some(frames), 0) => frames,
        (Some(frames), newer) => format!("{frames}, overtaken by {}", ENGLISH.count(newer)),
    };
    FactView { name: "Backlog on board", value, at: None, mood: "" }
}

fn event_views(facts: &AircraftFacts) -> Vec<EventView> {
    let models = facts.models.iter().map(|record| (record.report.at, words::model(&record.report)));
    let starts = facts.starts.iter().map(|record| {
        let (at, text) = words::start(record.start);
        (at, text.to_owned())
    });
    let mut events: Vec<(UnixSeconds, String)> = models.chain(starts).collect();
    events.sort_by_key(|(at, _)| Reverse(*at));
    let view = |(at, text)| EventView { at, time: ENGLISH.brief(at), text };
    events.into_iter().map(view).collect()
}

fn heat_view(heat: &Heat, episodes: &[&Episode], parameters: &Parameters) -> HeatView {
    let rows = heat.rows.iter().filter(|row| shows(row, &parameters.fault));
    HeatView {
        flights: heat.flights.iter().map(flight_view).collect(),
        columns: heat.flights.iter().flat_map(|flight| columns(flight, tick_seconds(heat))).collect(),
        rows: rows.map(|row| row_view(row, episodes, parameters.votes)).collect(),
        step: words::duration(heat.column_seconds),
        left_out: left_out(heat),
    }
}

/// How far times stand apart above the columns: so that about ten of them do.
fn tick_seconds(heat: &Heat) -> i64 {
    const TICKS: usize = 10;
    const STEPS: [i64; 8] = [900, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600];
    let columns: usize = heat.flights.iter().map(|flight| flight.columns.len()).sum();
    let least = heat.column_seconds.saturating_mul(columns.div_ceil(TICKS) as i64);
    STEPS.into_iter().find(|step| *step >= least).unwrap_or(least)
}

fn columns(flight: &Flight, tick: i64) -> impl Iterator<Item = ColumnView> {
    let mut next = flight.begin().0.div_euclid(tick).saturating_add(1).saturating_mul(tick);
    flight.columns.iter().map(move |start| {
        // The first column at or after each round time; the flight's own name stands above its beginning.
        let is_tick = start.0 >= next;
        if is_tick {
            next = start.0.div_euclid(tick).saturating_add(1).saturating_mul(tick);
        }
        ColumnView { time: Figures::time(*start), is_tick }
    })
}

fn shows(row: &HeatRow, part: &str) -> bool {
    part.is_empty() || key(row).to_string().to_lowercase().contains(&part.to_lowercase())
}

fn key(row: &HeatRow) -> FaultKey<'_> {
    FaultKey { edr_point: &row.edr_point, description: &row.description }
}

fn flight_view(flight: &Flight) -> FlightView {
    let span = format!("{}–{}", ENGLISH.brief(flight.begin()), Figures::time(flight.end));
    FlightView { span, columns: flight.columns.len() }
}

fn row_view(row: &HeatRow, episodes: &[&Episode], votes: Votes) -> HeatRowView {
    // The list begins with the newest that is open.
    let newest = episodes.iter().find(|episode| episode.key() == key(row));
    HeatRowView {
        fault: words::brief_fault(key(row)),
        path: newest.map(|episode| links::anomaly_of(episode.tail(), episode.key(), episode.begin, votes)),
        cells: row.cells.iter().map(cell_view).collect(),
    }
}

fn cell_view(cell: &Cell) -> CellView {
    let class = match cell.level {
        Level::Quiet => "",
        Level::Usual => "u",
        Level::Raised => "r",
        Level::Alarm => "a",
        Level::Confirmed => "c",
    };
    CellView { class, text: cell.rate.map(|rate| format!("{rate:.0}")).unwrap_or_default() }
}

fn left_out(heat: &Heat) -> String {
    let flights = (heat.flights_left_out > 0)
        .then(|| words::counted(heat.flights_left_out as u64, "earlier flight", "earlier flights"));
    let keys = (heat.keys_left_out > 0)
        .then(|| words::counted(heat.keys_left_out as u64, "calmer kind of fault", "calmer kinds of fault"));
    let left_out: Vec<String> = [flights, keys].into_iter().flatten().collect();
    if left_out.is_empty() { String::new() } else { format!("Not shown: {}.", left_out.join(" and ")) }
}
