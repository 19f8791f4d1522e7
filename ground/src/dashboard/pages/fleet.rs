//! The fleet.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::filter::{FilterView, period_words};
use super::list::EpisodeView;
use super::{Frame, html};
use crate::dashboard::episode::Episode;
use crate::dashboard::facts::{AircraftStanding, FleetFacts, FleetMember};
use crate::dashboard::parameters::{Parameters, State, Votes};
use crate::dashboard::{episode, links, words};
use crate::readable::ENGLISH;

/// Aircraft on one page.
const PAGE: usize = 50;
/// Open anomalies that are listed; the aircraft's pages list all.
const MAX_OPEN: usize = 25;
/// Anomalies that are over, and listed.
const MAX_OVER: usize = 10;

#[derive(Template)]
#[template(path = "dashboard/fleet.html")]
struct FleetPage {
    frame: Frame,
    filter: FilterView,
    period: String,
    tiles: Vec<TileView>,
    open: Vec<EpisodeView>,
    more_open: u64,
    over: Vec<EpisodeView>,
    more_over: u64,
    quiet: Option<String>,
    cut: bool,
    members: Vec<MemberView>,
    listed: String,
    previous: Option<String>,
    next: Option<String>,
}

struct TileView {
    name: &'static str,
    value: String,
    detail: String,
    /// `bad`, `warn` or empty.
    mood: &'static str,
}

struct MemberView {
    path: String,
    aircraft: String,
    mood: &'static str,
    standing: String,
    contact: Option<(UnixSeconds, String)>,
    waiting: Option<String>,
    lost: Option<String>,
    model: Option<u32>,
    open: u64,
    worst: Option<(String, String)>,
}

/// Shows the fleet.
pub(in crate::dashboard) fn page(frame: Frame, facts: &FleetFacts, parameters: &Parameters) -> Response {
    let now = frame.now;
    let is_chosen = |episode: &Episode| {
        episode.tail().as_str().contains(&parameters.aircraft) && has_fault(episode, &parameters.fault)
    };
    let mut chosen: Vec<&Episode> = facts.episodes.iter().filter(|episode| is_chosen(episode)).collect();
    chosen.sort_by_key(|episode| Reverse(episode.begin));
    let (open, over): (Vec<&Episode>, Vec<&Episode>) =
        chosen.iter().partition(|episode| episode.standing == episode::Standing::Open);
    let members = chosen_members(facts, parameters, &open, now);
    let first = (parameters.page.0 - 1).saturating_mul(PAGE);
    let on_page: Vec<&Listed<'_>> = members.iter().skip(first).take(PAGE).collect();
    let view = |episode: &&Episode| EpisodeView::of(episode, facts, parameters.votes, now);
    let page = FleetPage {
        filter: FilterView::of(parameters),
        period: period_words(parameters.period),
        tiles: tiles(facts, &open, now),
        open: open.iter().take(MAX_OPEN).map(view).collect(),
        more_open: open.len().saturating_sub(MAX_OPEN) as u64,
        over: over.iter().take(MAX_OVER).map(view).collect(),
        more_over: over.len().saturating_sub(MAX_OVER) as u64,
        quiet: chosen.is_empty().then(|| quiet(facts, parameters)),
        cut: facts.is_cut,
        listed: listed(first, on_page.len(), members.len()),
        previous: (parameters.page.0 > 1 && !members.is_empty()).then(|| {
            let last = members.len().div_ceil(PAGE);
            links::fleet_with(&parameters.on_page((parameters.page.0 - 1).min(last)))
        }),
        next: (first + on_page.len() < members.len())
            .then(|| links::fleet_with(&parameters.on_page(parameters.page.0 + 1))),
        members: on_page.iter().map(|listed| member_view(listed, parameters, now)).collect(),
        frame,
    };
    html(StatusCode::OK, &page)
}

pub(super) fn has_fault(episode: &Episode, part: &str) -> bool {
    part.is_empty() || episode.key().to_string().to_lowercase().contains(&part.to_lowercase())
}

fn quiet(facts: &FleetFacts, parameters: &Parameters) -> String {
    let filtered = !parameters.aircraft.is_empty() || !parameters.fault.is_empty();
    let found = if parameters.votes == Votes::Any { "No anomaly" } else { "No confirmed anomaly" };
    let which = if filtered { " that fits the filter" } else { "" };
    let newest =
        facts.newest.map(|at| format!(" The newest one in the tables ended {} UTC.", ENGLISH.instant(at)));
    format!("{found}{which}: {}.{}", period_words(parameters.period), newest.unwrap_or_default())
}

/// An aircraft of the list, with its open anomalies.
struct Listed<'a> {
    member: &'a FleetMember,
    open: Vec<&'a Episode>,
}

fn chosen_members<'a>(
    facts: &'a FleetFacts,
    parameters: &Parameters,
    open: &[&'a Episode],
    now: UnixSeconds,
) -> Vec<Listed<'a>> {
    let mut of_tail: BTreeMap<&Tail, Vec<&'a Episode>> = BTreeMap::new();
    for episode in open {
        of_tail.entry(episode.tail()).or_default().push(episode);
    }
    let listed = facts.members.iter().map(|member| {
        let open = of_tail.remove(&member.record.tail).unwrap_or_default();
        Listed { member, open }
    });
    let mut chosen: Vec<Listed<'_>> = listed
        .filter(|Listed { member, open }| {
            member.record.tail.as_str().contains(&parameters.aircraft)
                && (parameters.fault.is_empty() || !open.is_empty())
                && match parameters.state {
                    State::Any => true,
                    State::Anomaly => !open.is_empty(),
                    State::Silent => member.is_silent(now),
                    State::Lost => !member.lost.is_nothing(),
                }
        })
        .collect();
    // What needs a look comes first; a stable sort, so that the others stay in the order of their tails.
    chosen.sort_by_key(|Listed { member, open }| {
        Reverse((open.len(), member.is_silent(now), !member.lost.is_nothing()))
    });
    chosen
}

fn tiles(facts: &FleetFacts, open: &[&Episode], now: UnixSeconds) -> Vec<TileView> {
    vec![line_tile(facts, now), open_tile(open), lost_tile(facts), model_tile(facts)]
}

fn line_tile(facts: &FleetFacts, now: UnixSeconds) -> TileView {
    let standing = facts.members.iter().map(|member| member.standing(now));
    let (mut online, mut away, mut silent) = (0_u64, 0_u64, 0_u64);
    for standing in standing {
        match standing {
            AircraftStanding::Online => online += 1,
            AircraftStanding::Away { .. } => away += 1,
            AircraftStanding::Unknown => {}
            AircraftStanding::Quiet | AircraftStanding::Overdue { .. } | AircraftStanding::Offline => {
                silent += 1;
            }
        }
    }
    let counts = [(online, "connected"), (away, "away as planned"), (silent, "not connected or silent")];
    TileView {
        name: "Aircraft",
        value: ENGLISH.count(facts.members.len() as u64),
        detail: said(counts),
        mood: if silent > 0 { "warn" } else { "" },
    }
}

fn said<const N: usize>(counts: [(u64, &str); N]) -> String {
    let said = counts.into_iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = said.map(|(count, what)| format!("{} {what}", ENGLISH.count(count))).collect();
    if said.is_empty() { "none heard of yet".to_owned() } else { said.join(", ") }
}

fn open_tile(open: &[&Episode]) -> TileView {
    let aircraft = open.iter().map(|episode| episode.tail()).collect::<std::collections::BTreeSet<_>>().len();
    let faults = open.iter().map(|episode| episode.key()).collect::<std::collections::BTreeSet<_>>().len();
    TileView {
        name: "Open anomalies",
        value: ENGLISH.count(open.len() as u64),
        detail: match open.len() {
            0 => "nothing open".to_owned(),
            _ => format!(
                "on {aircraft} aircraft, {}",
                words::counted(faults as u64, "kind of fault", "kinds of fault")
            ),
        },
        mood: if open.is_empty() { "" } else { "bad" },
    }
}

fn lost_tile(facts: &FleetFacts) -> TileView {
    let lossy: Vec<_> = facts.members.iter().filter(|member| !member.lost.is_nothing()).collect();
    let total = lossy.iter().map(|member| member.lost.total()).fold(0, u64::saturating_add);
    TileView {
        name: "Lost events and frames",
        value: ENGLISH.count(total),
        detail: match lossy.len() {
            0 => "nothing was lost".to_owned(),
            count => format!("on {} aircraft", ENGLISH.count(count as u64)),
        },
        mood: if lossy.is_empty() { "" } else { "warn" },
    }
}

fn model_tile(facts: &FleetFacts) -> TileView {
    const NAMED: usize = 3;
    let mut versions: BTreeMap<u32, u64> = BTreeMap::new();
    for model in facts.members.iter().filter_map(|member| member.record.model) {
        *versions.entry(model.0).or_default() += 1;
    }
    let newest = versions.keys().next_back().copied();
    let mut by_count: Vec<String> = versions
        .iter()
        .rev()
        .take(NAMED)
        .map(|(version, count)| match version {
            0 => format!("none on {count}"),
            version => format!("{version} on {count}"),
        })
        .collect();
    if versions.len() > NAMED {
        by_count.push("older ones".to_owned());
    }
    TileView {
        name: "Model in use",
        value: newest
            .filter(|version| *version > 0)
            .map_or_else(|| "–".to_owned(), |version| version.to_string()),
        detail: match (versions.len(), versions.values().next()) {
            (1, Some(count)) if newest > Some(0) => format!("on {} aircraft", ENGLISH.count(*count)),
            (0, _) => "no aircraft told".to_owned(),
            _ => by_count.join(", "),
        },
        mood: "",
    }
}

fn listed(first: usize, count: usize, all: usize) -> String {
    match (count, all) {
        (_, 0) => "no aircraft fits the filter".to_owned(),
        (0, _) => format!("{all} aircraft; this page lies behind the last"),
        (count, all) if count == all => format!("{} aircraft", ENGLISH.count(all as u64)),
        (count, all) => format!("{} to {} of {}", first + 1, first + count, ENGLISH.count(all as u64)),
    }
}

/// What is said of how an aircraft's line is, and whether that is good.
pub(super) fn standing_words(standing: AircraftStanding) -> (String, &'static str) {
    match standing {
        AircraftStanding::Online => ("connected".to_owned(), "good"),
        AircraftStanding::Quiet => ("connected, but silent".to_owned(), "warn"),
        AircraftStanding::Away { until } => (format!("away until {}", ENGLISH.brief(until)), "calm"),
        AircraftStanding::Overdue { since } => (format!("overdue since {}", ENGLISH.brief(since)), "warn"),
        AircraftStanding::Offline => ("not connected".to_owned(), "warn"),
        AircraftStanding::Unknown => ("from files".to_owned(), "calm"),
    }
}

/// What waits on board, in words; none where the ground knows of nothing.
pub(super) fn waiting_words(member: &FleetMember) -> Option<String> {
    let waiting = member.waiting.frames;
    (waiting > 0).then(|| words::counted(waiting, "frame", "frames"))
}

fn member_view(listed: &Listed<'_>, parameters: &Parameters, now: UnixSeconds) -> MemberView {
    let Listed { member, open } = listed;
    let (standing, mood) = standing_words(member.standing(now));
    let worst = open.iter().max_by(|one, other| one.peak.fail_rate.total_cmp(&other.peak.fail_rate));
    MemberView {
        path: links::aircraft_with(&member.record.tail, &parameters.common()),
        aircraft: words::aircraft(&member.record.tail),
        mood,
        standing,
        contact: member.record.last_contact.map(|at| (at, words::ago(at, now))),
        waiting: waiting_words(member),
        lost: words::lost(&member.lost),
        model: member.record.model.map(|model| model.0),
        open: open.len() as u64,
        worst: worst.map(|episode| {
            let path = links::anomaly_of(episode.tail(), episode.key(), episode.begin, parameters.votes);
            (path, words::brief_fault(episode.key()))
        }),
    }
}
