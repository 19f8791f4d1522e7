//! The anomaly tables, and what the ground keeps beside them.
//!
//! [`Tables`] is what the ground asks of a database; [`open`] finds the implementation by URL. Every write is
//! idempotent: a window of an aircraft is replaced as a whole, and everything else is keyed by the frame it came
//! in. `docs/tables.md` describes tables and columns for those who query them.

mod cassandra;
mod cell;
mod digest;
mod error;
mod ledger;
mod limits;
mod listing;
mod lost;
mod names;
mod outcome;
mod ranges;
mod records;
mod row;
mod sqlite;
mod table_row;
mod text;
mod totals;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod examples;

use cassandra::CassandraTables;
pub use cassandra::InitStep;
pub use cell::Cell;
pub(crate) use digest::fnv1a;
pub use error::TablesError;
pub use ledger::{Ledger, Taken};
pub use listing::{Grid, Listing, UnknownListing};
pub(crate) use lost::Lost;
pub(crate) use ranges::Ranges;
pub use records::{
    AircraftRecord, Batch, FrameId, GapRecord, KnownModel, KnownVersion, LossRecord, ModelReportRecord,
    SeqRange, SetAside, SetAsideReason, StreamProgress, StreamStartRecord, StreamState,
};
use records::{MAX_SET_ASIDE_BYTES, SET_ASIDE_ROW_BYTES};
pub use row::{ScoredRow, ScoredWindow, Table, WindowVersion};
pub use table_row::TableRow;
pub use totals::Totals;

use std::ops::Range;
use std::path::PathBuf;

use cabinwatch_shared::fault_key::FaultKey;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Rate;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use sqlite::{Access, SqliteTables};
use url::Url;

use crate::config::TablesConfig;

/// Opens tables to write: `sqlite:///path/to/tables.db`, which is made if it is not there, or
/// `cassandra://host[:port][,host...]/keyspace`, which is not (see [`init`]).
///
/// # Errors
/// For a URL of another kind, and when the database can't be opened, is damaged, or is of another release.
pub fn open(url: &str, config: &TablesConfig) -> Result<Box<dyn Tables>, TablesError> {
    if is_cassandra(url) {
        return Ok(Box::new(CassandraTables::open(url, config)?));
    }
    Ok(Box::new(SqliteTables::open(&sqlite_path(url)?, config, Access::Write)?))
}

/// Opens tables that are there, only to read.
///
/// # Errors
/// As [`open`], and when there are none.
pub fn open_to_read(url: &str, config: &TablesConfig) -> Result<Box<dyn Tables>, TablesError> {
    if is_cassandra(url) {
        return Ok(Box::new(CassandraTables::open(url, config)?));
    }
    Ok(Box::new(SqliteTables::open(&sqlite_path(url)?, config, Access::Read)?))
}

/// Makes tables where they are not there yet, and says what was found and done. What is there is left as it is.
///
/// # Errors
/// As [`open`], and when the database does not let us.
pub fn init(url: &str, config: &TablesConfig) -> Result<Vec<InitStep>, TablesError> {
    if is_cassandra(url) {
        return cassandra::init(url, config);
    }
    let path = sqlite_path(url)?;
    let what = path.display().to_string();
    let step = if path.exists() { InitStep::There(what) } else { InitStep::Made(what) };
    SqliteTables::open(&path, config, Access::Write)?;
    Ok(vec![step])
}

fn is_cassandra(url: &str) -> bool {
    url.starts_with("cassandra:")
}

/// The file a URL names. Errors never repeat the URL: it may hold a password.
fn sqlite_path(url: &str) -> Result<PathBuf, TablesError> {
    if url.is_empty() {
        return Err(TablesError::Url("none given (flag --tables, setting tables.url)".to_owned()));
    }
    let parsed = Url::parse(url).map_err(|error| TablesError::Url(error.to_string()))?;
    if parsed.scheme() != "sqlite" {
        let kind = format!("there are no tables of the kind `{}`", parsed.scheme());
        return Err(TablesError::Url(kind));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(TablesError::Url("a file's URL has no `?` or `#` (write %3F or %23)".to_owned()));
    }
    match parsed.to_file_path() {
        Ok(path) if parsed.path().len() > 1 => Ok(path),
        _ => Err(TablesError::Url("it names no file on this machine".to_owned())),
    }
}

/// Which rows to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only this aircraft's.
    pub tail: Option<Tail>,
    /// Only those that start (or happened) at this second or later.
    pub since: Option<UnixSeconds>,
    /// Only those that start (or happened) before this second.
    pub until: Option<UnixSeconds>,
    /// At most this many: the newest. They still come in ascending order.
    pub limit: Option<u32>,
}

impl Query {
    /// Whether it asks for what starts, or happened, then.
    fn holds(&self, at: UnixSeconds) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// Which failure rates of one key to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateQuery<'a> {
    /// The aircraft.
    pub tail: &'a Tail,
    /// The key.
    pub key: FaultKey<'a>,
    /// Only of windows that start at this second or before.
    pub until: UnixSeconds,
    /// Of at most this many windows: the newest.
    pub windows: u32,
}

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreOutcome {
    /// Windows put in place.
    pub windows: u64,
    /// Rows of those windows, anomalous or not.
    pub rows: u64,
    /// Rows of those windows with at least one alarm.
    pub anomalies: u64,
    /// Windows that took the place of an earlier version.
    pub replaced: u64,
    /// Windows left as they were, because what is stored of them is newer.
    pub outdated: u64,
    /// What was set aside and dropped again: there was too much of an aircraft's.
    pub set_aside_dropped: u64,
    /// Where the batch's streams stand now, what other processes stored of them included.
    pub streams: Vec<StreamState>,
}

/// The database behind the ground.
pub trait Tables: Send {
    /// Puts windows in place, each as a whole: afterwards all tables hold exactly these rows of it, unless they held
    /// a newer version.
    ///
    /// # Errors
    /// When the database fails, or a window holds what no column can. Where there are no transactions, it may then be
    /// half done; storing the same again completes it.
    fn replace(&mut self, windows: &[ScoredWindow]) -> Result<StoreOutcome, TablesError>;

    /// Stores everything a group of messages changes, and last that its frames are stored.
    ///
    /// # Errors
    /// As [`Self::replace`]; nothing may be acknowledged then.
    fn commit(&mut self, batch: &Batch) -> Result<StoreOutcome, TablesError>;

    /// Rows of an anomaly table, by start, tail, point and description.
    ///
    /// # Errors
    /// When the database fails.
    fn rows(&self, table: Table, query: &Query) -> Result<Vec<TableRow>, TablesError>;

    /// All scored rows, anomalous or not, in the same order.
    ///
    /// # Errors
    /// When the database fails.
    fn scored_rows(&self, query: &Query) -> Result<Vec<TableRow>, TablesError>;

    /// What the rows of an anomaly table, or all scored rows, come to. A limit is not looked at.
    ///
    /// # Errors
    /// When the database fails.
    fn totals(&self, table: Option<Table>, query: &Query) -> Result<Totals, TablesError>;

    /// The failure rates of one key in an aircraft's newest windows, in ascending order. A window where the point
    /// only succeeded counts as 0 %; one without an attempt is left out.
    ///
    /// # Errors
    /// When the database fails.
    fn recent_rates(&self, query: &RateQuery<'_>) -> Result<Vec<(UnixSeconds, Rate)>, TablesError>;

    /// Whether anybody's attempt at a point worked in any of an aircraft's windows that start within a time.
    ///
    /// # Errors
    /// When the database fails.
    fn has_worked(
        &self,
        tail: &Tail,
        edr_point: &str,
        starts: Range<UnixSeconds>,
    ) -> Result<bool, TablesError>;

    /// Reported losses, by the time of the last lost event.
    ///
    /// # Errors
    /// When the database fails.
    fn losses(&self, query: &Query) -> Result<Vec<LossRecord>, TablesError>;

    /// Frames that never came, by the time this was noticed.
    ///
    /// # Errors
    /// When the database fails.
    fn gaps(&self, query: &Query) -> Result<Vec<GapRecord>, TablesError>;

    /// Stream starts, by time.
    ///
    /// # Errors
    /// When the database fails.
    fn stream_starts(&self, query: &Query) -> Result<Vec<StreamStartRecord>, TablesError>;

    /// Model reports, by time.
    ///
    /// # Errors
    /// When the database fails.
    fn model_reports(&self, query: &Query) -> Result<Vec<ModelReportRecord>, TablesError>;

    /// What was set aside, by time.
    ///
    /// # Errors
    /// When the database fails.
    fn set_aside(&self, query: &Query) -> Result<Vec<SetAside>, TablesError>;

    /// The models that frames set aside wait for.
    ///
    /// # Errors
    /// When the database fails.
    fn awaited_models(&self) -> Result<Vec<ModelVersion>, TablesError>;

    /// Some of the frames that wait for a model, at most `limit`.
    ///
    /// # Errors
    /// When the database fails.
    fn awaiting_model(&self, version: ModelVersion, limit: u32) -> Result<Vec<SetAside>, TablesError>;

    /// All aircraft, by tail.
    ///
    /// # Errors
    /// When the database fails.
    fn aircraft(&self) -> Result<Vec<AircraftRecord>, TablesError>;

    /// Where all streams stand, by tail and stream.
    ///
    /// # Errors
    /// When the database fails.
    fn streams(&self) -> Result<Vec<StreamState>, TablesError>;

    /// Makes a model known. The same bundle again changes nothing.
    ///
    /// # Errors
    /// [`TablesError::ModelConflict`] for other bytes under a known version; else when the database fails.
    fn put_model(&mut self, model: &KnownModel) -> Result<(), TablesError>;

    /// All known models, by version, without their bundles.
    ///
    /// # Errors
    /// When the database fails.
    fn known_versions(&self) -> Result<Vec<KnownVersion>, TablesError>;

    /// A known model.
    ///
    /// # Errors
    /// When the database fails.
    fn model(&self, version: ModelVersion) -> Result<Option<KnownModel>, TablesError>;
}
