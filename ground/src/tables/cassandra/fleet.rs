//! The aircraft as they last showed themselves, and the models the ground can score with.

use cabinwatch_shared::model::ModelVersion;
use scylla::DeserializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::value::CqlTimestamp;

use super::bind::Bind;
use super::cluster::{Cluster, Fault, Request};
use super::decode::{self, time};
use super::schema::{AIRCRAFT, MODELS};
use crate::tables::{AircraftRecord, KnownModel, KnownVersion, TablesError, limits, text};

/// The statements of these tables.
#[derive(Debug)]
pub(super) struct Fleet {
    put_tail: PreparedStatement,
    put_contact: PreparedStatement,
    put_next_contact: PreparedStatement,
    put_online: PreparedStatement,
    put_release: PreparedStatement,
    put_model: PreparedStatement,
    put_stream: PreparedStatement,
    put_cohort: PreparedStatement,
    aircraft: PreparedStatement,
    add_model: PreparedStatement,
    model: PreparedStatement,
    versions: PreparedStatement,
}

#[derive(Debug, DeserializeRow)]
struct AircraftRow {
    tail: String,
    last_contact: Option<CqlTimestamp>,
    online: Option<bool>,
    release: Option<String>,
    model_version: Option<i64>,
    stream: Option<String>,
    cohort: Option<String>,
    next_contact: Option<CqlTimestamp>,
}

impl Fleet {
    pub async fn prepare(cluster: &Cluster) -> Result<Self, Fault> {
        let put = async |column: &str| {
            let cql = format!("UPDATE {{}}.{AIRCRAFT} USING TIMESTAMP ? SET {column} = ? WHERE tail = ?");
            cluster.prepare(&cql).await
        };
        let aircraft = format!(
            "SELECT tail, last_contact, online, release, model_version, stream, cohort, next_contact \
             FROM {{}}.{AIRCRAFT}"
        );
        let add_model = format!(
            "INSERT INTO {{}}.{MODELS} (model_version, cohort, bundle) VALUES (?, ?, ?) IF NOT EXISTS"
        );
        let model = format!("SELECT cohort, bundle FROM {{}}.{MODELS} WHERE model_version = ?");
        let versions = format!("SELECT model_version, cohort FROM {{}}.{MODELS}");
        let put_tail = format!("INSERT INTO {{}}.{AIRCRAFT} (tail) VALUES (?) USING TIMESTAMP 0");
        Ok(Self {
            put_tail: cluster.prepare(&put_tail).await?,
            put_contact: put("last_contact").await?,
            put_next_contact: put("next_contact").await?,
            put_online: put("online").await?,
            put_release: put("release").await?,
            put_model: put("model_version").await?,
            put_stream: put("stream").await?,
            put_cohort: put("cohort").await?,
            aircraft: cluster.prepare(&aircraft).await?,
            add_model: cluster.prepare(&add_model).await?,
            model: cluster.prepare(&model).await?,
            versions: cluster.prepare(&versions).await?,
        })
    }

    /// Each column has a write of its own, so that what an aircraft does not say stays known.
    pub fn puts(&self, cluster: &Cluster, item: &AircraftRecord) -> Result<Vec<Request<'_>>, TablesError> {
        let tail = Bind::text(&item.tail);
        let mut puts = vec![Request::new(&self.put_tail, [tail.clone()])];
        for (statement, contact) in
            [(&self.put_contact, item.last_contact), (&self.put_next_contact, item.next_contact)]
        {
            let Some(contact) = contact else { continue };
            let contact = limits::time("the time of a contact", contact)?;
            // The latest contact stays, whichever is written last.
            let written = Bind::BigInt(contact.0);
            puts.push(Request::new(statement, [written, contact.into(), tail.clone()]));
        }
        // A status bears no time, so the one that came last counts.
        let now = Bind::BigInt(cluster.now());
        let said = [
            (&self.put_online, item.online.map(Bind::Boolean)),
            (&self.put_release, item.release.map(|release| Bind::Text(text::release(release)))),
            (&self.put_model, item.model.map(|model| Bind::BigInt(i64::from(model.0)))),
            (&self.put_stream, item.stream.map(Bind::text)),
            (&self.put_cohort, item.cohort.clone().map(Bind::Text)),
        ];
        for (statement, value) in said {
            if let Some(value) = value {
                puts.push(Request::new(statement, [now.clone(), value, tail.clone()]));
            }
        }
        Ok(puts)
    }

    pub async fn aircraft(&self, cluster: &Cluster) -> Result<Vec<AircraftRecord>, Fault> {
        let rows = cluster.read::<AircraftRow>(Request::new(&self.aircraft, [])).await?;
        let mut aircraft = rows.into_iter().map(AircraftRow::decode).collect::<Result<Vec<_>, _>>()?;
        aircraft.sort_by(|one, other| one.tail.cmp(&other.tail));
        Ok(aircraft)
    }

    /// The one lightweight transaction there is: two publishers of one version must not both be believed.
    pub async fn add_model(&self, cluster: &Cluster, model: &KnownModel) -> Result<(), Fault> {
        let values = [
            Bind::BigInt(i64::from(model.version.0)),
            Bind::text(&model.cohort),
            Bind::Blob(model.bundle.clone()),
        ];
        cluster.send(Request::new(&self.add_model, values)).await?;
        match self.model(cluster, model.version).await? {
            Some(known) if known.bundle == model.bundle => Ok(()),
            _ => Err(TablesError::ModelConflict(model.version).into()),
        }
    }

    pub async fn versions(&self, cluster: &Cluster) -> Result<Vec<KnownVersion>, Fault> {
        let rows: Vec<(i64, String)> = cluster.read(Request::new(&self.versions, [])).await?;
        let known = |(version, cohort)| Ok(KnownVersion { version: decode::model_version(version)?, cohort });
        let mut versions = rows.into_iter().map(known).collect::<Result<Vec<_>, Fault>>()?;
        versions.sort();
        Ok(versions)
    }

    pub async fn model(&self, cluster: &Cluster, version: ModelVersion) -> Result<Option<KnownModel>, Fault> {
        let values = [Bind::BigInt(i64::from(version.0))];
        let rows: Vec<(String, Vec<u8>)> = cluster.read(Request::new(&self.model, values)).await?;
        Ok(rows.into_iter().next().map(|(cohort, bundle)| KnownModel { version, cohort, bundle }))
    }
}

impl AircraftRow {
    fn decode(self) -> Result<AircraftRecord, Fault> {
        let release =
            self.release.map(|release| text::read_release(&release).ok_or_else(|| Fault::column("release")));
        Ok(AircraftRecord {
            tail: decode::tail(&self.tail)?,
            last_contact: self.last_contact.map(time),
            online: self.online,
            release: release.transpose()?,
            model: self.model_version.map(decode::model_version).transpose()?,
            stream: self.stream.map(|stream| decode::stream_id(&stream)).transpose()?,
            cohort: self.cohort,
            next_contact: self.next_contact.map(time),
        })
    }
}
