//! What one frame says.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::WireError;
use crate::model::{KeyIndex, ModelVersion};
use crate::time::UnixSeconds;
use crate::verdict::Alarms;

/// Most fault keys in one window, `OTHER` included.
pub const MAX_KEYS: usize = 257;
/// Most points in one window.
pub const MAX_POINTS: usize = 64;

/// One record of the stream.
// Boxing the large variant would need an allocator, which this crate does without.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame<'a> {
    /// The counts of a closed window.
    #[serde(borrow)]
    Window(WindowFrame<'a>),
    /// Something was lost, and why.
    Loss(LossFrame),
    /// The first frame of every stream.
    StreamStart(StreamStart),
    /// What became of an offered model.
    Model(ModelReport),
}

/// The counts of one closed window. Scores do not travel: the ground has the same model and the same scorers, so it
/// computes them from the counts; the alarms the agent raised travel as two bits a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowFrame<'a> {
    /// First second of the window.
    pub start: UnixSeconds,
    /// Length in seconds.
    pub length: u32,
    /// The model that scored it, and whose catalogue the rows name; 0 for none.
    pub model: ModelVersion,
    /// Attempts that worked, by point; also of points where nothing failed.
    #[serde(borrow)]
    pub points: Vec<PointRow<'a>, MAX_POINTS>,
    /// Failures of keys in the model's catalogue, in the catalogue's order.
    pub known: KnownRows,
    /// Failures of all other keys.
    #[serde(borrow)]
    pub spelled: Vec<SpelledRow<'a>, MAX_KEYS>,
}

/// Names a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PointName<'a> {
    /// The point of this catalogue entry.
    Known(KeyIndex),
    /// The point's text.
    Spelled(&'a str),
}

/// Successes of one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointRow<'a> {
    /// The point.
    #[serde(borrow)]
    pub point: PointName<'a>,
    /// Successful attempts.
    pub success: u64,
}

/// Failures of one key that the model's catalogue does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpelledRow<'a> {
    /// The point.
    pub edr_point: &'a str,
    /// What failed.
    pub description: &'a str,
    /// Failed attempts.
    pub fail: u64,
    /// The alarm bits of [`Alarms`].
    pub alarms: u8,
}

/// Failures of one key of the model's catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownRow {
    /// The key.
    pub key: KeyIndex,
    /// Failed attempts.
    pub fail: u64,
    /// Which detectors alarmed.
    pub alarms: Alarms,
}

/// Rows of known keys, packed: each is a code and a count, and the code holds how many keys lie between this and the
/// one before (shifted by two) and the two alarm bits. A usual row takes two bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KnownRows(Vec<(u64, u64), MAX_KEYS>);

impl KnownRows {
    /// Packs rows, which must come in ascending order of their keys.
    ///
    /// # Errors
    /// [`WireError::Value`] for rows out of order, [`WireError::TooLarge`] for more than fit.
    pub fn pack(rows: impl IntoIterator<Item = KnownRow>) -> Result<Self, WireError> {
        let mut packed = Vec::new();
        let mut next = 0_u64;
        for row in rows {
            let key = u64::from(row.key.0);
            let gap = key.checked_sub(next).ok_or(WireError::Value)?;
            let code = gap << 2 | u64::from(row.alarms.bits());
            packed.push((code, row.fail)).map_err(|_| WireError::TooLarge(MAX_KEYS))?;
            next = key + 1;
        }
        Ok(Self(packed))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows; an error in place of the first whose key no catalogue can hold, and nothing after it.
    pub fn iter(&self) -> impl Iterator<Item = Result<KnownRow, WireError>> + '_ {
        let mut next = Some(0_u64);
        self.0.iter().map_while(move |&(code, fail)| {
            let first = next?;
            let key = first.checked_add(code >> 2).and_then(|key| u32::try_from(key).ok());
            next = key.map(|key| u64::from(key) + 1);
            let alarms = Alarms::from_bits((code & 3) as u8);
            Some(key.map(|key| KnownRow { key: KeyIndex(key), fail, alarms }).ok_or(WireError::Value))
        })
    }
}

/// Something was dropped, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossFrame {
    /// Why.
    pub reason: LossReason,
    /// How many events, lines or frames (the reason says which).
    pub count: u64,
    /// When the first was lost.
    pub since: UnixSeconds,
    /// When the last was lost.
    pub until: UnixSeconds,
}

/// Why something was lost. The order is the wire's: new reasons go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// Frames older than the outbox may keep.
    OutboxAge,
    /// Frames beyond the outbox's bytes.
    OutboxBytes,
    /// Frames beyond the outbox's count.
    OutboxCount,
    /// Events that came faster than they could be taken.
    QueueFull,
    /// Datagrams or lines that are no event: broken JSON, missing fields, not UTF-8.
    Malformed,
    /// Datagrams or lines longer than the limit.
    TooLong,
    /// Events dated too far in the future.
    Future,
    /// Events for windows that had closed.
    Late,
    /// Events whose state is neither FAIL nor SUCCESS.
    UnknownState,
    /// Parts of a tailed file that were gone before they were read.
    FileGap,
    /// Events of points beyond the limit of points.
    PointOverflow,
    /// Frames of a database that could not be read any more; the count is unknown and says 0.
    Corrupt,
    /// Events that came, and frames that waited, while there was no room for them or nothing could be written.
    Storage,
    /// The agent ended without being stopped: by a power cut, a kill, a failure. The count is that of such ends; how many
    /// events were under way, nobody knows. From the last commit before the end to the start after it.
    UncleanEnd,
}

impl LossReason {
    /// Every reason, in the wire's order.
    pub const ALL: [Self; 14] = [
        Self::OutboxAge,
        Self::OutboxBytes,
        Self::OutboxCount,
        Self::QueueFull,
        Self::Malformed,
        Self::TooLong,
        Self::Future,
        Self::Late,
        Self::UnknownState,
        Self::FileGap,
        Self::PointOverflow,
        Self::Corrupt,
        Self::Storage,
        Self::UncleanEnd,
    ];

    /// The name in tables, counters and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutboxAge => "outbox_age",
            Self::OutboxBytes => "outbox_bytes",
            Self::OutboxCount => "outbox_count",
            Self::QueueFull => "queue_full",
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Future => "future",
            Self::Late => "late",
            Self::UnknownState => "unknown_state",
            Self::FileGap => "file_gap",
            Self::PointOverflow => "point_overflow",
            Self::Corrupt => "corrupt",
            Self::Storage => "storage",
            Self::UncleanEnd => "unclean_end",
        }
    }
}

/// How a stream came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamStart {
    /// No database was found: a new aircraft, or one whose database is lost. What was before is unknown.
    NoDatabase {
        /// When.
        at: UnixSeconds,
    },
    /// The database could not be read and was set aside.
    DatabaseSetAside {
        /// When.
        at: UnixSeconds,
    },
}

/// What became of a model that was offered to the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelReport {
    /// The offered version; 0 if the bundle did not tell.
    pub version: ModelVersion,
    /// When.
    pub at: UnixSeconds,
    /// What became of it.
    pub outcome: ModelOutcome,
}

/// The outcome of a model's intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelOutcome {
    /// Scores from now on.
    Activated,
    /// No bundle, garbled, or beyond the limits.
    Unreadable,
    /// Not signed by a trusted key.
    Untrusted,
    /// Older, expired, for others, or for a newer agent.
    NotForUs,
    /// Its golden rows score differently here.
    SelfTestFailed,
    /// It was in use and is no more.
    RolledBack(Rollback),
    /// It did well in its first windows, and stays until a newer one comes.
    TrialPassed(TrialCounts),
}

/// A model that gave way to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rollback {
    /// The model in use from now on; 0 for none.
    pub to: ModelVersion,
    /// Why.
    pub cause: RollbackCause,
    /// What its trial counted until then.
    pub trial: TrialCounts,
}

/// Why a model gave way. The order is the wire's: new causes go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackCause {
    /// It raised too many alarms in its trial. It is not taken again.
    Alarms,
    /// Its bytes have changed in the database. A sound copy is taken again.
    Damaged,
    /// Nobody whom the configuration trusts signed it.
    Untrusted,
    /// It does not fit this agent or its configuration any more.
    Unfit,
    /// It scores differently than it did.
    SelfTest,
}

impl RollbackCause {
    /// Every cause, in the wire's order.
    pub const ALL: [Self; 5] = [Self::Alarms, Self::Damaged, Self::Untrusted, Self::Unfit, Self::SelfTest];

    /// The name in tables and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alarms => "alarms",
            Self::Damaged => "damaged",
            Self::Untrusted => "untrusted",
            Self::Unfit => "unfit",
            Self::SelfTest => "self_test",
        }
    }
}

/// What a model's trial counted. Each row has two verdicts, one of each detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrialCounts {
    /// Windows with at least one row.
    pub windows: u32,
    /// Rows scored in them.
    pub rows: u32,
    /// Verdicts of it that are alarms.
    pub alarms: u32,
    /// Verdicts that are no alarm with the model before it; all of them where there was no model before it.
    pub quiet: u32,
    /// Those among them that are an alarm with it.
    pub new_alarms: u32,
}
