//! Whatever is done to the clocks, each event counts once and each window is made once; and where the truth becomes
//! known, each event is in the window in which it truly happened.

use std::collections::BTreeMap;

use cabinwatch_shared::wire::LossReason;
use proptest::prelude::*;

use super::*;
use crate::sources::Cursor;

const YEAR: i64 = 365 * 86_400;

/// What happens to a machine.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// So many events, so many seconds apart.
    Events(u8, i64),
    /// Nothing for so many seconds.
    Quiet(i64),
    /// The wall clock is set, so far from where it was.
    Set(i64),
    /// The wall clock is set to 1970.
    Set1970,
    /// A time service sets it right.
    Synchronise,
    /// The group is committed.
    Commit,
    /// The agent is killed.
    Kill,
    /// The power is cut for so many seconds; afterwards the wall clock shows the truth, or is so far off.
    PowerCut(i64, i64),
    /// The power is cut for so many seconds; afterwards the wall clock shows 1970.
    PowerCut1970(i64),
}

/// The machine, the agent on it, and what is true.
struct World {
    agent: Agent,
    /// Seconds after `T0`.
    truth: i64,
    /// Events that were fed, and when they happened.
    fed: Vec<i64>,
}

impl World {
    fn new() -> Self {
        Self { agent: Agent::start_with(|settings| settings.length = length(60)), truth: 0, fed: Vec::new() }
    }

    fn pass(&mut self, seconds: i64) {
        let mut left = seconds;
        while left > 0 {
            let some = left.min(5);
            self.truth += some;
            self.agent.clock.advance(some);
            self.agent.tick();
            left -= some;
        }
    }

    fn wall(&self) -> i64 {
        self.agent.clock.wall().0 / 1000
    }

    fn event(&mut self) {
        self.fed.push(self.truth);
        self.feed(self.fed.len());
    }

    /// The event of that number, counted from 1, as a program on the machine dates it.
    fn feed(&mut self, number: usize) {
        let mut batch = EventBatch::default();
        push(&mut batch, (self.wall() - T0, "DNS", "refused", FAIL));
        let position = u64::try_from(number).expect("small").to_le_bytes().to_vec();
        batch.cursors.push(Cursor { name: "source".to_owned(), position });
        self.agent.take(Input::Batch(batch));
    }

    /// The agent starts again; the source goes on behind what is stored.
    fn start(&mut self) {
        self.agent.restart();
        let stored =
            self.agent.engine().cursors().get("source").map_or(0, |position| {
                u64::from_le_bytes(position.as_slice().try_into().expect("eight bytes"))
            });
        let stored = usize::try_from(stored).expect("small");
        for number in stored..self.fed.len() {
            self.fed[number] = self.truth;
            self.feed(number + 1);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Events(count, apart) => {
                for _ in 0..count {
                    self.event();
                    self.pass(apart);
                }
            }
            Happening::Quiet(seconds) => self.pass(seconds),
            Happening::Set(by) => self.agent.clock.set_wall(self.wall() + by),
            Happening::Set1970 => self.agent.clock.set_wall(100),
            Happening::Synchronise => self.synchronise(),
            Happening::Commit => self.agent.commit(),
            Happening::Kill => self.start(),
            Happening::PowerCut(off, wrong) => self.boot(off, T0 + self.truth + off + wrong),
            Happening::PowerCut1970(off) => self.boot(off, 5),
        }
    }

    fn synchronise(&mut self) {
        self.agent.clock.synchronise(T0 + self.truth);
        self.agent.tick();
    }

    fn boot(&mut self, off: i64, shows: i64) {
        self.agent.stop();
        self.truth += off;
        self.agent.clock.boot_showing(shows);
        self.start();
    }

    /// Ends well: the truth is known, and all windows have had the time to close.
    fn end(&mut self) {
        self.synchronise();
        self.event();
        self.pass(200);
        self.agent.commit();
    }

    /// Failures by window.
    fn windows(&self) -> BTreeMap<i64, u64> {
        let mut counted = BTreeMap::new();
        for (start, _, keys) in self.agent.windows() {
            let failures = keys.iter().map(|(_, count)| count).sum();
            assert_eq!(counted.insert(start, failures), None, "the window from {start} was made twice");
        }
        counted
    }
}

fn anything() -> impl Strategy<Value = Happening> {
    let far = prop_oneof![-20_i64..20, -7200_i64..7200, Just(YEAR), Just(-YEAR), Just(40 * 86_400)];
    prop_oneof![
        6 => (1_u8..8, 1_i64..90).prop_map(|(count, apart)| Happening::Events(count, apart)),
        2 => (1_i64..1500).prop_map(Happening::Quiet),
        2 => far.clone().prop_map(Happening::Set),
        1 => Just(Happening::Set1970),
        1 => Just(Happening::Synchronise),
        2 => Just(Happening::Commit),
        2 => Just(Happening::Kill),
        1 => (1_i64..4000, far).prop_map(|(off, wrong)| Happening::PowerCut(off, wrong)),
        1 => (1_i64..4000).prop_map(Happening::PowerCut1970),
    ]
}

/// What can happen to a machine whose clock is right, or not set at all.
fn without_lies() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_u8..8, 1_i64..90).prop_map(|(count, apart)| Happening::Events(count, apart)),
        1 => (1_i64..900).prop_map(Happening::Quiet),
        2 => Just(Happening::Commit),
        2 => Just(Happening::Kill),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_event_counts_once_and_each_window_is_made_once(happenings in prop::collection::vec(anything(), 1..30)) {
        let mut world = World::new();
        happenings.iter().for_each(|happening| world.happen(*happening));
        world.end();
        let waiting: u64 = world.agent.engine().state.windows.iter()
            .flat_map(|(_, window)| window.tallies().map(|(_, tally)| tally.fail).collect::<Vec<_>>())
            .sum();
        let counted: u64 = world.windows().values().sum();
        for lost in [LossReason::Late, LossReason::Future, LossReason::OutboxAge] {
            prop_assert_eq!(world.agent.counted(Counter::Lost(lost)), 0, "{}", lost.as_str());
        }
        prop_assert_eq!(counted + waiting, world.fed.len() as u64);
        prop_assert_eq!(world.agent.counted(Counter::DatabasesSetAside), 0);
    }

    #[test]
    fn where_the_truth_becomes_known_each_event_is_in_its_true_window(
        boots in prop::collection::vec((1_i64..4000, any::<bool>(), prop::collection::vec(without_lies(), 1..8)), 1..4),
    ) {
        let mut world = World::new();
        for (off, in_1970, happenings) in boots {
            world.happen(if in_1970 { Happening::PowerCut1970(off) } else { Happening::PowerCut(off, 0) });
            happenings.iter().for_each(|happening| world.happen(*happening));
            world.synchronise();
            // What is not committed is lost with its cursor, and comes again with a later date.
            world.agent.commit();
        }
        world.end();
        let mut truth = BTreeMap::new();
        world.fed.iter().for_each(|at| *truth.entry(at.div_euclid(60) * 60).or_default() += 1);
        let counted = world.windows();
        let last = counted.keys().next_back().copied().unwrap_or_default();
        truth.retain(|start, _| *start <= last);
        prop_assert_eq!(counted, truth);
        prop_assert_eq!(world.agent.counted(Counter::ProvisionalGuessed), 0);
    }
}
