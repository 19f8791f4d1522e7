//! Losses, stream starts and model reports: what frames leave behind beside windows, by the day it happened.

use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{LossFrame, ModelReport};
use futures::stream::{Stream, StreamExt};
use scylla::DeserializeRow;
use scylla::deserialize::row::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::buckets::{day, partitions, shard};
use super::calendar::{Calendar, Kind};
use super::cluster::{Cluster, Fault, Request};
use super::decode::{self, time};
use super::schema::{LOSSES, MODEL_REPORTS, STREAM_STARTS};
use crate::tables::limits::{self, integer};
use crate::tables::outcome::OutcomeColumns;
use crate::tables::{
    Batch, FrameId, LossRecord, ModelReportRecord, Query, StreamStartRecord, TablesError, text,
};

/// The statements of these tables.
#[derive(Debug)]
pub(super) struct Records {
    losses: RecordStatements,
    stream_starts: RecordStatements,
    model_reports: RecordStatements,
}

#[derive(Debug)]
struct RecordStatements {
    put: PreparedStatement,
    read: PreparedStatement,
    read_of_tail: PreparedStatement,
}

impl RecordStatements {
    /// `columns` are those beside the partition's.
    async fn prepare(cluster: &Cluster, table: &str, columns: &[&str]) -> Result<Self, Fault> {
        let places = vec!["?"; columns.len() + 2].join(", ");
        let columns = columns.join(", ");
        let put =
            format!("INSERT INTO {{}}.{table} (day, shard, {columns}) VALUES ({places}) USING TIMESTAMP ?");
        let read = format!("SELECT {columns} FROM {{}}.{table} WHERE day = ? AND shard = ?");
        Ok(Self {
            put: cluster.prepare(&put).await?,
            read: cluster.prepare(&read).await?,
            read_of_tail: cluster.prepare(&format!("{read} AND tail = ?")).await?,
        })
    }

    /// The key is the frame's own, and so is the time of writing: a replay writes the same again.
    fn put(
        &self,
        frame: &FrameId,
        at: UnixSeconds,
        rest: impl IntoIterator<Item = Bind>,
    ) -> Result<Request<'_>, TablesError> {
        let mut values = vec![
            day(at),
            Bind::TinyInt(shard(&frame.tail)),
            Bind::text(&frame.tail),
            at.into(),
            Bind::text(frame.stream),
            Bind::BigInt(integer("a frame's number", frame.seq.0)?),
        ];
        values.extend(rest);
        values.push(Bind::BigInt(at.0.saturating_mul(1_000_000)));
        Ok(Request::new(&self.put, values))
    }

    /// What a query asks for: the newest days first, and no more than are asked for.
    async fn read<R, T, K: Ord>(
        &self,
        cluster: &Cluster,
        days: impl Stream<Item = Result<UnixSeconds, Fault>>,
        query: &Query,
        decode: fn(R) -> Result<T, Fault>,
        place: impl Fn(&T) -> (UnixSeconds, K),
    ) -> Result<Vec<T>, Fault>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let tail = query.tail.as_ref();
        let reads = partitions(days, tail).map(|partition| async move {
            let (first, shard) = partition?;
            let mut values = vec![day(first), Bind::TinyInt(shard)];
            values.extend(tail.map(Bind::text));
            let statement = if tail.is_some() { &self.read_of_tail } else { &self.read };
            let rows = cluster.read::<R>(Request::new(statement, values)).await?;
            let items = rows.into_iter().map(decode).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Fault>((first, items))
        });
        decode::read_newest(reads, query, |item| place(item).0, |item| place(item).1).await
    }
}

#[derive(Debug, DeserializeRow)]
struct LossRow {
    tail: String,
    until_time: CqlTimestamp,
    stream: String,
    seq: i64,
    reason: String,
    lost: i64,
    since_time: CqlTimestamp,
}

#[derive(Debug, DeserializeRow)]
struct StartRow {
    tail: String,
    at_time: CqlTimestamp,
    stream: String,
    seq: i64,
    cause: String,
}

#[derive(Debug, DeserializeRow)]
struct ReportRow {
    tail: String,
    at_time: CqlTimestamp,
    stream: String,
    seq: i64,
    model_version: i64,
    outcome: String,
    cause: Option<String>,
    back_to: Option<i64>,
    trial_windows: Option<i64>,
    trial_rows: Option<i64>,
    trial_alarms: Option<i64>,
    trial_quiet: Option<i64>,
    trial_new_alarms: Option<i64>,
}

impl LossRow {
    fn decode(self) -> Result<LossRecord, Fault> {
        let loss = LossFrame {
            reason: text::read_loss_reason(&self.reason).ok_or_else(|| Fault::column("reason"))?,
            count: decode::count("lost", self.lost)?,
            since: time(self.since_time),
            until: time(self.until_time),
        };
        Ok(LossRecord { frame: decode::frame(&self.tail, &self.stream, self.seq)?, loss })
    }
}

impl StartRow {
    fn decode(self) -> Result<StreamStartRecord, Fault> {
        let start = text::read_stream_start(&self.cause, time(self.at_time));
        let start = start.ok_or_else(|| Fault::column("cause"))?;
        Ok(StreamStartRecord { frame: decode::frame(&self.tail, &self.stream, self.seq)?, start })
    }
}

impl ReportRow {
    fn decode(self) -> Result<ModelReportRecord, Fault> {
        let outcome = OutcomeColumns {
            outcome: self.outcome,
            cause: self.cause,
            back_to: self.back_to,
            trial: [
                self.trial_windows,
                self.trial_rows,
                self.trial_alarms,
                self.trial_quiet,
                self.trial_new_alarms,
            ],
        };
        let report = ModelReport {
            version: decode::model_version(self.model_version)?,
            at: time(self.at_time),
            outcome: outcome.read().ok_or_else(|| Fault::column("outcome"))?,
        };
        Ok(ModelReportRecord { frame: decode::frame(&self.tail, &self.stream, self.seq)?, report })
    }
}

impl Records {
    pub async fn prepare(cluster: &Cluster) -> Result<Self, Fault> {
        let losses = ["tail", "until_time", "stream", "seq", "reason", "lost", "since_time"];
        let starts = ["tail", "at_time", "stream", "seq", "cause"];
        let reports = ["tail", "at_time", "stream", "seq", "model_version", "outcome"];
        let reports: Vec<&str> = reports.into_iter().chain(OutcomeColumns::DETAILS).collect();
        Ok(Self {
            losses: RecordStatements::prepare(cluster, LOSSES, &losses).await?,
            stream_starts: RecordStatements::prepare(cluster, STREAM_STARTS, &starts).await?,
            model_reports: RecordStatements::prepare(cluster, MODEL_REPORTS, &reports).await?,
        })
    }

    /// The days that a batch puts something into.
    pub fn times(batch: &Batch) -> impl Iterator<Item = (Kind, UnixSeconds)> {
        let losses = batch.losses.iter().map(|item| (Kind::Losses, item.loss.until));
        let starts = batch.stream_starts.iter().map(|item| (Kind::StreamStarts, item.at()));
        let reports = batch.model_reports.iter().map(|item| (Kind::ModelReports, item.report.at));
        losses.chain(starts).chain(reports)
    }

    /// Everything of a batch that goes into these tables.
    pub fn puts(&self, batch: &Batch) -> Result<Vec<Request<'_>>, TablesError> {
        let mut puts = Vec::new();
        for item in &batch.losses {
            let since = limits::time("the time of a loss", item.loss.since)?;
            let until = limits::time("the time of a loss", item.loss.until)?;
            let lost = Bind::BigInt(integer("a loss", item.loss.count)?);
            let rest = [Bind::text(item.loss.reason.as_str()), lost, since.into()];
            puts.push(self.losses.put(&item.frame, until, rest)?);
        }
        for item in &batch.stream_starts {
            let at = limits::time("the start of a stream", item.at())?;
            let cause = Bind::text(text::stream_cause(item.start));
            puts.push(self.stream_starts.put(&item.frame, at, [cause])?);
        }
        for item in &batch.model_reports {
            let at = limits::time("the time of a model report", item.report.at)?;
            let version = Bind::BigInt(i64::from(item.report.version.0));
            let OutcomeColumns { outcome, cause, back_to, trial } = OutcomeColumns::of(item.report.outcome);
            let number = |value: Option<i64>| value.map_or(Bind::Null, Bind::BigInt);
            let told = [version, Bind::Text(outcome), cause.map_or(Bind::Null, Bind::Text), number(back_to)];
            puts.push(self.model_reports.put(&item.frame, at, told.into_iter().chain(trial.map(number)))?);
        }
        Ok(puts)
    }

    pub async fn losses(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        query: &Query,
    ) -> Result<Vec<LossRecord>, Fault> {
        let days = calendar.buckets(cluster, Kind::Losses, query).await?;
        let place = |item: &LossRecord| (item.loss.until, item.frame.clone());
        self.losses.read(cluster, days, query, LossRow::decode, place).await
    }

    pub async fn stream_starts(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        query: &Query,
    ) -> Result<Vec<StreamStartRecord>, Fault> {
        let days = calendar.buckets(cluster, Kind::StreamStarts, query).await?;
        let place = |item: &StreamStartRecord| (item.at(), item.frame.clone());
        self.stream_starts.read(cluster, days, query, StartRow::decode, place).await
    }

    pub async fn model_reports(
        &self,
        cluster: &Cluster,
        calendar: &Calendar,
        query: &Query,
    ) -> Result<Vec<ModelReportRecord>, Fault> {
        let days = calendar.buckets(cluster, Kind::ModelReports, query).await?;
        let place = |item: &ModelReportRecord| (item.report.at, item.frame.clone());
        self.model_reports.read(cluster, days, query, ReportRow::decode, place).await
    }
}
