//! Where streams stand, without transactions: each process writes down what it stored, then reads what all of them
//! did. Of two that do so at once, the one that reads last sees both.

use std::collections::HashMap;

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::{FrameSeq, StreamId};
use scylla::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::cluster::{Cluster, Fault, Request};
use super::decode::{self, range, seq, stream_id, tail, time};
use super::schema::{GAPS, STREAMS};
use super::stream_log::StreamLog;
use crate::tables::limits::{self, integer};
use crate::tables::{GapRecord, Query, SeqRange, StreamProgress, StreamState, TablesError};

type StreamKey = (Tail, StreamId);

/// Streams: the statements, and what this process read last.
#[derive(Debug)]
pub(super) struct Streams {
    put_run: PreparedStatement,
    delete_run: PreparedStatement,
    put_oldest: PreparedStatement,
    put_newest: PreparedStatement,
    put_settled: PreparedStatement,
    put_updated: PreparedStatement,
    read_log: PreparedStatement,
    read_logs: PreparedStatement,
    put_gap: PreparedStatement,
    delete_gap: PreparedStatement,
    read_gaps: PreparedStatement,
    read_all_gaps: PreparedStatement,
    known: HashMap<StreamKey, Known>,
}

/// What this process knows to be in the tables. It may be less than is there, never more.
#[derive(Clone, Debug, Default)]
struct Known {
    log: StreamLog,
    /// The gaps whose rows are as they should be.
    noted: Vec<SeqRange>,
}

#[derive(Debug, DeserializeRow)]
struct LogRow {
    tail: String,
    stream: String,
    oldest: Option<i64>,
    newest: Option<i64>,
    settled: Option<i64>,
    updated: Option<CqlTimestamp>,
    first_seq: Option<i64>,
    last_seq: Option<i64>,
}

#[derive(Debug, DeserializeRow)]
struct GapRow {
    tail: String,
    stream: String,
    first_seq: i64,
    last_seq: i64,
    noticed: CqlTimestamp,
}

const LOG: &str = "tail, stream, oldest, newest, settled, updated, first_seq, last_seq";
const GAP: &str = "tail, stream, first_seq, last_seq, noticed";

impl Streams {
    pub async fn prepare(cluster: &Cluster) -> Result<Self, Fault> {
        let put = |column: &str| {
            format!("UPDATE {{}}.{STREAMS} USING TIMESTAMP ? SET {column} = ? WHERE tail = ? AND stream = ?")
        };
        let delete = |table: &str| {
            format!(
                "DELETE FROM {{}}.{table} USING TIMESTAMP ? WHERE tail = ? AND stream = ? AND first_seq = ?"
            )
        };
        Ok(Self {
            put_run: cluster
                .prepare(&format!(
                    "INSERT INTO {{}}.{STREAMS} (tail, stream, first_seq, last_seq) VALUES (?, ?, ?, ?)
                     USING TIMESTAMP ?"
                ))
                .await?,
            delete_run: cluster.prepare(&delete(STREAMS)).await?,
            put_oldest: cluster.prepare(&put("oldest")).await?,
            put_newest: cluster.prepare(&put("newest")).await?,
            put_settled: cluster.prepare(&put("settled")).await?,
            put_updated: cluster.prepare(&put("updated")).await?,
            read_log: cluster
                .prepare(&format!("SELECT {LOG} FROM {{}}.{STREAMS} WHERE tail = ? AND stream = ?"))
                .await?,
            read_logs: cluster.prepare(&format!("SELECT {LOG} FROM {{}}.{STREAMS}")).await?,
            put_gap: cluster
                .prepare(&format!(
                    "INSERT INTO {{}}.{GAPS} (tail, stream, first_seq, last_seq, noticed)
                     VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?"
                ))
                .await?,
            delete_gap: cluster.prepare(&delete(GAPS)).await?,
            read_gaps: cluster
                .prepare(&format!("SELECT {GAP} FROM {{}}.{GAPS} WHERE tail = ? AND stream = ?"))
                .await?,
            read_all_gaps: cluster.prepare(&format!("SELECT {GAP} FROM {{}}.{GAPS}")).await?,
            known: HashMap::new(),
        })
    }

    /// Stores progress, and gives back where the streams stand with what all processes stored of them.
    pub async fn store(
        &mut self,
        cluster: &Cluster,
        progress: &[StreamProgress],
    ) -> Result<Vec<StreamState>, Fault> {
        let (mut puts, mut deletes) = (Vec::new(), Vec::new());
        for item in progress {
            let known = self.known.get(&(item.tail.clone(), item.stream));
            let changes = known.map(|known| known.log.adding(&item.stored));
            let changes = changes.unwrap_or_else(|| StreamLog::default().adding(&item.stored));
            puts.push(self.puts(item, &changes.put)?);
            deletes.push(self.deletes(item, &changes.delete)?);
        }
        cluster.send_partitions(puts).await?;
        // Only now does another run hold what these do.
        cluster.send_partitions(deletes).await?;
        let this = &*self;
        let reads = progress.iter().map(|item| async move {
            let key = (item.tail.clone(), item.stream);
            let log = this.read_log(cluster, &key).await?;
            this.note_gaps(cluster, key, log).await
        });
        let mut states = Vec::new();
        for (key, known, state) in cluster.side_by_side(reads).await? {
            self.known.insert(key, known);
            states.push(state);
        }
        Ok(states)
    }

    /// The time of each write is its value, so that the highest value stays, whichever comes last.
    fn puts(&self, item: &StreamProgress, runs: &[SeqRange]) -> Result<Vec<Request<'_>>, TablesError> {
        let [tail, stream] = columns(&item.tail, item.stream);
        let mut puts = Vec::new();
        for run in runs {
            let last = integer("a frame's number", run.last.0)?;
            let first = integer("a frame's number", run.first.0)?;
            let values =
                [tail.clone(), stream.clone(), Bind::BigInt(first), Bind::BigInt(last), Bind::BigInt(last)];
            puts.push(Request::new(&self.put_run, values));
        }
        for (seq, put) in [(item.oldest, &self.put_oldest), (item.newest, &self.put_newest)] {
            if seq.0 > 0 {
                let number = Bind::BigInt(integer("a frame's number", seq.0)?);
                let values = [number.clone(), number, tail.clone(), stream.clone()];
                puts.push(Request::new(put, values));
            }
        }
        let updated = limits::time("a time", item.at)?;
        puts.push(Request::new(&self.put_updated, [Bind::BigInt(updated.0), updated.into(), tail, stream]));
        Ok(puts)
    }

    /// At the time a run was written with: where it has become longer since, it stays.
    fn deletes(&self, item: &StreamProgress, runs: &[SeqRange]) -> Result<Vec<Request<'_>>, TablesError> {
        let delete = |run: &SeqRange| {
            let [tail, stream] = columns(&item.tail, item.stream);
            let last = integer("a frame's number", run.last.0)?;
            let first = integer("a frame's number", run.first.0)?;
            Ok(Request::new(&self.delete_run, [Bind::BigInt(last), tail, stream, Bind::BigInt(first)]))
        };
        runs.iter().map(delete).collect()
    }

    async fn read_log(&self, cluster: &Cluster, key: &StreamKey) -> Result<StreamLog, Fault> {
        let rows = cluster.read::<LogRow>(Request::new(&self.read_log, columns(&key.0, key.1))).await?;
        let mut log = StreamLog::default();
        rows.iter().try_for_each(|row| add_row(&mut log, row)).map(|()| log)
    }

    /// Writes down the gaps of a stream where they have changed: those that are still open are the ones that follow
    /// from the log, whatever the rows say; a row keeps when a gap was noticed.
    async fn note_gaps(
        &self,
        cluster: &Cluster,
        key: StreamKey,
        mut log: StreamLog,
    ) -> Result<(StreamKey, Known, StreamState), Fault> {
        let mut state = log.state(key.0.clone(), key.1);
        let noted = self.known.get(&key).map_or(&[][..], |known| &known.noted);
        let mut written = state.gaps.clone();
        if noted != state.gaps {
            let rows = self.read_gaps(cluster, &key, FrameSeq(log.settled)).await?;
            cluster.send_all(self.gap_changes(cluster, &state, &rows)?).await?;
            if let Some(settled) = StreamLog::to_settle(&state) {
                let number = Bind::BigInt(integer("a frame's number", settled.0)?);
                let [tail, stream] = columns(&key.0, key.1);
                cluster.send(Request::new(&self.put_settled, [number.clone(), number, tail, stream])).await?;
                log.settled = settled.0;
                state = log.state(key.0.clone(), key.1);
                written.retain(|gap| gap.first > settled);
            }
        }
        Ok((key, Known { log, noted: written }, state))
    }

    fn gap_changes(
        &self,
        cluster: &Cluster,
        state: &StreamState,
        rows: &[GapRecord],
    ) -> Result<Vec<Request<'_>>, TablesError> {
        let [tail, stream] = columns(&state.tail, state.stream);
        let now = Bind::BigInt(cluster.now());
        let mut changes = Vec::new();
        for gap in &state.gaps {
            if rows.iter().any(|row| row.range == *gap) {
                continue;
            }
            let noticed = GapRecord::first_noticed(rows, *gap).unwrap_or(state.updated);
            let first = Bind::BigInt(integer("a frame's number", gap.first.0)?);
            let last = Bind::BigInt(integer("a frame's number", gap.last.0)?);
            let values = [tail.clone(), stream.clone(), first, last, noticed.into(), now.clone()];
            changes.push(Request::new(&self.put_gap, values));
        }
        for row in rows.iter().filter(|row| !state.gaps.iter().any(|gap| gap.first == row.range.first)) {
            let first = Bind::BigInt(integer("a frame's number", row.range.first.0)?);
            changes.push(Request::new(&self.delete_gap, [now.clone(), tail.clone(), stream.clone(), first]));
        }
        Ok(changes)
    }

    /// The rows of gaps of one stream that are not settled.
    async fn read_gaps(
        &self,
        cluster: &Cluster,
        key: &StreamKey,
        settled: FrameSeq,
    ) -> Result<Vec<GapRecord>, Fault> {
        let rows = cluster.read::<GapRow>(Request::new(&self.read_gaps, columns(&key.0, key.1))).await?;
        let gaps = rows.iter().map(gap_record).collect::<Result<Vec<_>, _>>()?;
        Ok(gaps.into_iter().filter(|gap| gap.range.first > settled).collect())
    }

    /// Where all streams stand.
    pub async fn all(&self, cluster: &Cluster) -> Result<Vec<StreamState>, Fault> {
        let rows = cluster.read::<LogRow>(Request::new(&self.read_logs, [])).await?;
        let mut logs: HashMap<StreamKey, StreamLog> = HashMap::new();
        for row in &rows {
            let key = (tail(&row.tail)?, stream_id(&row.stream)?);
            add_row(logs.entry(key).or_default(), row)?;
        }
        let mut states: Vec<_> =
            logs.into_iter().map(|((tail, stream), log)| log.state(tail, stream)).collect();
        states.sort_by(|one, other| (&one.tail, one.stream).cmp(&(&other.tail, other.stream)));
        Ok(states)
    }

    /// Gaps: those that are open by what is stored now, those that are settled as they were written down.
    pub async fn gaps(&self, cluster: &Cluster, query: &Query) -> Result<Vec<GapRecord>, Fault> {
        let rows = cluster.read::<GapRow>(Request::new(&self.read_all_gaps, [])).await?;
        let mut noted: HashMap<StreamKey, Vec<GapRecord>> = HashMap::new();
        for gap in rows.iter().map(gap_record) {
            let gap = gap?;
            noted.entry((gap.tail.clone(), gap.stream)).or_default().push(gap);
        }
        noted.retain(|(tail, _), _| query.tail.as_ref().is_none_or(|wanted| wanted == tail));
        let reads = noted.into_iter().map(|(key, rows)| async move {
            let state = self.read_log(cluster, &key).await?.state(key.0, key.1);
            Ok(current(&state, rows))
        });
        let gaps = cluster.side_by_side(reads).await?.into_iter().flatten().collect();
        Ok(decode::newest(gaps, query, |gap| gap.noticed, |gap| (gap.tail.clone(), gap.stream, gap.range)))
    }
}

fn current(state: &StreamState, mut rows: Vec<GapRecord>) -> Vec<GapRecord> {
    let open = state.gaps.iter().map(|range| GapRecord {
        tail: state.tail.clone(),
        stream: state.stream,
        range: *range,
        noticed: GapRecord::first_noticed(&rows, *range).unwrap_or(state.updated),
    });
    let open: Vec<_> = open.collect();
    rows.retain(|row| row.range.last <= state.settled);
    rows.extend(open);
    rows
}

fn columns(tail: &Tail, stream: StreamId) -> [Bind; 2] {
    [Bind::text(tail), Bind::text(stream)]
}

fn add_row(log: &mut StreamLog, row: &LogRow) -> Result<(), Fault> {
    log.oldest = row.oldest.map(|number| seq("oldest", number)).transpose()?.map_or(0, |seq| seq.0);
    log.newest = row.newest.map(|number| seq("newest", number)).transpose()?.map_or(0, |seq| seq.0);
    log.settled = row.settled.map(|number| seq("settled", number)).transpose()?.map_or(0, |seq| seq.0);
    log.updated = row.updated.map(time);
    if let (Some(first), Some(last)) = (row.first_seq, row.last_seq) {
        log.runs.push(range(first, last)?);
    }
    Ok(())
}

fn gap_record(row: &GapRow) -> Result<GapRecord, Fault> {
    Ok(GapRecord {
        tail: tail(&row.tail)?,
        stream: stream_id(&row.stream)?,
        range: range(row.first_seq, row.last_seq)?,
        noticed: time(row.noticed),
    })
}
