//! Which windows say something new: a fault that alarms now and did not before.

use std::collections::HashMap;

use cabinwatch_shared::model::{KeyIndex, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{Frame, FrameHead, FrameSeq, WindowFrame};

use crate::store::StoredFrame;

/// Most faults remembered; where there are more, those of the oldest windows go.
const MOST_FAULTS: usize = 1024;

/// What alarms.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Fault {
    Known(ModelVersion, KeyIndex),
    Spelled(Box<str>, Box<str>),
}

/// Remembers which faults alarm. A fault is new when no window in the `quiet_seconds` before had it, so that one that
/// lasts, or comes and goes, is news once and not with each window.
#[derive(Debug)]
pub(super) struct AlarmWatch {
    quiet_seconds: i64,
    /// The first frame not looked at.
    next: FrameSeq,
    /// Which window had it last.
    last: HashMap<Fault, UnixSeconds>,
}

impl AlarmWatch {
    pub(super) fn new(quiet_seconds: u32) -> Self {
        Self { quiet_seconds: i64::from(quiet_seconds), next: FrameSeq(0), last: HashMap::new() }
    }

    /// The first frame that [`Self::look`] has not seen.
    pub(super) const fn next(&self) -> FrameSeq {
        self.next
    }

    /// A new stream numbers its frames from 1 again.
    pub(super) const fn start_over(&mut self) {
        self.next = FrameSeq(0);
    }

    /// Looks at frames in the outbox's order, and says whether one of them has a new alarm.
    pub(super) fn look(&mut self, frames: &[StoredFrame]) -> bool {
        let mut news = false;
        for (seq, bytes) in frames {
            self.next = self.next.max(seq.next());
            if let Ok(Frame::Window(window)) = (FrameHead { seq: *seq, bytes }).decode() {
                news |= self.window(&window);
            }
        }
        news
    }

    fn window(&mut self, window: &WindowFrame<'_>) -> bool {
        let known = window.known.iter().flatten().filter(|row| row.alarms.confirmed());
        let known = known.map(|row| Fault::Known(window.model, row.key));
        let spelled = window.spelled.iter().filter(|row| Alarms::from_bits(row.alarms).confirmed());
        let spelled = spelled.map(|row| Fault::Spelled(row.edr_point.into(), row.description.into()));
        let mut news = false;
        for fault in known.chain(spelled) {
            let before = self.last.insert(fault, window.start);
            news |= before.is_none_or(|before| window.start.0 - before.0 > self.quiet_seconds);
        }
        self.forget();
        news
    }

    fn forget(&mut self) {
        if self.last.len() <= MOST_FAULTS {
            return;
        }
        let mut ages: Vec<i64> = self.last.values().map(|start| start.0).collect();
        ages.sort_unstable();
        let oldest_kept = ages.get(ages.len() - MOST_FAULTS).copied().unwrap_or(i64::MIN);
        self.last.retain(|_, start| start.0 > oldest_kept);
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::wire::{KnownRow, KnownRows, SpelledRow};

    use super::*;

    const QUIET: u32 = 3600;
    const BOTH: Alarms = Alarms { z: true, forest: true };

    fn frame(seq: u64, start: i64, known: &[(u32, Alarms)], spelled: &[&str]) -> StoredFrame {
        let row = |&(key, alarms): &(u32, Alarms)| KnownRow { key: KeyIndex(key), fail: 3, alarms };
        let spell =
            |description: &&'static str| SpelledRow { edr_point: "DNS", description, fail: 1, alarms: 3 };
        let spelled: Vec<&'static str> = spelled.iter().map(|text| &*String::from(*text).leak()).collect();
        let window = WindowFrame {
            start: UnixSeconds(start),
            length: 300,
            model: ModelVersion(1),
            points: heapless::Vec::new(),
            known: KnownRows::pack(known.iter().map(row)).expect("in order"),
            spelled: spelled.iter().map(spell).collect(),
        };
        let mut bytes = Vec::new();
        Frame::Window(window).write(&mut bytes).expect("encodes");
        (FrameSeq(seq), bytes)
    }

    #[test]
    fn a_fault_that_lasts_is_news_once() {
        let mut watch = AlarmWatch::new(QUIET);
        assert!(watch.look(&[frame(1, 0, &[(2, BOTH)], &[])]));
        assert!(!watch.look(&[frame(2, 300, &[(2, BOTH)], &[]), frame(3, 600, &[], &[])]));
        assert!(!watch.look(&[frame(4, 900, &[(2, BOTH)], &[])]), "it comes and goes");
        assert_eq!(watch.next(), FrameSeq(5));
    }

    #[test]
    fn another_fault_and_one_that_was_long_gone_are_news() {
        let mut watch = AlarmWatch::new(QUIET);
        assert!(watch.look(&[frame(1, 0, &[(2, BOTH)], &[])]));
        assert!(watch.look(&[frame(2, 300, &[(2, BOTH), (3, BOTH)], &[])]));
        assert!(watch.look(&[frame(3, 600, &[], &["refused"])]));
        assert!(watch.look(&[frame(4, 300 + 3900, &[(2, BOTH)], &[])]));
    }

    #[test]
    fn a_row_without_an_alarm_and_bytes_that_are_no_window_are_none() {
        let mut watch = AlarmWatch::new(QUIET);
        assert!(!watch.look(&[frame(1, 0, &[(2, Alarms::default())], &[]), (FrameSeq(2), vec![9, 9])]));
        assert_eq!(watch.next(), FrameSeq(3));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut watch = AlarmWatch::new(QUIET);
        for number in 0..30 {
            let known: Vec<_> = (0..100).map(|key| (number * 100 + key, BOTH)).collect();
            watch.look(&[frame(u64::from(number) + 1, i64::from(number) * 300, &known, &[])]);
        }
        assert!(watch.last.len() <= MOST_FAULTS, "{}", watch.last.len());
        assert!(!watch.look(&[frame(31, 30 * 300, &[(2999, BOTH)], &[])]), "the youngest are kept");
    }
}
