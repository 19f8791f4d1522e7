//! What ingest keeps beside the scored rows: where each stream stands, what was lost, what was set aside.

use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{FrameSeq, LossFrame, ModelReport, StreamId, StreamStart};

use super::digest::fnv1a;
use super::limits::integer;
use super::{ScoredWindow, TablesError};

/// Most bytes set aside for one aircraft; beyond it the oldest go.
pub(super) const MAX_SET_ASIDE_BYTES: u64 = 64 << 20;
/// What a row takes besides its bytes, about.
pub(super) const SET_ASIDE_ROW_BYTES: u64 = 256;

/// Frame numbers from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeqRange {
    /// The lowest number.
    pub first: FrameSeq,
    /// The highest number.
    pub last: FrameSeq,
}

impl SeqRange {
    /// How many numbers it holds.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.last.0.saturating_sub(self.first.0).saturating_add(1)
    }

    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// One frame of one aircraft: the identity of everything a frame leaves behind besides its window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameId {
    /// The aircraft.
    pub tail: Tail,
    /// Its stream.
    pub stream: StreamId,
    /// The frame's number.
    pub seq: FrameSeq,
}

/// Which frames of a stream the ground has, and which it knows will never come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// The aircraft.
    pub tail: Tail,
    /// Its stream.
    pub stream: StreamId,
    /// Every number up to here is stored, or lies in a gap.
    pub committed: FrameSeq,
    /// Numbers above `committed` that are stored, ascending and apart from each other.
    pub received: Vec<SeqRange>,
    /// Numbers up to `committed` that never came, ascending and apart from each other; only those above `settled`.
    pub gaps: Vec<SeqRange>,
    /// Gaps up to here are history: their rows stay as they are, and a frame from below is a duplicate.
    pub settled: FrameSeq,
    /// The newest frame that the aircraft has told of in a status; 0 before it did.
    pub newest: FrameSeq,
    /// When a frame or a status last came.
    pub updated: UnixSeconds,
}

impl StreamState {
    /// How many frames the aircraft still has to send, for all the ground knows: the numbers up to the highest it has
    /// heard of that are neither stored nor lost.
    #[must_use]
    pub fn on_board(&self) -> u64 {
        let highest = self.received.last().map_or(self.newest, |run| run.last.max(self.newest));
        highest.0.saturating_sub(self.committed.0).saturating_sub(self.overtaking())
    }

    /// How many stored frames have overtaken others that are still on board.
    #[must_use]
    pub fn overtaking(&self) -> u64 {
        self.received.iter().map(|run| run.count()).fold(0, u64::saturating_add)
    }
}

/// What a group of messages adds to a stream. It only ever adds: stored again, in another order, or beside the
/// progress of another process, it comes to the same [`StreamState`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamProgress {
    /// The aircraft.
    pub tail: Tail,
    /// Its stream.
    pub stream: StreamId,
    /// Frames that this batch stores, ascending and apart from each other.
    pub stored: Vec<SeqRange>,
    /// The aircraft has no older frame any more: what is missing below is lost.
    pub oldest: FrameSeq,
    /// The newest frame that the aircraft tells of in a status; 0 where none came.
    pub newest: FrameSeq,
    /// When.
    pub at: UnixSeconds,
}

/// A run of frames that never came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GapRecord {
    /// The aircraft.
    pub tail: Tail,
    /// Its stream.
    pub stream: StreamId,
    /// The numbers.
    pub range: SeqRange,
    /// When the ground learnt that they will never come.
    pub noticed: UnixSeconds,
}

impl GapRecord {
    /// When the ground first learnt of a gap that now has this range: what is left of an older one keeps its time.
    pub(super) fn first_noticed(known: &[Self], range: SeqRange) -> Option<UnixSeconds> {
        known.iter().filter(|gap| gap.range.overlaps(range)).map(|gap| gap.noticed).min()
    }
}

/// A loss the aircraft reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossRecord {
    /// The frame that said so.
    pub frame: FrameId,
    /// What was lost.
    pub loss: LossFrame,
}

/// The first frame of a stream: why the aircraft began a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStartRecord {
    /// The frame that said so.
    pub frame: FrameId,
    /// Why.
    pub start: StreamStart,
}

impl StreamStartRecord {
    pub(super) const fn at(&self) -> UnixSeconds {
        let (StreamStart::NoDatabase { at } | StreamStart::DatabaseSetAside { at }) = self.start;
        at
    }
}

/// What became of a model on an aircraft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelReportRecord {
    /// The frame that said so.
    pub frame: FrameId,
    /// What became of it.
    pub report: ModelReport,
}

/// An aircraft as it last showed itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AircraftRecord {
    /// The aircraft.
    pub tail: Tail,
    /// When a message of its own last came; what the broker says in its stead, or has kept, is no contact.
    pub last_contact: Option<UnixSeconds>,
    /// Whether its link is up, as far as the broker knows; none before its first status.
    pub online: Option<bool>,
    /// By when it meant to be back when it last left as planned, by the ground's clock; none if it never did. Until
    /// then, and a little longer, silence is no trouble.
    pub next_contact: Option<UnixSeconds>,
    /// The agent's release; none before its first status.
    pub release: Option<AgentRelease>,
    /// The model it scores with; none before its first status or window.
    pub model: Option<ModelVersion>,
    /// The stream it writes.
    pub stream: Option<StreamId>,
    /// Whose models it takes; none before its first status.
    pub cohort: Option<String>,
}

impl AircraftRecord {
    /// One of which nothing is known but its name.
    #[must_use]
    pub const fn of(tail: Tail) -> Self {
        Self {
            tail,
            last_contact: None,
            online: None,
            next_contact: None,
            release: None,
            model: None,
            stream: None,
            cohort: None,
        }
    }
}

/// Why bytes were set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetAsideReason {
    /// The message, or the frame, does not decode.
    Undecodable,
    /// The frame decodes, but what it says can't be: a key twice, a window off the grid.
    Nonsense,
    /// The window names keys of a model the ground does not know yet. It is tried again once it does.
    UnknownModel(ModelVersion),
}

impl SetAsideReason {
    /// The name in tables, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Nonsense => "nonsense",
            Self::UnknownModel(_) => "unknown_model",
        }
    }

    /// The model that is waited for.
    pub(super) const fn awaited_model(self) -> Option<ModelVersion> {
        match self {
            Self::UnknownModel(version) => Some(version),
            Self::Undecodable | Self::Nonsense => None,
        }
    }
}

/// A frame, or a whole message, that could not be stored as rows. Its bytes are kept, so nothing of it is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The aircraft.
    pub tail: Tail,
    /// Stream and number of the frame; none for a whole message, which could not be taken apart.
    pub frame: Option<(StreamId, FrameSeq)>,
    /// Why.
    pub reason: SetAsideReason,
    /// The reason in words.
    pub message: String,
    /// When.
    pub at: UnixSeconds,
    /// The undecoded bytes, cut to the largest frame there can be.
    pub bytes: Vec<u8>,
}

/// What tells one thing that was set aside for an aircraft from another, as columns hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SetAsideKey {
    /// Empty for a message.
    pub stream: String,
    /// 0 for a message.
    pub seq: i64,
    /// Of a message's bytes: the same bytes are the same message. Empty for a frame, which has a number.
    pub digest: String,
}

impl SetAsideKey {
    pub fn of_frame(stream: StreamId, seq: FrameSeq) -> Result<Self, TablesError> {
        let seq = integer("a frame's number", seq.0)?;
        Ok(Self { stream: stream.to_string(), seq, digest: String::new() })
    }

    pub fn of(item: &SetAside) -> Result<Self, TablesError> {
        match item.frame {
            Some((stream, seq)) => Self::of_frame(stream, seq),
            None => {
                let digest = format!("{:016x}", fnv1a(&item.bytes));
                Ok(Self { stream: String::new(), seq: 0, digest })
            }
        }
    }
}

/// A model bundle the ground can score with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownModel {
    /// Its version.
    pub version: ModelVersion,
    /// The aircraft it is for.
    pub cohort: String,
    /// The signed bundle, byte by byte; its signature was checked before it came here.
    pub bundle: Vec<u8>,
}

/// A known model, without its bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownVersion {
    /// Its version.
    pub version: ModelVersion,
    /// The aircraft it is for.
    pub cohort: String,
}

/// Everything one group of messages changes.
///
/// Each part is keyed so that storing it again changes nothing. An implementation without transactions writes
/// `progress` last: only it decides what is acknowledged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Windows to put in place of what was there.
    pub windows: Vec<ScoredWindow>,
    /// Reported losses.
    pub losses: Vec<LossRecord>,
    /// Stream starts.
    pub stream_starts: Vec<StreamStartRecord>,
    /// Model reports.
    pub model_reports: Vec<ModelReportRecord>,
    /// Bytes to set aside.
    pub set_aside: Vec<SetAside>,
    /// Set-aside frames that have become rows after all.
    pub recovered: Vec<FrameId>,
    /// Aircraft that were heard of. A field that is none leaves what was known.
    pub aircraft: Vec<AircraftRecord>,
    /// How the streams went on.
    pub progress: Vec<StreamProgress>,
}
