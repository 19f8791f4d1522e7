//! The state at one point of the event log. What came after it is found by replaying the groups behind it.

use std::collections::BTreeMap;

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::LossReason;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::closed::Closed;
use super::counters::Counts;
use super::group::{BootId, KeyId};

/// The format this agent writes and reads; the first byte.
const CHECKPOINT_VERSION: u8 = 1;

/// Everything the agent knows besides its tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// How far event time has come.
    pub watermark: Option<UnixMillis>,
    /// Which windows have been closed.
    pub closed: Closed,
    /// The window length the groups behind this checkpoint are counted with, in seconds; 0 before the first event.
    pub window_seconds: u32,
    /// The windows that are open.
    pub windows: Vec<WindowCounts>,
    /// How far each source has been read.
    pub cursors: BTreeMap<String, Vec<u8>>,
    /// All counters.
    pub counts: Counts,
    /// Losses that no frame has told the ground yet.
    pub unreported: BTreeMap<LossReason, LossSpan>,
    /// Fingerprint of the bundle that was refused last.
    pub refused_bundle: Option<u64>,
    /// What was known of the time of day.
    pub clock: ClockRecord,
    /// Groups whose events wait for a time of day.
    pub provisional: Option<ProvisionalSpan>,
    /// How the stream began, where no frame has told the ground yet.
    pub unannounced: Option<StreamCause>,
}

/// What was known of the time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockRecord {
    /// The newest instant at which the agent had a time of day: it is later now.
    pub newest: Option<UnixMillis>,
    /// Since when it is trusted, or doubted, as it is now; nothing as long as there is no time of day.
    pub since: Option<UnixSeconds>,
    /// The last step of the wall clock while the agent ran.
    pub last_step: Option<StepRecord>,
    /// How far time has leapt ahead on nobody's word, in seconds: nothing has grown so much older by that.
    pub unconfirmed: i64,
    /// The time of day that was adopted. In the same boot it still holds.
    pub adopted: Option<AdoptedRecord>,
}

/// A time of day, as an offset to the boot clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedRecord {
    /// Which boot it is good for.
    pub boot: BootId,
    /// How far it is ahead of the boot clock, in milliseconds.
    pub offset: i64,
    /// How far the agent's time was ahead of it, in milliseconds…
    pub surplus: i64,
    /// …and when, by the boot clock in milliseconds: since then it goes at half the speed.
    pub slow_since: i64,
    /// Whether there was a reason to believe it.
    pub firm: bool,
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// When, in the agent's time.
    pub at: UnixSeconds,
    /// How far, in milliseconds; forward is positive.
    pub by_millis: i64,
}

/// Groups whose events are dated by the boot clock alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionalSpan {
    /// The first of them. All that came after it are.
    pub from: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Events in them.
    pub events: u64,
}

/// Why a stream began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamCause {
    /// There was no database.
    NoDatabase,
    /// A damaged one was set aside.
    DatabaseSetAside,
}

/// The counts of one open window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowCounts {
    /// First second of the window.
    pub start: UnixSeconds,
    /// Its length in seconds.
    pub seconds: u32,
    /// What was counted, in the order of the keys' numbers.
    pub tallies: Vec<(KeyId, Tally)>,
}

/// Events of one key in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Failed attempts.
    pub fail: u64,
    /// Successful attempts.
    pub success: u64,
}

/// How much was lost, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossSpan {
    /// How many.
    pub count: u64,
    /// When the first was lost.
    pub since: UnixSeconds,
    /// When the last was lost.
    pub until: UnixSeconds,
}

impl Checkpoint {
    /// The bytes for the `checkpoint` table.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        postcard::to_extend(self, vec![CHECKPOINT_VERSION]).map_err(|_| StoreError::garbled("the checkpoint"))
    }

    /// Reads those bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        let garbled = || StoreError::garbled("the checkpoint");
        let (&CHECKPOINT_VERSION, rest) = bytes.split_first().ok_or_else(garbled)? else {
            return Err(garbled());
        };
        postcard::from_bytes(rest).map_err(|_| garbled())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_checkpoint_is_these_bytes() {
        let span = LossSpan { count: 1, since: UnixSeconds(2), until: UnixSeconds(3) };
        let mut closed = Closed::default();
        closed.resume(UnixMillis(200_000), false);
        closed.close(UnixSeconds(0), UnixSeconds(300));
        let checkpoint = Checkpoint {
            watermark: Some(UnixMillis(1000)),
            closed,
            window_seconds: 300,
            windows: vec![WindowCounts {
                start: UnixSeconds(300),
                seconds: 300,
                tallies: vec![(KeyId(7), Tally { fail: 2, success: 0 })],
            }],
            cursors: BTreeMap::from([("t".to_owned(), vec![9])]),
            counts: Counts::default(),
            unreported: BTreeMap::from([(LossReason::Late, span)]),
            refused_bundle: None,
            clock: ClockRecord {
                newest: Some(UnixMillis(1001)),
                since: Some(UnixSeconds(1)),
                last_step: Some(StepRecord { at: UnixSeconds(2), by_millis: -3 }),
                unconfirmed: 6,
                adopted: Some(AdoptedRecord {
                    boot: BootId(7),
                    offset: 8,
                    surplus: 0,
                    slow_since: 9,
                    firm: true,
                }),
            },
            provisional: Some(ProvisionalSpan { from: 5, bytes: 200, events: 9 }),
            unannounced: Some(StreamCause::DatabaseSetAside),
        };
        let bytes = checkpoint.to_bytes().expect("encodes");
        let expected: &[&[u8]] = &[
            &[1],                         // version
            &[1, 0xd0, 0x0f],             // watermark 1000
            &[1, 0xd8, 0x04, 1, 0],       // closed through 300, in the epoch that began in the window from 0
            &[0, 0, 0],                   // nothing below it, no other epoch
            &[0xac, 0x02],                // windows of 300 s
            &[1, 0xd8, 0x04, 0xac, 0x02], // one window from 300, 300 s
            &[1, 7, 2, 0],                // one tally: key 7, two failures
            &[1, 1, b't', 1, 9],          // one cursor
            &[0],                         // no counts
            &[1, 7, 1, 4, 6],             // one loss: late, 1, from 2 to 3
            &[0],                         // no refused bundle
            &[1, 0xd2, 0x0f, 1, 2],       // the newest time 1001, trusted as it is since 1
            &[1, 4, 5, 12],               // a step at 2, 3 ms back; a leap of 6 s unconfirmed
            &[1, 7, 16, 0, 18, 1],        // in boot 7 time is 8 ms ahead of the clock, and firm
            &[1, 5, 0xc8, 0x01, 9],       // provisional from group 5: 200 bytes, 9 events
            &[1, 1],                      // the stream began after a damaged database, untold
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(Checkpoint::from_bytes(&bytes).expect("decodes"), checkpoint);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_checkpoint_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(version) = bytes.first_mut() {
                *version = CHECKPOINT_VERSION;
            }
            let _ = Checkpoint::from_bytes(&bytes);
        }
    }
}
