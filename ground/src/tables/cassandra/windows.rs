//! Windows and their rows: which partitions they go to, and how a window takes the place of what was stored of it.
//!
//! A window's index row says what is stored of it: the version, a digest of the content, and the time it was written
//! with, which all its rows share. So a later write knows by one small read whether it is newer, the same again, or
//! too late, and what it has to take out. `docs/adr/0009-cassandra-tables.md` follows it through a crash.

use std::collections::BTreeMap;

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use scylla::statement::prepared::PreparedStatement;

use super::bind::Bind;
use super::buckets::{Span, day, shard};
use super::cluster::{Cluster, Fault, Request};
use super::decode;
use super::plan::{Indexed, Plan, Stored, decide};
use super::schema::{BY_KEY, INDEX};
use crate::tables::names::{Names, WINDOWS};
use crate::tables::{Cell, StoreOutcome, Table, TableRow};

/// The statements that write windows.
#[derive(Debug)]
pub(super) struct WindowStatements {
    read_index: PreparedStatement,
    put_index: PreparedStatement,
    /// The six tables in the order of [`Table::ALL`].
    anomalies: Vec<(Table, RowStatements)>,
    windows: RowStatements,
    read_keys: PreparedStatement,
    put_key: PreparedStatement,
    delete_key: PreparedStatement,
}

/// The statements that write one table of rows.
#[derive(Debug)]
struct RowStatements {
    put: PreparedStatement,
    delete: PreparedStatement,
}

const COLUMNS: usize = TableRow::COLUMNS.len();

impl RowStatements {
    async fn prepare(cluster: &Cluster, table: &str) -> Result<Self, Fault> {
        let columns = TableRow::COLUMNS.join(", ");
        let places = ["?"; COLUMNS + 2].join(", ");
        let put = format!(
            "INSERT INTO {{}}.\"{table}\" (hour, shard, {columns}) VALUES ({places}) USING TIMESTAMP ?"
        );
        let delete = format!(
            "DELETE FROM {{}}.\"{table}\" USING TIMESTAMP ?
             WHERE hour = ? AND shard = ? AND tail = ? AND start_time = ?"
        );
        Ok(Self { put: cluster.prepare(&put).await?, delete: cluster.prepare(&delete).await? })
    }
}

impl WindowStatements {
    pub async fn prepare(cluster: &Cluster, names: &Names) -> Result<Self, Fault> {
        let mut anomalies = Vec::new();
        for table in Table::ALL {
            anomalies.push((table, RowStatements::prepare(cluster, names.of(table)).await?));
        }
        let columns = TableRow::COLUMNS.join(", ");
        let places = ["?"; COLUMNS + 1].join(", ");
        let put_key =
            format!("INSERT INTO {{}}.{BY_KEY} (day, {columns}) VALUES ({places}) USING TIMESTAMP ?");
        let delete_key = format!(
            "DELETE FROM {{}}.{BY_KEY} USING TIMESTAMP ? WHERE fault_key = ? AND day = ? AND start_time = ?
             AND tail = ? AND edr_point = ? AND description = ?"
        );
        let read_keys = format!(
            "SELECT fault_key, edr_point, description FROM {{}}.\"{}\"
             WHERE hour = ? AND shard = ? AND tail = ? AND start_time = ?",
            names.of(Table::CombinedAll)
        );
        let put_index = format!(
            "INSERT INTO {{}}.{INDEX} (tail, day, start_time, end_time, model_version, version, digest, points)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        let read_index = format!(
            "SELECT start_time, version, digest, writetime(version) AS written FROM {{}}.{INDEX}
             WHERE tail = ? AND day = ? AND start_time IN ?"
        );
        Ok(Self {
            read_index: cluster.prepare(&read_index).await?,
            put_index: cluster.prepare(&put_index).await?,
            anomalies,
            windows: RowStatements::prepare(cluster, WINDOWS).await?,
            read_keys: cluster.prepare(&read_keys).await?,
            put_key: cluster.prepare(&put_key).await?,
            delete_key: cluster.prepare(&delete_key).await?,
        })
    }

    fn row_tables(&self) -> impl Iterator<Item = &RowStatements> {
        self.anomalies.iter().map(|(_, statements)| statements).chain([&self.windows])
    }
}

/// What is sent for a window.
impl Plan {
    /// The partition its rows go to, in every table of rows.
    fn partition(&self) -> [Bind; 2] {
        [Span::Hour.of(self.start).into(), Bind::TinyInt(shard(&self.tail))]
    }

    fn put_index<'s>(&self, statements: &'s WindowStatements) -> Request<'s> {
        let values = [
            Bind::text(&self.tail),
            day(self.start),
            self.start.into(),
            self.end.into(),
            Bind::BigInt(self.model),
            Bind::BigInt(self.version),
            Bind::BigInt(self.digest),
            Bind::Counts(self.points.clone()),
            Bind::BigInt(self.written),
        ];
        Request::new(&statements.put_index, values)
    }

    /// What was stored of the window goes: everything written before its own rows.
    fn delete<'s>(&self, statements: &'s RowStatements) -> Request<'s> {
        let mut values = vec![Bind::BigInt(self.written.saturating_sub(1))];
        values.extend(self.partition());
        values.extend([Bind::text(&self.tail), self.start.into()]);
        Request::new(&statements.delete, values)
    }

    fn put<'s>(&self, statements: &'s RowStatements, row: &TableRow) -> Request<'s> {
        let mut values = Vec::with_capacity(COLUMNS + 3);
        values.extend(self.partition());
        values.extend(row_values(row));
        values.push(Bind::BigInt(self.written));
        Request::new(&statements.put, values)
    }

    fn put_key<'s>(&self, statements: &'s WindowStatements, row: &TableRow) -> Request<'s> {
        let mut values = Vec::with_capacity(COLUMNS + 2);
        values.push(day(self.start));
        values.extend(row_values(row));
        values.push(Bind::BigInt(self.written));
        Request::new(&statements.put_key, values)
    }
}

/// The values of [`TableRow::COLUMNS`]; times are times here, not text.
fn row_values(row: &TableRow) -> impl Iterator<Item = Bind> {
    let (start, end) = (row.start, row.end);
    TableRow::COLUMNS.into_iter().zip(row.cells()).map(move |(column, cell)| match (column, cell) {
        ("start_time", _) => start.into(),
        ("end_time", _) => end.into(),
        ("anomaly_z" | "anomaly_iforest" | "anomaly_combined", Cell::Integer(flag)) => {
            Bind::Int(i32::from(flag != 0))
        }
        (_, Cell::Null) => Bind::Null,
        (_, Cell::Integer(value)) => Bind::BigInt(value),
        (_, Cell::Real(value)) => Bind::Double(value),
        (_, Cell::Text(text)) => Bind::Text(text),
    })
}

/// Puts windows in place, in the order given where two are of the same time and aircraft.
pub(super) async fn replace(
    cluster: &Cluster,
    statements: &WindowStatements,
    windows: &[Plan],
    out: &mut StoreOutcome,
) -> Result<(), Fault> {
    let stored = read_index(cluster, statements, windows).await?;
    let plans = decide(windows, stored, out);
    let replacing: Vec<&Plan> = plans.iter().filter(|plan| plan.replaces).collect();
    let old_keys = read_keys(cluster, statements, &replacing).await?;
    cluster.send_all(plans.iter().map(|plan| plan.put_index(statements))).await?;
    // The rows by key are found through those by hour, so they go before those do, and come after them.
    cluster.send_all(old_keys).await?;
    cluster.send_partitions(partitions(statements, &plans)).await?;
    let by_key = plans.iter().flat_map(|plan| {
        let anomalies = plan.rows.iter().filter(|row| row.alarms.any());
        anomalies.map(move |row| plan.put_key(statements, row))
    });
    cluster.send_all(by_key).await
}

/// One read for all windows of an aircraft's day.
async fn read_index(
    cluster: &Cluster,
    statements: &WindowStatements,
    windows: &[Plan],
) -> Result<Stored, Fault> {
    let mut days: BTreeMap<(&Tail, UnixSeconds), Vec<Bind>> = BTreeMap::new();
    for plan in windows {
        days.entry((&plan.tail, Span::Day.of(plan.start))).or_default().push(plan.start.into());
    }
    let reads = days.into_iter().map(|((tail, first), starts)| async move {
        let values = [Bind::text(tail), day(first), Bind::List(starts)];
        let rows = cluster.read::<Indexed>(Request::new(&statements.read_index, values)).await?;
        Ok((tail, rows))
    });
    let mut stored = Stored::new();
    for (tail, rows) in cluster.side_by_side(reads).await? {
        for row in rows {
            stored.insert((tail.clone(), decode::time(row.start_time)), row);
        }
    }
    Ok(stored)
}

/// Deletes of what is stored by key of windows that are to be replaced.
async fn read_keys<'s>(
    cluster: &Cluster,
    statements: &'s WindowStatements,
    replacing: &[&Plan],
) -> Result<Vec<Request<'s>>, Fault> {
    let reads = replacing.iter().map(|plan| async move {
        let mut values = Vec::from(plan.partition());
        values.extend([Bind::text(&plan.tail), plan.start.into()]);
        let keys: Vec<(String, String, String)> =
            cluster.read(Request::new(&statements.read_keys, values)).await?;
        Ok(keys.into_iter().map(|(key, point, description)| {
            let values = [
                Bind::BigInt(plan.written.saturating_sub(1)),
                Bind::Text(key),
                day(plan.start),
                plan.start.into(),
                Bind::text(&plan.tail),
                Bind::Text(point),
                Bind::Text(description),
            ];
            Request::new(&statements.delete_key, values)
        }))
    });
    Ok(cluster.side_by_side(reads).await?.into_iter().flatten().collect())
}

/// Everything to be written to the tables of rows, by partition.
fn partitions<'s>(statements: &'s WindowStatements, plans: &[Plan]) -> Vec<Vec<Request<'s>>> {
    let mut hours: BTreeMap<(UnixSeconds, i8), Vec<&Plan>> = BTreeMap::new();
    for plan in plans {
        hours.entry((Span::Hour.of(plan.start), shard(&plan.tail))).or_default().push(plan);
    }
    let mut partitions = Vec::new();
    for plans in hours.into_values() {
        for table in statements.row_tables() {
            let deletes = plans.iter().filter(|plan| plan.replaces).map(|plan| plan.delete(table));
            partitions.push(deletes.collect());
        }
        for (table, row_statements) in &statements.anomalies {
            partitions.push(puts(&plans, row_statements, |row| table.holds(row.alarms)));
        }
        partitions.push(puts(&plans, &statements.windows, |_| true));
    }
    partitions
}

fn puts<'s>(
    plans: &[&Plan],
    statements: &'s RowStatements,
    holds: impl Fn(&TableRow) -> bool,
) -> Vec<Request<'s>> {
    let rows = plans.iter().flat_map(|plan| plan.rows.iter().map(move |row| (plan, row)));
    rows.filter(|(_, row)| holds(row)).map(|(plan, row)| plan.put(statements, row)).collect()
}
