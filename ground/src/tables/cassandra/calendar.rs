//! Which hours and days hold anything, so that a query without bounds knows where to look.

use std::collections::HashSet;

use cabinwatch_shared::time::UnixSeconds;
use futures::stream::{Stream, TryStreamExt};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::buckets::Span;
use super::cluster::{Cluster, Fault, Request};
use super::decode;
use super::schema::{BUCKETS, LOSSES, MODEL_REPORTS, STREAM_STARTS};
use crate::tables::{Query, limits};

/// Most buckets this process remembers to have noted; beyond it, it starts over.
const MAX_NOTED: usize = 100_000;

/// What is spread over buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Rows of windows, in all tables that hold such.
    Rows,
    Losses,
    StreamStarts,
    ModelReports,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Losses => LOSSES,
            Self::StreamStarts => STREAM_STARTS,
            Self::ModelReports => MODEL_REPORTS,
        }
    }

    pub const fn span(self) -> Span {
        match self {
            Self::Rows => Span::Hour,
            Self::Losses | Self::StreamStarts | Self::ModelReports => Span::Day,
        }
    }
}

/// Buckets that hold something. They are never taken out: they cost some bytes each, and an empty one costs a query
/// a few small reads.
#[derive(Debug)]
pub(super) struct Calendar {
    put: PreparedStatement,
    read: PreparedStatement,
    noted: HashSet<(Kind, UnixSeconds)>,
}

impl Calendar {
    pub async fn prepare(cluster: &Cluster) -> Result<Self, Fault> {
        let put = format!("INSERT INTO {{}}.{BUCKETS} (kind, bucket) VALUES (?, ?) USING TIMESTAMP 0");
        let read = format!(
            "SELECT bucket FROM {{}}.{BUCKETS} WHERE kind = ? AND bucket >= ? AND bucket < ?
             ORDER BY bucket DESC"
        );
        Ok(Self {
            put: cluster.prepare(&put).await?,
            read: cluster.prepare(&read).await?,
            noted: HashSet::new(),
        })
    }

    /// Notes buckets before anything is put into them.
    pub async fn note(
        &mut self,
        cluster: &Cluster,
        times: impl IntoIterator<Item = (Kind, UnixSeconds)>,
    ) -> Result<(), Fault> {
        let buckets = times.into_iter().map(|(kind, at)| (kind, kind.span().of(at)));
        let new: HashSet<_> = buckets.filter(|bucket| !self.noted.contains(bucket)).collect();
        let puts = new
            .iter()
            .map(|(kind, bucket)| Request::new(&self.put, [Bind::text(kind.as_str()), (*bucket).into()]));
        cluster.send_all(puts).await?;
        if self.noted.len() + new.len() > MAX_NOTED {
            self.noted.clear();
        }
        self.noted.extend(new);
        Ok(())
    }

    /// The buckets that may hold what a query asks for, the newest first, read as they are taken.
    pub async fn buckets(
        &self,
        cluster: &Cluster,
        kind: Kind,
        query: &Query,
    ) -> Result<impl Stream<Item = Result<UnixSeconds, Fault>> + use<>, Fault> {
        let since = limits::bound(query.since.unwrap_or(UnixSeconds(i64::MIN)));
        let until = limits::bound(query.until.unwrap_or(UnixSeconds(i64::MAX)));
        let values = [Bind::text(kind.as_str()), kind.span().of(since).into(), until.into()];
        let rows = cluster.stream::<(CqlTimestamp,)>(Request::new(&self.read, values)).await?;
        Ok(rows.map_ok(|(bucket,)| decode::time(bucket)))
    }
}
