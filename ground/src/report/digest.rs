//! What there is to report, read from the tables.

use std::collections::{BTreeMap, BTreeSet};

use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;

use super::wording::{Affected, AlarmCounts};
use super::{ReportError, Run};
use crate::tables::{Lost, Query, RateQuery, Table, TableRow, Tables, Totals};

/// Windows in a picture.
pub(super) const PICTURE_WINDOWS: u32 = 48;
/// Of these, at most so many behind the fault's last anomaly, to show whether it is over.
const WINDOWS_AFTER: i64 = 8;
/// Faults with a picture; more would make a mail nobody reads to its end.
pub(super) const MAX_PICTURES: usize = 20;

/// Everything a report says, before it is put into words.
#[derive(Debug)]
pub(super) struct Digest {
    /// Rows each detector alarmed on.
    pub alarms: AlarmCounts,
    /// What the confirmed anomalies touch.
    pub affected: Affected,
    /// Confirmed anomalies, the fault with the highest z score first.
    pub faults: Vec<Fault>,
    /// What was lost in the period.
    pub losses: Lost,
}

/// One fault key of one aircraft with its confirmed anomalies.
#[derive(Debug)]
pub(super) struct Fault {
    /// Confirmed rows in the order of time; at least one.
    pub rows: Vec<TableRow>,
    /// Recent rates, for the faults that get a picture.
    pub recent: Vec<(UnixSeconds, Rate)>,
}

impl Fault {
    /// How sure: the highest z score of its rows.
    fn highest_z(&self) -> f64 {
        self.rows.iter().filter_map(|row| row.z_score).fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Digest {
    /// Reads what the run is about from the tables.
    pub fn read(run: &Run, tables: &dyn Tables) -> Result<Self, ReportError> {
        let (mut totals, mut confirmed, mut losses) = (Totals::default(), Vec::new(), Lost::default());
        for stretch in &run.stretches {
            let query = Query { since: Some(stretch.from), until: Some(stretch.until), ..Query::default() };
            // Alarms of a single detector are many, and only counted.
            totals = totals.and(tables.totals(Some(Table::CombinedAll), &query)?);
            confirmed.extend(tables.rows(Table::CombinedRepeated, &query)?);
            tables.losses(&query)?.iter().for_each(|record| losses.note_loss(&record.loss));
            tables.gaps(&query)?.iter().for_each(|gap| losses.note_gap(gap));
        }
        let alarms = AlarmCounts { z: totals.z, forest: totals.forest, confirmed: confirmed.len() as u64 };
        let affected = affected(&confirmed);
        let mut faults = by_fault(confirmed);
        for fault in faults.iter_mut().take(MAX_PICTURES) {
            fault.recent = recent_rates(fault, run, tables)?;
        }
        Ok(Self { alarms, affected, faults, losses })
    }

    /// All confirmed rows, in the order of the faults.
    pub fn confirmed(&self) -> impl Iterator<Item = &TableRow> {
        self.faults.iter().flat_map(|fault| &fault.rows)
    }
}

fn affected(confirmed: &[TableRow]) -> Affected {
    let fleet = Tail::fleet();
    let aircraft: BTreeSet<&Tail> =
        confirmed.iter().map(|row| &row.tail).filter(|tail| **tail != fleet).collect();
    let fault_keys: BTreeSet<_> = confirmed.iter().map(TableRow::key).collect();
    Affected { aircraft: aircraft.len() as u64, fault_keys: fault_keys.len() as u64 }
}

fn by_fault(confirmed: Vec<TableRow>) -> Vec<Fault> {
    let mut faults: BTreeMap<(Tail, String, String), Vec<TableRow>> = BTreeMap::new();
    for row in confirmed {
        let identity = (row.tail.clone(), row.edr_point.clone(), row.description.clone());
        faults.entry(identity).or_default().push(row);
    }
    let mut faults: Vec<Fault> =
        faults.into_values().map(|rows| Fault { rows, recent: Vec::new() }).collect();
    // A stable sort: equal scores stay in the order of tail and key, so the same run gives the same mail.
    faults.sort_by(|left, right| right.highest_z().total_cmp(&left.highest_z()));
    faults
}

fn recent_rates(
    fault: &Fault,
    run: &Run,
    tables: &dyn Tables,
) -> Result<Vec<(UnixSeconds, Rate)>, ReportError> {
    let Some(last) = fault.rows.last() else { return Ok(Vec::new()) };
    let length = last.end.0.saturating_sub(last.start.0).max(1);
    let later = last.start.0.saturating_add(WINDOWS_AFTER.saturating_mul(length));
    let until = UnixSeconds(later.min(run.until().0).max(last.start.0));
    let query = RateQuery { tail: &last.tail, key: last.key(), until, windows: PICTURE_WINDOWS };
    let rates = tables.recent_rates(&query)?;
    // The newest windows may reach back over a night on the ground; a picture holds one stretch of time.
    let Some(&(newest, _)) = rates.last() else { return Ok(rates) };
    let oldest = newest.0.saturating_sub((i64::from(PICTURE_WINDOWS) - 1).saturating_mul(length));
    Ok(rates.into_iter().filter(|(start, _)| start.0 >= oldest).collect())
}
