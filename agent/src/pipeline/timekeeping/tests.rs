use std::time::Duration;

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::ClockTrust;
use proptest::prelude::*;

use super::*;
use crate::sources::DatedBy;
use crate::store::{BootMillis, Stamp};

const NOON: i64 = 1_795_262_400_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn settings(trust: TrustRule) -> ClockSettings {
    ClockSettings {
        trust,
        marks: Vec::new(),
        boot: None,
        parked: Duration::from_secs(2 * 365 * 86_400),
        steady: Duration::from_secs(600),
        provisional: Duration::from_secs(6 * 3600),
        provisional_bytes: 1 << 20,
    }
}

/// A machine, and the keeper of the agent on it.
struct Machine {
    keeper: Timekeeper,
    now: Reading,
    mark: Option<UnixMillis>,
    epoch: Option<UnixSeconds>,
}

impl Machine {
    /// Ten seconds after its boot.
    fn boots(trust: TrustRule, newest: Option<i64>, wall: i64) -> Self {
        let now = Reading { wall: UnixMillis(wall), boot: BootMillis(10_000) };
        let keeper = Timekeeper::start(&settings(trust), newest.map(UnixMillis), BootMillis(0), now);
        Self { keeper, now, mark: None, epoch: None }
    }

    fn runs(wall: i64) -> Self {
        let mut machine = Self::boots(TrustRule::Plausible, None, wall);
        assert_eq!(machine.look().adoption.map(|adoption| adoption.basis), Some(Basis::Plausible));
        machine
    }

    fn look(&mut self) -> Turn {
        self.keeper.look(self.now, self.epoch, || self.mark)
    }

    fn pass(&mut self, millis: i64) -> Turn {
        self.now.wall.0 += millis;
        self.now.boot.0 += millis;
        self.look()
    }

    /// Lets that much time pass, second by second, until something happens.
    fn wait(&mut self, millis: i64) -> Option<(i64, Adoption)> {
        let began = self.now.boot.0;
        while self.now.boot.0 - began < millis {
            if let Some(adoption) = self.pass(1_000).adoption {
                return Some((self.now.boot.0 - began, adoption));
            }
        }
        None
    }

    fn step(&mut self, by: i64) -> Turn {
        self.now.wall.0 += by;
        self.look()
    }

    fn time(&self) -> i64 {
        self.keeper.at(self.now.boot).0
    }

    fn trust(&self) -> ClockTrust {
        self.keeper.trust(self.now.boot)
    }

    fn date(&self, at: i64) -> i64 {
        self.keeper.date(UnixMillis(at), DatedBy::Machine, self.now.boot).0
    }
}

#[test]
fn at_a_start_a_plausible_clock_is_believed_and_another_is_not() {
    let cases = [
        ("a new database", None, NOON, true),
        ("a new database, 1970", None, 20_000, false),
        ("a new database, before the release", None, RELEASED.0 - HOUR, false),
        ("a new database, 2099", None, NOON + 73 * 365 * DAY, false),
        ("a minute later", Some(NOON), NOON + 60_000, true),
        ("parked for a year", Some(NOON), NOON + 365 * DAY, true),
        ("parked for three years", Some(NOON), NOON + 3 * 365 * DAY, false),
        ("a battery clock that lags", Some(NOON), NOON - 300_000, true),
        ("back an hour", Some(NOON), NOON - HOUR, false),
        ("1970", Some(NOON), 20_000, false),
    ];
    for (name, newest, wall, believed) in cases {
        let mut plausible = Machine::boots(TrustRule::Plausible, newest, wall);
        assert_eq!(plausible.look().adoption.is_some(), believed, "{name}");
        let mut synchronised = Machine::boots(TrustRule::Synchronised, newest, wall);
        assert_eq!(synchronised.look().adoption, None, "{name}");
        assert_eq!(synchronised.trust(), ClockTrust::Provisional, "{name}");
        // Only what can't be right is not believed with a mark.
        synchronised.mark = Some(UnixMillis(wall + 500));
        synchronised.pass(2_000);
        assert_eq!(synchronised.keeper.is_provisional(), wall < RELEASED.0, "{name}");
    }
}

#[test]
fn a_mark_from_before_the_boot_or_from_another_time_is_none() {
    let mut machine = Machine::boots(TrustRule::Synchronised, None, NOON);
    for mark in [NOON - HOUR, NOON + HOUR, 20_000] {
        machine.mark = Some(UnixMillis(mark));
        assert_eq!(machine.pass(2_000).adoption, None);
    }
    machine.mark = Some(UnixMillis(NOON));
    assert_eq!(machine.pass(2_000).adoption.map(|adoption| adoption.basis), Some(Basis::Synchronised));
    assert_eq!(machine.trust(), ClockTrust::Trusted);
}

#[test]
fn small_differences_are_followed() {
    let mut machine = Machine::runs(NOON);
    for by in [700, -1_900, 30, 1_999] {
        assert_eq!(machine.step(by), Turn::default());
        assert_eq!(machine.time(), machine.now.wall.0);
        machine.pass(1_000);
    }
    assert_eq!(machine.trust(), ClockTrust::Trusted);
}

#[test]
fn a_step_without_a_reason_is_doubted_until_the_clock_has_stood_for_long() {
    for by in [-HOUR, HOUR, 365 * DAY, -60_000] {
        let mut machine = Machine::runs(NOON);
        machine.epoch = Some(UnixSeconds(NOON / 1000));
        machine.pass(2 * HOUR);
        let before = machine.time();
        assert_eq!(machine.step(by).step, Some(Step { by }));
        assert_eq!((machine.time(), machine.trust()), (before, ClockTrust::Doubtful));
        let (after, adoption) = machine.wait(DAY).expect("adopted");
        assert_eq!((after, adoption.basis), (600_000, Basis::Steady));
    }
}

#[test]
fn a_clock_that_comes_back_by_itself_was_never_away() {
    let mut machine = Machine::runs(NOON);
    machine.step(-HOUR);
    machine.wait(300_000);
    machine.step(HOUR);
    assert_eq!(machine.trust(), ClockTrust::Trusted);
    assert_eq!(machine.wait(DAY), None);
    assert_eq!(machine.time(), machine.now.wall.0);
}

#[test]
fn a_clock_that_shows_what_can_not_be_is_never_adopted_while_another_is() {
    let mut machine = Machine::runs(NOON);
    machine.step(20_000 - NOON);
    machine.mark = Some(machine.now.wall);
    assert_eq!(machine.wait(2 * DAY), None);
    assert_eq!(machine.time(), NOON + 2 * DAY);
    assert_eq!(machine.trust(), ClockTrust::Doubtful);
}

#[test]
fn a_step_of_a_time_service_is_adopted_at_once() {
    let mut machine = Machine::runs(NOON);
    machine.pass(HOUR);
    machine.mark = Some(UnixMillis(machine.now.wall.0 + 40_000));
    let adoption = machine.step(40_000).adoption.expect("adopted");
    assert_eq!((adoption.basis, adoption.passage), (Basis::Synchronised, Passage::Straight));
    assert_eq!(machine.time(), machine.now.wall.0);
    assert_eq!(machine.trust(), ClockTrust::Trusted);
}

#[test]
fn time_that_is_ahead_goes_at_half_the_speed_until_it_is_met() {
    let mut machine = Machine::runs(NOON);
    machine.epoch = Some(UnixSeconds(NOON / 1000));
    machine.pass(5 * HOUR);
    machine.mark = Some(UnixMillis(machine.now.wall.0 - HOUR));
    assert_eq!(machine.step(-HOUR).adoption.map(|adoption| adoption.passage), Some(Passage::Slowed));
    let mut last = machine.time();
    for _ in 0..7_200 {
        machine.pass(1_000);
        assert_eq!(machine.time() - last, 500);
        last = machine.time();
    }
    assert_eq!(machine.time(), machine.now.wall.0);
    machine.pass(1_000);
    assert_eq!(machine.time(), machine.now.wall.0);
    assert_eq!(machine.trust(), ClockTrust::Trusted);
}

#[test]
fn a_year_ahead_and_back_are_two_leaps() {
    let mut machine = Machine::runs(NOON);
    machine.step(365 * DAY);
    let (_, ahead) = machine.wait(DAY).expect("adopted");
    assert_eq!(ahead.passage, Passage::LeapAhead);
    machine.epoch = Some(ahead.to.seconds());
    machine.step(-365 * DAY);
    let (_, back) = machine.wait(DAY).expect("adopted");
    assert_eq!((back.passage, back.to), (Passage::LeapBack, machine.now.wall));
}

#[test]
fn events_are_dated_by_the_time_at_which_the_clock_showed_their_date() {
    let mut machine = Machine::runs(NOON);
    machine.pass(2 * HOUR);
    let stepped_at = machine.time();
    machine.step(-HOUR);
    machine.pass(60_000);
    // Dated right now, and by the clock as it was before it was set.
    assert_eq!(machine.date(machine.now.wall.0), stepped_at + 60_000);
    assert_eq!(machine.date(stepped_at - 5_000), stepped_at - 5_000);
    // A producer whose clock runs ahead stays ahead.
    assert_eq!(machine.date(machine.now.wall.0 + 30_000), stepped_at + 90_000);
    // A line from before the boot keeps its date, unless that can't be right.
    assert_eq!(machine.date(NOON - DAY), NOON - DAY);
    assert_eq!(machine.date(5_000), stepped_at + 60_000);
    let replayed = machine.keeper.date(UnixMillis(5_000), DatedBy::Itself, machine.now.boot);
    assert_eq!(replayed, UnixMillis(5_000));
}

#[test]
fn before_there_is_a_time_of_day_events_are_dated_by_the_boot_clock() {
    let mut machine = Machine::boots(TrustRule::Plausible, Some(NOON), 10_000);
    machine.pass(20_000);
    let stamp =
        |machine: &Machine, at| machine.keeper.stamp(UnixMillis(at), DatedBy::Machine, machine.now.boot);
    assert_eq!(stamp(&machine, 25_000), Stamp::SinceBoot(BootMillis(25_000)));
    // A program with a clock of its own.
    assert_eq!(stamp(&machine, NOON), Stamp::Own(UnixMillis(NOON)));
    let adoption = machine.step(NOON + HOUR).adoption.expect("plausible");
    assert_eq!(adoption.to, UnixMillis(NOON + HOUR + 30_000));
    assert_eq!(machine.keeper.at(BootMillis(25_000)), UnixMillis(NOON + HOUR + 25_000));
}

#[test]
fn when_the_waiting_is_over_the_time_at_hand_is_taken_unless_it_can_not_be() {
    let mut machine = Machine::boots(TrustRule::Plausible, Some(NOON), 10_000);
    let (after, adoption) = machine.wait(DAY).expect("adopted");
    assert_eq!((after, adoption.basis), (6 * HOUR, Basis::Guess));
    assert_eq!(adoption.to, UnixMillis(NOON + 10_000 + 6 * HOUR), "the earliest that it can be");
    assert_eq!(machine.trust(), ClockTrust::Doubtful);
    let adoption = machine.step(NOON + 20 * HOUR).adoption.expect("plausible at last");
    assert_eq!((adoption.passage, machine.trust()), (Passage::Straight, ClockTrust::Trusted));

    let mut machine = Machine::boots(TrustRule::Synchronised, Some(NOON), NOON + 30_000);
    let (_, adoption) = machine.wait(DAY).expect("adopted");
    assert_eq!((adoption.basis, adoption.to), (Basis::Guess, machine.now.wall));
    machine.mark = Some(machine.now.wall);
    assert!(machine.wait(10_000).is_some());
    assert_eq!(machine.trust(), ClockTrust::Trusted);

    let mut machine = Machine::boots(TrustRule::Synchronised, None, NOON);
    machine.keeper.lose_patience();
    assert_eq!(machine.look().adoption.map(|adoption| adoption.basis), Some(Basis::Guess));
}

proptest! {
    /// Whatever the wall clock does, time only goes forward, but for leaps back to before everything.
    #[test]
    fn time_never_goes_back_within_an_epoch(steps in prop::collection::vec((0_i64..900_000, -2 * HOUR..2 * HOUR, 0_u8..4), 1..60)) {
        let mut machine = Machine::runs(NOON);
        machine.epoch = Some(UnixSeconds(NOON / 1000));
        let mut last = machine.time();
        for (pause, by, kind) in steps {
            machine.pass(pause);
            match kind {
                0 => drop(machine.step(by)),
                1 => {
                    machine.mark = Some(UnixMillis(machine.now.wall.0 + by));
                    machine.step(by);
                }
                2 => drop(machine.step(by / 4_000)),
                _ => {}
            }
            prop_assert!(machine.time() >= last - BOUND, "{} after {last}", machine.time());
            // What happens now is dated now, whatever the wall clock shows.
            prop_assert!((machine.date(machine.now.wall.0) - machine.time()).abs() <= BOUND);
            last = machine.time();
        }
    }
}
