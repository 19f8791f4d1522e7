use std::collections::BTreeSet;

use cabinwatch_shared::wire::{ClockTrust, StreamId};
use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    drain_bytes_per_second: 1000,
    resend_after: Duration::from_secs(120),
    ack_wait: Duration::from_secs(3),
    in_flight: 8,
    backlog_in_flight: 4,
};

fn bounds(oldest: u64, newest: u64) -> OutboxBounds {
    OutboxBounds {
        stream: StreamId(7),
        oldest: FrameSeq(oldest),
        newest: FrameSeq(newest),
        clock: ClockTrust::Trusted,
    }
}

/// A sender with its outbox and a clock that the test moves.
struct Bench {
    sender: Sender,
    bounds: OutboxBounds,
    start: Instant,
    now: Instant,
    frames_per_message: u64,
    bytes_per_frame: usize,
}

impl Bench {
    fn new(oldest: u64, newest: u64) -> Self {
        let now = Instant::now();
        let bounds = bounds(oldest, newest);
        let sender = Sender::new(LIMITS, bounds, now);
        Self { sender, bounds, start: now, now, frames_per_message: 10, bytes_per_frame: 100 }
    }

    fn after_ack_wait(oldest: u64, newest: u64) -> Self {
        let mut bench = Self::new(oldest, newest);
        bench.now += LIMITS.ack_wait;
        bench
    }

    fn step(&mut self) -> Step {
        self.sender.next(self.bounds, self.now)
    }

    /// Sends what the sender wants to, and confirms it; what was sent.
    fn send_one(&mut self) -> Option<(Kind, u64, u64)> {
        let Step::Send { kind, first, last } = self.step() else { return None };
        let last = FrameSeq(last.0.min(first.0 + self.frames_per_message - 1));
        let bytes = self.bytes_per_frame * (last.0 - first.0 + 1) as usize;
        self.sender.sent(kind, first, last, bytes, self.now);
        self.sender.settled();
        Some((kind, first.0, last.0))
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn commit(&mut self, seq: u64) {
        self.sender.committed(FrameSeq(seq), self.now);
    }

    fn wait(&mut self) -> Option<u64> {
        match self.step() {
            Step::WaitUntil(at) => Some((at - self.start).as_secs()),
            Step::Wait => None,
            Step::Send { .. } => panic!("wants to send"),
        }
    }
}

#[test]
fn live_frames_go_at_once_and_one_by_one_while_the_backlog_waits_for_the_acknowledgement() {
    let mut bench = Bench::new(1, 50);
    bench.bounds.newest = FrameSeq(52);
    assert_eq!(bench.send_one(), Some((Kind::Live, 51, 51)));
    assert_eq!(bench.send_one(), Some((Kind::Live, 52, 52)));
    assert_eq!(bench.wait(), Some(3));
}

#[test]
fn the_acknowledgement_ends_the_wait_and_spares_what_it_covers() {
    let mut bench = Bench::new(1, 50);
    bench.commit(45);
    assert_eq!(bench.send_one(), Some((Kind::Backlog, 46, 50)));
}

#[test]
fn the_backlog_keeps_its_rate() {
    let mut bench = Bench::after_ack_wait(1, 50);
    assert_eq!(bench.send_one(), Some((Kind::Backlog, 1, 10)));
    assert_eq!(bench.wait(), Some(4));
    bench.pass(1);
    assert_eq!(bench.send_one(), Some((Kind::Backlog, 11, 20)));
}

#[test]
fn a_live_frame_overtakes_the_backlog() {
    let mut bench = Bench::after_ack_wait(1, 50);
    bench.send_one();
    bench.bounds.newest = FrameSeq(51);
    assert_eq!(bench.send_one(), Some((Kind::Live, 51, 51)));
    assert_eq!(bench.wait(), Some(4));
}

#[test]
fn the_backlog_leaves_room_for_live_frames_in_flight() {
    let mut bench = Bench::after_ack_wait(1, 500);
    for _ in 0..LIMITS.backlog_in_flight {
        let Step::Send { kind, first, .. } = bench.step() else { panic!("nothing to send") };
        bench.sender.sent(kind, first, first, 100, bench.now);
        bench.pass(1);
    }
    assert_eq!(bench.wait(), None);
    bench.bounds.newest = FrameSeq(501);
    assert!(matches!(bench.step(), Step::Send { kind: Kind::Live, .. }));
}

#[test]
fn a_stalled_head_is_sent_again_one_message_at_a_time() {
    let mut bench = Bench::after_ack_wait(1, 20);
    bench.send_one();
    bench.pass(1);
    bench.send_one();
    assert_eq!(bench.wait(), Some(3 + 120));
    bench.pass(119);
    assert_eq!(bench.send_one(), Some((Kind::Again, 1, 10)));
    // In vain, so it waits for twice as long, and never for more than 32 times as long.
    assert_eq!(bench.wait(), Some(3 + 120 + 240));
    for _ in 0..10 {
        bench.pass(32 * 120);
        assert_eq!(bench.send_one(), Some((Kind::Again, 1, 10)));
    }
    bench.commit(1);
    bench.pass(120);
    assert_eq!(bench.send_one(), Some((Kind::Again, 2, 11)), "the ground has come back");
}

#[test]
fn a_contact_is_over_once_the_ground_has_stored_everything() {
    let mut bench = Bench::after_ack_wait(1, 15);
    assert_eq!(bench.sender.progress(bench.bounds), Progress::Sending);
    bench.send_one();
    bench.pass(1);
    bench.send_one();
    assert_eq!(bench.sender.progress(bench.bounds), Progress::Sent);
    bench.commit(15);
    assert_eq!(bench.sender.progress(bench.bounds), Progress::Committed);
    bench.bounds.newest = FrameSeq(16);
    assert_eq!(bench.sender.progress(bench.bounds), Progress::Sending);
    let empty = Bench::new(16, 15);
    assert_eq!(empty.sender.progress(empty.bounds), Progress::Committed);
}

#[test]
fn commits_that_follow_a_resend_bring_the_rest_quickly() {
    let mut bench = Bench::after_ack_wait(1, 50);
    for _ in 0..5 {
        bench.send_one();
        bench.pass(1);
    }
    bench.pass(120);
    assert_eq!(bench.send_one(), Some((Kind::Again, 1, 10)));
    bench.pass(1);
    bench.commit(10);
    assert_eq!(bench.send_one(), Some((Kind::Again, 11, 20)));
    bench.pass(1);
    assert_eq!(bench.send_one(), Some((Kind::Again, 21, 30)));
    bench.pass(1);
    assert_eq!(bench.send_one(), None);
    bench.commit(50);
    assert_eq!(bench.wait(), None);
}

#[test]
fn a_long_backlog_does_not_make_live_frames_repeat() {
    let mut bench = Bench::after_ack_wait(1, 1000);
    bench.bounds.newest = FrameSeq(1001);
    assert_eq!(bench.send_one(), Some((Kind::Live, 1001, 1001)));
    let mut committed = 0;
    for _ in 0..100 {
        assert!(matches!(bench.send_one(), Some((Kind::Backlog, ..))));
        bench.pass(10);
        committed += 10;
        bench.commit(committed);
    }
    bench.commit(1001);
    assert_eq!(bench.wait(), None);
}

#[test]
fn frames_that_retention_dropped_are_skipped() {
    let mut bench = Bench::after_ack_wait(1, 50);
    bench.bounds.oldest = FrameSeq(31);
    assert_eq!(bench.send_one(), Some((Kind::Backlog, 31, 40)));
}

#[test]
fn an_empty_outbox_gives_nothing_to_do() {
    let mut bench = Bench::after_ack_wait(51, 50);
    assert_eq!(bench.wait(), None);
    bench.bounds.newest = FrameSeq(51);
    assert_eq!(bench.send_one(), Some((Kind::Live, 51, 51)));
}

/// What happens in one step of a random history.
#[derive(Clone, Debug)]
enum Happening {
    Seconds(u8),
    NewFrames(u8),
    /// The ground commits what it has without a gap.
    Commit,
    /// Whether the next message gets lost behind the broker.
    SendOne {
        lost: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1_u8..100).prop_map(Happening::Seconds),
        (1_u8..5).prop_map(Happening::NewFrames),
        Just(Happening::Commit),
        any::<bool>().prop_map(|lost| Happening::SendOne { lost }),
    ]
}

/// A bench with the ground at its other end.
struct Ground {
    bench: Bench,
    stored: BTreeSet<u64>,
    committed: u64,
    drained: usize,
}

impl Ground {
    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Seconds(seconds) => self.bench.pass(u64::from(seconds)),
            Happening::NewFrames(count) => self.bench.bounds.newest.0 += u64::from(count),
            Happening::Commit => {
                while self.stored.remove(&(self.committed + 1)) {
                    self.committed += 1;
                }
                self.bench.commit(self.committed);
                self.bench.bounds.oldest = FrameSeq(self.committed + 1);
            }
            Happening::SendOne { lost } => {
                let newest = self.bench.bounds.newest;
                let live_waits = self.bench.sender.live_next <= newest;
                let Some((kind, first, last)) = self.bench.send_one() else { return };
                assert!(kind == Kind::Live || !live_waits, "a backlog overtook a live frame");
                assert!(last <= newest.0 && first > self.committed, "{kind:?} {first}..={last}");
                if kind != Kind::Live {
                    self.drained += self.bench.bytes_per_frame * (last - first + 1) as usize;
                }
                if !lost {
                    self.stored.extend(first..=last);
                }
            }
        }
        let elapsed = (self.bench.now - self.bench.start).as_secs() as usize;
        let one_message = self.bench.bytes_per_frame * self.bench.frames_per_message as usize;
        let rate = LIMITS.drain_bytes_per_second as usize;
        assert!(self.drained <= rate * elapsed + one_message, "faster than the rate");
    }
}

proptest! {
    #[test]
    fn whatever_gets_lost_everything_is_committed_in_the_end(
        backlog in 0_u64..200,
        history in prop::collection::vec(happening(), 0..200),
    ) {
        let mut ground =
            Ground { bench: Bench::new(1, backlog), stored: BTreeSet::new(), committed: 0, drained: 0 };
        history.iter().for_each(|happening| ground.happen(happening));
        // The line is good from here on.
        for _ in 0..3000 {
            ground.happen(&Happening::SendOne { lost: false });
            ground.happen(&Happening::Seconds(1));
            ground.happen(&Happening::Commit);
        }
        prop_assert_eq!(ground.committed, ground.bench.bounds.newest.0);
    }
}
