//! Anomalies in a list, as fleet and aircraft show them.

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use crate::dashboard::episode::{Episode, Standing};
use crate::dashboard::facts::FleetFacts;
use crate::dashboard::parameters::Votes;
use crate::dashboard::{links, words};
use crate::tables::fnv1a;

/// One anomaly of a list.
pub(super) struct EpisodeView {
    pub path: String,
    /// Tells it from others, also when it goes on.
    pub id: String,
    pub aircraft: String,
    pub fault: String,
    pub is_open: bool,
    pub is_confirmed: bool,
    pub begin: UnixSeconds,
    pub when: String,
    pub ago: String,
    pub rate: String,
    pub reason: String,
    pub elsewhere: String,
    pub is_elsewhere: bool,
}

impl EpisodeView {
    pub fn of(episode: &Episode, fleet: &FleetFacts, votes: Votes, now: UnixSeconds) -> Self {
        let others: Vec<&Tail> = fleet.elsewhere(episode).into_iter().collect();
        let path = links::anomaly_of(episode.tail(), episode.key(), episode.begin, votes);
        // One that goes on before what was read begins a little later each time it is read; it stays the same one.
        let begin = if episode.is_cut { UnixSeconds(0) } else { episode.begin };
        let name = links::anomaly_of(episode.tail(), episode.key(), begin, votes);
        Self {
            id: format!("{:016x}", fnv1a(name.as_bytes())),
            path,
            aircraft: words::aircraft(episode.tail()),
            fault: words::brief_fault(episode.key()),
            is_open: episode.standing == Standing::Open,
            is_confirmed: episode.confirmed > 0,
            begin: episode.begin,
            when: words::when(episode),
            ago: words::ago(episode.begin, now),
            rate: words::rate_of(episode.counts),
            reason: words::reason(episode),
            elsewhere: words::elsewhere(&others),
            is_elsewhere: !others.is_empty(),
        }
    }
}
