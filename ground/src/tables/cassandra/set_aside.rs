//! Bytes that could not be stored as rows, one partition an aircraft, and which models they wait for.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use scylla::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::cluster::{Cluster, Fault, Request};
use super::decode::{self, time};
use super::schema::{AWAITED, SET_ASIDE};
use crate::tables::limits;
use crate::tables::records::SetAsideKey;
use crate::tables::{Batch, MAX_SET_ASIDE_BYTES, Query, SET_ASIDE_ROW_BYTES, SetAside, TablesError, text};

/// How much a process sets aside for an aircraft before it looks again how much there is.
const LOOK_AFTER_BYTES: u64 = MAX_SET_ASIDE_BYTES / 16;
/// The one partition of what models are waited for.
const SCOPE: &str = "fleet";

/// The statements, and how much this process has set aside for each aircraft since it last looked.
#[derive(Debug)]
pub(super) struct SetAsideStore {
    put: PreparedStatement,
    delete: PreparedStatement,
    entries: PreparedStatement,
    all_entries: PreparedStatement,
    read: PreparedStatement,
    put_awaited: PreparedStatement,
    delete_awaited: PreparedStatement,
    awaited: PreparedStatement,
    awaiting: PreparedStatement,
    added: HashMap<Tail, u64>,
}

/// A row without its bytes.
#[derive(Clone, Debug, DeserializeRow)]
struct Entry {
    tail: String,
    stream: String,
    seq: i64,
    digest: String,
    model_version: Option<i64>,
    at_time: CqlTimestamp,
    size: i32,
    written: i64,
}

#[derive(Debug, DeserializeRow)]
struct Content {
    reason: String,
    message: String,
    bytes: Vec<u8>,
}

impl Entry {
    fn key(&self) -> SetAsideKey {
        SetAsideKey { stream: self.stream.clone(), seq: self.seq, digest: self.digest.clone() }
    }

    fn row(&self) -> [Bind; 4] {
        [Bind::text(&self.tail), Bind::text(&self.stream), Bind::BigInt(self.seq), Bind::text(&self.digest)]
    }

    fn total_size(&self) -> u64 {
        u64::from(self.size.unsigned_abs()) + SET_ASIDE_ROW_BYTES
    }
}

impl SetAsideStore {
    pub async fn prepare(cluster: &Cluster) -> Result<Self, Fault> {
        const ENTRY: &str =
            "tail, stream, seq, digest, model_version, at_time, size, writetime(reason) AS written";
        const ROW: &str = "tail = ? AND stream = ? AND seq = ? AND digest = ?";
        const WAITS: &str = "scope = ? AND model_version = ?";
        let statement = async |cql: String| cluster.prepare(&cql).await;
        Ok(Self {
            put: statement(format!(
                "INSERT INTO {{}}.{SET_ASIDE}
                     (tail, stream, seq, digest, reason, model_version, message, at_time, size, bytes)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
            ))
            .await?,
            delete: statement(format!("DELETE FROM {{}}.{SET_ASIDE} USING TIMESTAMP ? WHERE {ROW}")).await?,
            entries: statement(format!("SELECT {ENTRY} FROM {{}}.{SET_ASIDE} WHERE tail = ?")).await?,
            all_entries: statement(format!("SELECT {ENTRY} FROM {{}}.{SET_ASIDE}")).await?,
            read: statement(format!("SELECT reason, message, bytes FROM {{}}.{SET_ASIDE} WHERE {ROW}"))
                .await?,
            put_awaited: statement(format!(
                "INSERT INTO {{}}.{AWAITED} (scope, model_version, tail, noted) VALUES (?, ?, ?, ?)
                 USING TIMESTAMP ?"
            ))
            .await?,
            delete_awaited: statement(format!(
                "DELETE FROM {{}}.{AWAITED} USING TIMESTAMP ? WHERE {WAITS} AND tail = ?"
            ))
            .await?,
            awaited: statement(format!("SELECT model_version FROM {{}}.{AWAITED} WHERE scope = ?")).await?,
            awaiting: statement(format!(
                "SELECT tail, writetime(noted) AS written FROM {{}}.{AWAITED} WHERE {WAITS}"
            ))
            .await?,
            added: HashMap::new(),
        })
    }

    /// Sets aside what a batch sets aside, and takes out what has become rows. Returns how much had to go again.
    pub async fn store(&mut self, cluster: &Cluster, batch: &Batch) -> Result<u64, Fault> {
        if batch.set_aside.is_empty() && batch.recovered.is_empty() {
            return Ok(0);
        }
        let known = self.entries_of_recovered(cluster, batch).await?;
        let mut again = BTreeSet::new();
        let mut puts = Vec::new();
        for item in &batch.set_aside {
            let key = (item.tail.clone(), SetAsideKey::of(item)?);
            let before = known.get(&key).map_or(i64::MIN, |entry| entry.written);
            puts.push(self.put(item, &key.1, cluster.now().max(before.saturating_add(1)))?);
            again.insert(key);
        }
        cluster.send_all(puts).await?;
        let gone = known.iter().filter(|(key, _)| !again.contains(*key));
        cluster.send_all(gone.map(|(_, entry)| self.delete(entry))).await?;
        cluster.send_all(self.put_awaited(cluster, &batch.set_aside)?).await?;
        let waited = known.iter().filter_map(|((tail, _), entry)| Some((tail.clone(), entry.model_version?)));
        self.forget_awaited(cluster, waited.collect()).await?;
        self.trim(cluster, &batch.set_aside).await
    }

    async fn entries_of_recovered(
        &self,
        cluster: &Cluster,
        batch: &Batch,
    ) -> Result<BTreeMap<(Tail, SetAsideKey), Entry>, Fault> {
        let mut wanted: BTreeMap<&Tail, BTreeSet<SetAsideKey>> = BTreeMap::new();
        for frame in &batch.recovered {
            wanted.entry(&frame.tail).or_default().insert(SetAsideKey::of_frame(frame.stream, frame.seq)?);
        }
        let mut known = BTreeMap::new();
        for (tail, keys) in wanted {
            for entry in self.entries_of(cluster, tail).await? {
                let key = entry.key();
                if keys.contains(&key) {
                    known.insert((tail.clone(), key), entry);
                }
            }
        }
        Ok(known)
    }

    async fn entries_of(&self, cluster: &Cluster, tail: &Tail) -> Result<Vec<Entry>, Fault> {
        cluster.read(Request::new(&self.entries, [Bind::text(tail)])).await
    }

    fn put(&self, item: &SetAside, key: &SetAsideKey, written: i64) -> Result<Request<'_>, TablesError> {
        let model = item.reason.awaited_model();
        let size = i32::try_from(item.bytes.len())
            .map_err(|_| TablesError::Value { what: "bytes", value: item.bytes.len().to_string() })?;
        let values = [
            Bind::text(&item.tail),
            Bind::text(&key.stream),
            Bind::BigInt(key.seq),
            Bind::text(&key.digest),
            Bind::text(item.reason.as_str()),
            model.map_or(Bind::Null, |version| Bind::BigInt(i64::from(version.0))),
            Bind::text(&item.message),
            limits::time("a time", item.at)?.into(),
            Bind::Int(size),
            Bind::Blob(item.bytes.clone()),
            Bind::BigInt(written),
        ];
        Ok(Request::new(&self.put, values))
    }

    /// At the time it was written with: where it has been written again since, it stays.
    fn delete(&self, entry: &Entry) -> Request<'_> {
        let mut values = vec![Bind::BigInt(entry.written)];
        values.extend(entry.row());
        Request::new(&self.delete, values)
    }

    fn put_awaited(&self, cluster: &Cluster, items: &[SetAside]) -> Result<Vec<Request<'_>>, TablesError> {
        let mut puts = BTreeMap::new();
        for item in items {
            if let Some(version) = item.reason.awaited_model() {
                let at = limits::time("a time", item.at)?.into();
                let model = Bind::BigInt(i64::from(version.0));
                let values =
                    [Bind::text(SCOPE), model, Bind::text(&item.tail), at, Bind::BigInt(cluster.now())];
                puts.insert((&item.tail, version), Request::new(&self.put_awaited, values));
            }
        }
        Ok(puts.into_values().collect())
    }

    /// Takes out that an aircraft's frames wait for a model, where none does any more.
    async fn forget_awaited(&self, cluster: &Cluster, waited: BTreeSet<(Tail, i64)>) -> Result<(), Fault> {
        for (tail, version) in waited {
            let note = self.awaiting(cluster, version).await?.into_iter().find(|(noted, _)| *noted == tail);
            let Some((_, written)) = note else { continue };
            if self.waits(cluster, &tail, version).await? {
                continue;
            }
            let key = [Bind::text(SCOPE), Bind::BigInt(version), Bind::text(&tail)];
            let mut values = vec![Bind::BigInt(written)];
            values.extend(key.clone());
            cluster.send(Request::new(&self.delete_awaited, values)).await?;
            // Another process may have set a frame aside meanwhile, by a clock that is behind.
            if self.waits(cluster, &tail, version).await? {
                let at = Bind::Timestamp(CqlTimestamp(written.div_euclid(1000)));
                let mut values = Vec::from(key);
                values.extend([at, Bind::BigInt(cluster.now().max(written.saturating_add(1)))]);
                cluster.send(Request::new(&self.put_awaited, values)).await?;
            }
        }
        Ok(())
    }

    async fn waits(&self, cluster: &Cluster, tail: &Tail, version: i64) -> Result<bool, Fault> {
        let entries = self.entries_of(cluster, tail).await?;
        Ok(entries.iter().any(|entry| entry.model_version == Some(version)))
    }

    /// The aircraft whose frames wait for a model, and when that was written down.
    async fn awaiting(&self, cluster: &Cluster, version: i64) -> Result<Vec<(Tail, i64)>, Fault> {
        let values = [Bind::text(SCOPE), Bind::BigInt(version)];
        let rows: Vec<(String, i64)> = cluster.read(Request::new(&self.awaiting, values)).await?;
        rows.into_iter().map(|(tail, written)| Ok((decode::tail(&tail)?, written))).collect()
    }

    /// Drops the oldest of what was set aside for an aircraft where there is too much of it. How much there is, a
    /// process looks up now and then, so that several together may go over the limit by what each has not looked up.
    async fn trim(&mut self, cluster: &Cluster, items: &[SetAside]) -> Result<u64, Fault> {
        let mut full = BTreeSet::new();
        for item in items {
            let size = item.bytes.len() as u64 + SET_ASIDE_ROW_BYTES;
            // A process that starts does not know how much there is.
            let added = self.added.entry(item.tail.clone()).or_insert(LOOK_AFTER_BYTES);
            *added += size;
            if *added > LOOK_AFTER_BYTES {
                full.insert(item.tail.clone());
            }
        }
        let mut all_dropped = 0;
        for tail in full {
            let mut entries = self.entries_of(cluster, &tail).await?;
            // The newest first.
            entries.sort_by_key(|entry| Reverse((entry.at_time, entry.key())));
            let mut newer = 0;
            entries.retain(|entry| {
                newer += entry.total_size();
                newer > MAX_SET_ASIDE_BYTES
            });
            self.added.insert(tail.clone(), 0);
            if entries.is_empty() {
                continue;
            }
            cluster.send_all(entries.iter().map(|entry| self.delete(entry))).await?;
            let waited = entries.iter().filter_map(|entry| Some((tail.clone(), entry.model_version?)));
            self.forget_awaited(cluster, waited.collect()).await?;
            let dropped = entries.len();
            all_dropped += dropped as u64;
            tracing::error!(%tail, dropped, "dropped the oldest of what was set aside: there is too much of it");
        }
        Ok(all_dropped)
    }

    pub async fn read(&self, cluster: &Cluster, query: &Query) -> Result<Vec<SetAside>, Fault> {
        let entries = match &query.tail {
            Some(tail) => self.entries_of(cluster, tail).await?,
            None => cluster.read(Request::new(&self.all_entries, [])).await?,
        };
        let key = |entry: &Entry| (entry.tail.clone(), entry.key());
        let entries = decode::newest(entries, query, |entry| time(entry.at_time), key);
        self.with_contents(cluster, entries).await
    }

    async fn with_contents(&self, cluster: &Cluster, entries: Vec<Entry>) -> Result<Vec<SetAside>, Fault> {
        let reads = entries.into_iter().map(|entry| async move {
            let rows = cluster.read::<Content>(Request::new(&self.read, entry.row())).await?;
            rows.into_iter().next().map(|content| item(&entry, content)).transpose()
        });
        // What was taken out since it was listed is no longer there to be read.
        Ok(cluster.side_by_side(reads).await?.into_iter().flatten().collect())
    }

    pub async fn awaited_models(&self, cluster: &Cluster) -> Result<Vec<ModelVersion>, Fault> {
        let rows: Vec<(i64,)> = cluster.read(Request::new(&self.awaited, [Bind::text(SCOPE)])).await?;
        let versions: BTreeSet<i64> = rows.into_iter().map(|(version,)| version).collect();
        versions.into_iter().map(decode::model_version).collect()
    }

    pub async fn awaiting_model(
        &self,
        cluster: &Cluster,
        version: ModelVersion,
        limit: u32,
    ) -> Result<Vec<SetAside>, Fault> {
        let version = i64::from(version.0);
        let (mut waiting, mut in_vain) = (Vec::new(), BTreeSet::new());
        for (tail, _) in self.awaiting(cluster, version).await? {
            let room = (limit as usize).saturating_sub(waiting.len());
            if room == 0 {
                break;
            }
            let mut entries = self.entries_of(cluster, &tail).await?;
            entries.retain(|entry| entry.model_version == Some(version));
            if entries.is_empty() {
                in_vain.insert((tail, version));
            }
            waiting.extend(entries.into_iter().take(room));
        }
        // Their time to live is over, or a process died between taking out the last of them and this.
        self.forget_awaited(cluster, in_vain).await?;
        self.with_contents(cluster, waiting).await
    }
}

fn item(entry: &Entry, content: Content) -> Result<SetAside, Fault> {
    let model = entry.model_version.map(decode::model_version).transpose()?;
    let reason =
        text::read_set_aside_reason(&content.reason, model).ok_or_else(|| Fault::column("reason"))?;
    let frame = match entry.stream.as_str() {
        "" => None,
        stream => Some((decode::stream_id(stream)?, decode::seq("seq", entry.seq)?)),
    };
    Ok(SetAside {
        tail: decode::tail(&entry.tail)?,
        frame,
        reason,
        message: content.message,
        at: time(entry.at_time),
        bytes: content.bytes,
    })
}
