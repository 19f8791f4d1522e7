//! What a window becomes, and whether it takes the place of what is stored. Pure: the index is read elsewhere.

use std::collections::{BTreeMap, HashMap};

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use scylla::DeserializeRow;
use scylla::value::CqlTimestamp;

use crate::tables::digest::fnv1a;
use crate::tables::limits::{self, integer};
use crate::tables::{ScoredWindow, StoreOutcome, TableRow, TablesError};

/// Longest text of a fault key, in bytes. What an aircraft sends is far shorter; Cassandra takes no key of 64 KiB.
const MAX_FAULT_KEY_BYTES: usize = 32 << 10;

/// What the index says of a window.
#[derive(Clone, Copy, Debug, DeserializeRow)]
pub(super) struct Indexed {
    pub start_time: CqlTimestamp,
    pub version: i64,
    pub digest: i64,
    pub written: i64,
}

/// What the index says, by window.
pub(super) type Stored = HashMap<(Tail, UnixSeconds), Indexed>;

/// A window ready to be written.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub tail: Tail,
    pub start: UnixSeconds,
    pub end: UnixSeconds,
    pub model: i64,
    pub version: i64,
    pub digest: i64,
    pub points: BTreeMap<String, i64>,
    pub rows: Vec<TableRow>,
    pub anomalies: u64,
    /// The write time, and whether something older has to go first. Known once the index was read.
    pub written: i64,
    pub replaces: bool,
}

impl Plan {
    /// Fails where a column can't hold a value, so that nothing is written then.
    pub fn of(scored: &ScoredWindow) -> Result<Self, TablesError> {
        let no_attempt = || TablesError::Value { what: "a row without an attempt", value: "0".to_owned() };
        let mut rows = Vec::with_capacity(scored.rows.len());
        for row in &scored.rows {
            integer("failures and successes of a row", row.counts.fail.saturating_add(row.counts.success))?;
            check_length(row.key())?;
            rows.push(TableRow::of(scored, row).ok_or_else(no_attempt)?);
        }
        let points = scored
            .points
            .iter()
            .map(|(point, success)| integer("successes", *success).map(|success| (point.clone(), success)));
        let points = points.collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self {
            tail: scored.tail.clone(),
            start: limits::time("the start of a window", scored.window.start())?,
            end: limits::time("the end of a window", scored.window.end())?,
            model: i64::from(scored.model.0),
            version: scored.version.0,
            digest: digest(scored.window.end(), &rows, &points),
            points,
            anomalies: rows.iter().filter(|row| row.alarms.any()).count() as u64,
            rows,
            written: scored.version.0,
            replaces: false,
        })
    }

    pub fn key(&self) -> (Tail, UnixSeconds) {
        (self.tail.clone(), self.start)
    }
}

fn check_length(key: FaultKey<'_>) -> Result<(), TablesError> {
    let text = key.to_string();
    if text.len() <= MAX_FAULT_KEY_BYTES {
        return Ok(());
    }
    let start: String = text.chars().take(40).collect();
    let value = format!("{start:?} and so on, {} bytes in all,", text.len());
    Err(TablesError::Value { what: "a fault key", value })
}

/// Leaves out what is outdated, and gives the rest the time it is to be written with.
pub(super) fn decide(windows: &[Plan], mut stored: Stored, out: &mut StoreOutcome) -> Vec<Plan> {
    let mut plans: HashMap<(Tail, UnixSeconds), Plan> = HashMap::new();
    for window in windows {
        let known = stored.get(&window.key()).copied();
        if known.is_some_and(|known| known.version > window.version) {
            out.outdated += 1;
            continue;
        }
        let mut plan = window.clone();
        if let Some(known) = known {
            let same = (known.version, known.digest) == (plan.version, plan.digest);
            // At one time a delete wins over a write, and of two writes neither does as a whole.
            plan.written =
                if same { known.written } else { plan.written.max(known.written.saturating_add(1)) };
            plan.replaces = true;
            out.replaced += 1;
        }
        out.windows += 1;
        out.rows += plan.rows.len() as u64;
        out.anomalies += plan.anomalies;
        let Plan { version, digest, written, .. } = plan;
        let start_time = CqlTimestamp(plan.start.millis().0);
        stored.insert(plan.key(), Indexed { start_time, version, digest, written });
        plans.insert(plan.key(), plan);
    }
    plans.into_values().collect()
}

/// The same for the same content, whoever computes it.
fn digest(end: UnixSeconds, rows: &[TableRow], points: &BTreeMap<String, i64>) -> i64 {
    let mut bytes = Vec::new();
    let number = |bytes: &mut Vec<u8>, value: u64| bytes.extend(value.to_le_bytes());
    let text = |bytes: &mut Vec<u8>, text: &str| {
        bytes.extend(text.as_bytes());
        // No text holds it, so that two texts are never taken for two others.
        bytes.push(0xff);
    };
    let real = |bytes: &mut Vec<u8>, value: Option<f64>| {
        bytes.push(u8::from(value.is_some()));
        number(bytes, value.unwrap_or_default().to_bits());
    };
    number(&mut bytes, end.0.cast_unsigned());
    for row in rows {
        text(&mut bytes, &row.edr_point);
        text(&mut bytes, &row.description);
        text(&mut bytes, row.z_status.as_str());
        number(&mut bytes, row.counts.fail);
        number(&mut bytes, row.counts.success);
        for value in [row.mean_rate, row.std_rate, row.z_score, row.iforest_score] {
            real(&mut bytes, value);
        }
        bytes.extend([u8::from(row.alarms.z), u8::from(row.alarms.forest)]);
        number(&mut bytes, u64::from(row.model_version.0));
    }
    for (point, success) in points {
        text(&mut bytes, point);
        number(&mut bytes, success.cast_unsigned());
    }
    fnv1a(&bytes).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::WindowVersion;
    use crate::tables::examples::window;

    fn plan(version: i64) -> Plan {
        Plan::of(&ScoredWindow { version: WindowVersion(version), ..window("TC-JJA", 0) }).expect("storable")
    }

    fn other(version: i64) -> Plan {
        let changed =
            ScoredWindow { version: WindowVersion(version), rows: Vec::new(), ..window("TC-JJA", 0) };
        Plan::of(&changed).expect("storable")
    }

    /// The index after `plan` was written at this time.
    fn stored(plan: &Plan, written: i64) -> Stored {
        let Plan { version, digest, .. } = *plan;
        let indexed = Indexed { start_time: CqlTimestamp(plan.start.0 * 1000), version, digest, written };
        [(plan.key(), indexed)].into()
    }

    /// The write time of the one plan that is left, and whether it replaces what is there.
    fn decided(windows: &[Plan], stored: Stored) -> Option<(i64, bool)> {
        let plans = decide(windows, stored, &mut StoreOutcome::default());
        assert!(plans.len() <= 1);
        plans.first().map(|plan| (plan.written, plan.replaces))
    }

    #[test]
    fn a_new_window_is_written_at_the_time_its_version_says() {
        assert_eq!(decided(&[plan(70)], Stored::new()), Some((70, false)));
    }

    #[test]
    fn a_replay_is_written_at_the_time_it_was_so_that_it_changes_nothing() {
        assert_eq!(decided(&[plan(70)], stored(&plan(70), 75)), Some((75, true)));
    }

    #[test]
    fn what_takes_the_place_of_another_is_written_later_than_it() {
        assert_eq!(decided(&[plan(71)], stored(&plan(70), 70)), Some((71, true)));
        assert_eq!(decided(&[plan(71)], stored(&plan(70), 75)), Some((76, true)));
        assert_eq!(decided(&[other(70)], stored(&plan(70), 70)), Some((71, true)));
    }

    #[test]
    fn an_older_version_is_left_out() {
        let mut out = StoreOutcome::default();
        assert!(decide(&[plan(69)], stored(&plan(70), 70), &mut out).is_empty());
        assert_eq!((out.outdated, out.windows), (1, 0));
    }

    #[test]
    fn of_two_in_one_batch_the_newer_is_written_once() {
        assert_eq!(decided(&[plan(70), plan(71)], Stored::new()), Some((71, true)));
        assert_eq!(decided(&[plan(71), plan(70)], Stored::new()), Some((71, false)));
    }

    #[test]
    fn a_digest_tells_contents_apart() {
        assert_eq!(plan(1).digest, plan(2).digest);
        assert_ne!(plan(1).digest, other(1).digest);
        let mut text = window("TC-JJA", 0);
        (text.rows[0].edr_point, text.rows[0].description) =
            ("DHC".to_owned(), "Pno address, none".to_owned());
        assert_ne!(plan(1).digest, Plan::of(&text).expect("storable").digest);
    }
}
