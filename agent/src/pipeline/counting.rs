//! Judging one event: whether it still counts, in which window, and under which key.

use cabinwatch_shared::event::{Event, State as EventState};
use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::window::Window;
use cabinwatch_shared::wire::LossReason;

use super::state::State;
use super::watermark::Moment;
use crate::store::{Counter, Counts, KeyId, LoggedEvent, Store, StoreError};

/// The limits events are judged by.
#[derive(Clone, Copy, Debug)]
pub struct CountingLimits {
    /// How long after its end a window stays open, in seconds.
    pub lateness_seconds: u32,
    /// How far ahead of the agent's time an event may be dated, in seconds.
    pub max_future_seconds: u32,
    /// Most keys of each state in one window.
    pub keys: usize,
    /// Most keys in memory, over all open windows.
    pub keys_in_memory: usize,
}

/// Counts an event in its window and returns what the log must hold of it; none if the event is lost. What happened
/// besides is added to `counts`.
///
/// # Errors
/// When the database can't be read.
pub fn count(
    event: &Event<'_>,
    arrival: Moment,
    limits: &CountingLimits,
    state: &mut State,
    store: &mut Store,
    counts: &mut Counts,
) -> Result<Option<LoggedEvent>, StoreError> {
    if let Some(reason) = lost_in_time(event, arrival, limits, state) {
        counts.add(Counter::Lost(reason), 1);
        return Ok(None);
    }
    state.watermark.observe(event.at, arrival);
    let (key, was_cut) = event.key.bounded();
    counts.add(Counter::TextCut, u64::from(was_cut));
    let Some(key) = count_key(&Event { key, ..*event }, limits, state, store, counts)? else {
        counts.add(Counter::Lost(LossReason::PointOverflow), 1);
        return Ok(None);
    };
    Ok(Some(LoggedEvent { at: event.at, key, state: event.state }))
}

fn lost_in_time(
    event: &Event<'_>,
    arrival: Moment,
    limits: &CountingLimits,
    state: &State,
) -> Option<LossReason> {
    let ahead = event.at.0.saturating_sub(arrival.now.0);
    if ahead > i64::from(limits.max_future_seconds) * 1000 {
        return Some(LossReason::Future);
    }
    let window = Window::containing(event.at, state.length);
    let watermark = state.watermark.at(arrival);
    let due = watermark
        .is_some_and(|watermark| super::windows::is_due(window.end(), watermark, limits.lateness_seconds));
    // Both: the watermark alone would open a window again whose lateness was raised after it closed.
    let closed = state.closed.contains(window.start());
    (due || closed).then_some(LossReason::Late)
}

/// Counts under the event's own key, or under the one for overflow; none where even its point does not fit.
fn count_key(
    event: &Event<'_>,
    limits: &CountingLimits,
    state: &mut State,
    store: &mut Store,
    counts: &mut Counts,
) -> Result<Option<KeyId>, StoreError> {
    let start = Window::containing(event.at, state.length).start();
    let window = state.windows.at(start, state.length.as_seconds());
    let known = store.known_key(event.key);
    if let Some(key) = known.filter(|key| window.count_known(*key, event.state)) {
        return Ok(Some(key));
    }
    let full_memory = known.is_none() && store.keys_in_memory_count() >= limits.keys_in_memory;
    let overflows = full_memory || window.keys(event.state) >= limits.keys;
    let key = match (overflows, event.state) {
        (false, _) => event.key,
        (true, EventState::Fail) => FaultKey::OTHER,
        (true, EventState::Success) => FaultKey { description: "", ..event.key },
    };
    let fits = window.has_room_for_point(key.edr_point) && (!full_memory || store.known_key(key).is_some());
    if !fits && key != FaultKey::OTHER {
        return Ok(None);
    }
    counts.add(Counter::KeyOverflow, u64::from(key != event.key));
    let id = store.intern(key)?;
    window.count(store.key(id)?, event.state);
    Ok(Some(id))
}

/// The number of an event's key before its window is known: its own, or one for overflow; none where even its point does
/// not fit into memory.
///
/// # Errors
/// When the database can't be read.
pub fn intern(
    event: &Event<'_>,
    keys_in_memory: usize,
    store: &mut Store,
    counts: &mut Counts,
) -> Result<Option<KeyId>, StoreError> {
    if let Some(known) = store.known_key(event.key) {
        return Ok(Some(known));
    }
    if store.keys_in_memory_count() < keys_in_memory {
        return store.intern(event.key).map(Some);
    }
    let key = match event.state {
        EventState::Fail => FaultKey::OTHER,
        EventState::Success => FaultKey { description: "", ..event.key },
    };
    if key != FaultKey::OTHER && store.known_key(key).is_none() {
        return Ok(None);
    }
    counts.add(Counter::KeyOverflow, 1);
    store.intern(key).map(Some)
}
