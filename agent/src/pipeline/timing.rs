//! The engine's part in keeping time: it looks at the clocks, does what follows from what they show, and stores events
//! that come before there is a time of day.

use std::time::Duration;

use cabinwatch_shared::event::Event;
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::{ClockTrust, LossReason};

use super::clock::Clock;
use super::counting;
use super::engine::Engine;
use super::timekeeping::{Adoption, Basis, ClockSettings, Passage, Reading, Step, Timekeeper};
use super::watermark::{Moment, Watermark};
use crate::sources::EventBatch;
use crate::store::{
    BootId, BootMillis, ClockRecord, Counter, Founded, GroupHead, ProvisionalEvent, StepRecord, StoreError,
};

/// Two looks at the boot clock with one at the wall clock between them must not lie further apart than this, or a pause
/// in between would look like a step.
const ONE_MOMENT: Duration = Duration::from_millis(500);

/// A wall clock that steps all the time is written of once in this while.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Both clocks at one moment, and that moment.
pub(super) fn read(clock: &impl Clock) -> (Reading, Duration) {
    let mut since_boot = clock.since_boot();
    for _ in 0..3 {
        let wall = clock.wall();
        let after = clock.since_boot();
        if after.saturating_sub(since_boot) < ONE_MOMENT {
            return (Reading::new(wall, since_boot), since_boot);
        }
        since_boot = after;
    }
    (Reading::new(clock.wall(), since_boot), since_boot)
}

/// When the wall clock was synchronised last, as the marks tell.
fn newest_mark(clock: &impl Clock, settings: &ClockSettings) -> Option<UnixMillis> {
    settings.marks.iter().filter_map(|file| clock.touched(file)).max()
}

/// A keeper that goes on from what the database knows.
pub(super) fn new_keeper(clock: &impl Clock, settings: &ClockSettings, known: &ClockRecord) -> Timekeeper {
    let (now, _) = read(clock);
    let boot = known_boot(clock, settings);
    match known.adopted.filter(|adopted| Some(adopted.boot) == boot) {
        Some(adopted) => Timekeeper::resume(settings, known.newest, &adopted, now),
        // A time that was known in an earlier boot was past when this one began.
        None => {
            let began = boot.map_or(now.boot, |_| BootMillis(0));
            Timekeeper::start(settings, known.newest, began, now)
        }
    }
}

/// How a stream that begins now is dated. A clock that would not be believed is not told to the ground.
pub(super) fn founded(clock: &impl Clock, settings: &ClockSettings) -> Founded {
    let (now, _) = read(clock);
    let mut keeper = Timekeeper::start(settings, None, now.boot, now);
    let adoption = keeper.look(now, None, || newest_mark(clock, settings)).adoption;
    let announced = adoption.is_some_and(|adoption| adoption.basis != Basis::Guess);
    Founded { at: now.wall.seconds(), announced }
}

fn known_boot(clock: &impl Clock, settings: &ClockSettings) -> Option<BootId> {
    settings.boot.or_else(|| clock.boot())
}

/// Which boot this is. Where nothing says so, each start of the agent is taken for one.
pub(super) fn boot(clock: &impl Clock, settings: &ClockSettings) -> BootId {
    let random = || {
        let half = || u128::from(getrandom::u64().unwrap_or_default());
        BootId(half() << 64 | half())
    };
    known_boot(clock, settings).unwrap_or_else(random)
}

impl<C: Clock> Engine<C> {
    fn boot_millis(&self) -> BootMillis {
        Reading::new(UnixMillis(0), self.clock.since_boot()).boot
    }

    /// This moment. Where there is no time of day, the earliest that it can be.
    pub(super) fn moment(&self) -> Moment {
        let since_boot = self.clock.since_boot();
        Moment { now: self.keeper.at(Reading::new(UnixMillis(0), since_boot).boot), since_boot }
    }

    /// The agent's time; the earliest that it can be where there is none.
    pub(super) fn now(&self) -> UnixMillis {
        self.moment().now
    }

    /// What the group that is being filled is dated by.
    pub(super) fn group_head(&self) -> GroupHead {
        if self.holding {
            let written = self.boot_millis();
            return GroupHead::Provisional { boot: self.boot, written };
        }
        GroupHead::Dated { watermark: self.state.watermark.at(self.moment()) }
    }

    /// Looks at the clocks and does what follows. Returns where the boot clock stands.
    pub(super) fn mind_clock(&mut self) -> Result<(BootMillis, Duration), StoreError> {
        let (now, since_boot) = read(&self.clock);
        let (clock, settings) = (&self.clock, &self.settings.clock);
        let turn = self.keeper.look(now, self.state.closed.epoch(), || newest_mark(clock, settings));
        if let Some(step) = turn.step {
            self.note_step(step, now.boot, since_boot);
        }
        let trust = self.keeper.trust(now.boot);
        let changed = trust != self.trust;
        if changed {
            self.note_trust(trust, now.boot);
        }
        match turn.adoption {
            Some(adoption) => {
                self.setting_clock = true;
                let gone_over = self.go_over(adoption, changed);
                self.setting_clock = false;
                gone_over?;
            }
            None if changed => self.commit_checkpoint()?,
            None => {}
        }
        Ok((now.boot, since_boot))
    }

    fn note_step(&mut self, step: Step, boot: BootMillis, since_boot: Duration) {
        let at = self.keeper.at(boot).seconds();
        self.group.counts().add(Counter::ClockSteps, 1);
        self.group_since.get_or_insert(since_boot);
        self.state.clock.last_step = Some(StepRecord { at, by_millis: step.by });
        if self.step_told.is_none_or(|told| since_boot.saturating_sub(told) >= TELL_EVERY) {
            self.step_told = Some(since_boot);
            let by = step.by as f64 / 1000.0;
            tracing::warn!("the wall clock was set by {by:+.1} s; it is {} by the agent's time", at);
        }
    }

    fn note_trust(&mut self, trust: ClockTrust, boot: BootMillis) {
        let at = self.keeper.at(boot).seconds();
        match trust {
            ClockTrust::Trusted => tracing::info!(%at, "the clock is trusted"),
            ClockTrust::Provisional => {}
            ClockTrust::Doubtful => {
                tracing::warn!(%at, "the clock is in doubt: the times of windows may be wrong");
            }
        }
        self.trust = trust;
        self.state.clock.since = (trust != ClockTrust::Provisional).then_some(at);
    }

    /// Goes over to a new time of day: the first since the start, or another one. `changed` says that there is
    /// something to write in any case.
    fn go_over(&mut self, adoption: Adoption, changed: bool) -> Result<(), StoreError> {
        let Adoption { basis, earliest, to, passage } = adoption;
        tracing::info!(?basis, ?passage, %to, "a time of day is adopted");
        self.group.counts().add(Counter::ClockGuesses, u64::from(basis == Basis::Guess));
        // What came before has its place in the log as it was dated.
        self.commit_group()?;
        let not_before = self.state.clock.newest.filter(|_| passage != Passage::LeapBack);
        let first = std::mem::replace(&mut self.holding, false);
        match passage {
            Passage::Straight | Passage::Slowed => self.state.closed.resume(to, false),
            Passage::LeapAhead => {
                self.state.closed.resume(to, true);
                self.leap(earliest, to);
            }
            Passage::LeapBack => {
                self.leap(earliest, to);
                if let Some(epoch) = self.state.closed.epoch() {
                    let open = self.state.windows.take_after(epoch);
                    self.close(open)?;
                }
                // What waited has happened since the boot; the first event says how far event time has come.
                self.state.closed.leap_back(if first { self.keeper.at(BootMillis(0)) } else { to });
                self.state.watermark = Watermark::default();
            }
        }
        if basis == Basis::Synchronised {
            self.state.clock.unconfirmed = 0;
        }
        let new_boot = self.state.clock.adopted.is_none_or(|adopted| adopted.boot != self.boot);
        let changed = changed || new_boot || passage != Passage::Straight;
        if !first {
            return if changed { self.commit_checkpoint() } else { Ok(()) };
        }
        self.begin_time()?;
        if changed || self.state.provisional.is_some() || self.state.unannounced.is_some() {
            self.redate_losses(earliest);
            self.redate(not_before)?;
        }
        match self.offered.take() {
            Some(bundle) => self.take_model(bundle),
            None => Ok(()),
        }
    }

    /// Goes on with the time of day that is known: from before the agent started, or before the database was made anew.
    pub(super) fn keep_time(&mut self) -> Result<(), StoreError> {
        let now = self.boot_millis();
        let trust = self.keeper.trust(now);
        let changed = trust != self.trust;
        if changed {
            self.note_trust(trust, now);
        }
        self.holding = false;
        self.state.closed.resume(self.keeper.at(now), false);
        self.begin_time()?;
        if changed || self.state.provisional.is_some() || self.state.unannounced.is_some() {
            self.redate(None)?;
        }
        Ok(())
    }

    fn begin_time(&mut self) -> Result<(), StoreError> {
        self.state.watermark.go_on(self.moment());
        self.adopt_length()
    }

    /// Stores a batch for which there is no time of day yet.
    pub(super) fn hold_batch(&mut self, batch: &EventBatch, boot: BootMillis) {
        let mut held = 0;
        for event in batch.events() {
            let (key, was_cut) = event.key.bounded();
            self.group.counts().add(Counter::TextCut, u64::from(was_cut));
            let limit = self.settings.counting.keys_in_memory;
            let event = Event { key, ..event };
            match counting::intern(&event, limit, &mut self.store, self.group.counts()) {
                Ok(Some(key)) => {
                    let stamp = self.keeper.stamp(event.at, batch.dated_by, boot);
                    self.group.push_provisional(ProvisionalEvent { stamp, key, state: event.state });
                    held += 1;
                }
                Ok(None) => self.group.counts().add(Counter::Lost(LossReason::PointOverflow), 1),
                Err(error) => self.lose_to_storage(error),
            }
        }
        self.group.counts().add(Counter::Provisional, held);
    }

    /// The agent's time, in whole seconds.
    pub(super) fn now_seconds(&self) -> UnixSeconds {
        self.now().seconds()
    }

    /// A leap back may end ahead of what was known before the leaps ahead.
    fn leap(&mut self, from: UnixMillis, to: UnixMillis) {
        let by = to.seconds().0.saturating_sub(from.seconds().0);
        let unconfirmed = &mut self.state.clock.unconfirmed;
        *unconfirmed = unconfirmed.saturating_add(by).max(0);
    }

    /// The time by which things are old. A leap that nobody confirms, or one that is being made good, must not cost what
    /// waits to be sent.
    pub(super) fn aging_seconds(&self) -> UnixSeconds {
        let ahead = self.keeper.ahead(self.boot_millis()) / 1000 + self.state.clock.unconfirmed;
        UnixSeconds(self.now_seconds().0.saturating_sub(ahead))
    }
}
