//! Which offset is adopted, and since when.

use std::time::Duration;

use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use cabinwatch_shared::wire::ClockTrust;

use super::rule::{ClockSettings, RELEASED, TrustRule, is_plausible};
use super::wall::{BOUND, Reading, Step, WallClock};
use crate::sources::DatedBy;
use crate::store::{AdoptedRecord, BootId, BootMillis, Stamp};

/// What is further apart than this, in milliseconds, is another epoch: a day.
const LEAP: i64 = 86_400_000;
/// How often the marks of synchronisation are looked at while they matter, in milliseconds.
const LOOK_EVERY: i64 = 1_000;

/// Why an offset was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The clock has been synchronised.
    Synchronised,
    /// It shows a plausible time, and nothing better is asked for.
    Plausible,
    /// It has stood for long after a step.
    Steady,
    /// There was no more waiting.
    Guess,
}

/// How time goes over to a new offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is there: nowhere before, or a little ahead.
    Straight,
    /// Far ahead.
    LeapAhead,
    /// It is behind, so it goes at half the speed until it is met.
    Slowed,
    /// To a time before all that was done at the old one.
    LeapBack,
}

/// An offset that was adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Why.
    pub basis: Basis,
    /// The time right before; where there was none, the earliest that it can have been.
    pub earliest: UnixMillis,
    /// The time right after.
    pub to: UnixMillis,
    /// How the one became the other.
    pub passage: Passage,
}

/// What a look at the clocks has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The wall clock was set.
    pub step: Option<Step>,
    /// A new offset holds.
    pub adoption: Option<Adoption>,
}

/// A surplus of the agent's time that wears off: half a millisecond each millisecond.
#[derive(Clone, Copy, Debug)]
struct Slowing {
    since: BootMillis,
    surplus: i64,
}

impl Slowing {
    fn rest(self, at: BootMillis) -> i64 {
        let elapsed = at.0.saturating_sub(self.since.0).max(0);
        (self.surplus - elapsed / 2).max(0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Adopted {
    offset: i64,
    slowing: Option<Slowing>,
    basis: Basis,
}

impl Adopted {
    fn at(&self, boot: BootMillis) -> UnixMillis {
        let rest = self.slowing.map_or(0, |slowing| slowing.rest(boot));
        UnixMillis(boot.0.saturating_add(self.offset).saturating_add(rest))
    }
}

/// Keeps the time.
#[derive(Debug)]
pub struct Timekeeper {
    rule: TrustRule,
    parked: i64,
    steady: i64,
    patience: i64,
    wall: WallClock,
    started: BootMillis,
    /// From here on the newest time known before has been past.
    began: BootMillis,
    /// The newest time that was known before the start.
    newest: Option<UnixMillis>,
    /// None before there is a time of day.
    adopted: Option<Adopted>,
    /// Since when the wall clock stands elsewhere than the adopted time.
    doubted: Option<BootMillis>,
    /// Dates of the wall clock are those of the agent.
    plain: bool,
    marks_seen: Option<BootMillis>,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Timekeeper {
    /// Begins without a time of day. `newest` is the newest that the database knows; it was past already at `began`.
    #[must_use]
    pub fn start(
        settings: &ClockSettings,
        newest: Option<UnixMillis>,
        began: BootMillis,
        now: Reading,
    ) -> Self {
        Self {
            rule: settings.trust,
            parked: millis(settings.parked),
            steady: millis(settings.steady),
            patience: millis(settings.provisional),
            wall: WallClock::new(now),
            started: now.boot,
            began,
            newest,
            adopted: None,
            doubted: None,
            plain: false,
            marks_seen: None,
        }
    }

    /// Goes on with the time of day that an earlier process has adopted in this boot.
    #[must_use]
    pub fn resume(
        settings: &ClockSettings,
        newest: Option<UnixMillis>,
        record: &AdoptedRecord,
        now: Reading,
    ) -> Self {
        let AdoptedRecord { offset, surplus, slow_since, firm, .. } = *record;
        let slowing = (surplus > 0).then_some(Slowing { since: BootMillis(slow_since), surplus });
        let wall = WallClock::known(now, offset);
        let doubted = (!wall.is_unbroken()).then_some(now.boot);
        let basis = if firm { Basis::Plausible } else { Basis::Guess };
        let plain = doubted.is_none() && slowing.is_none();
        let adopted = Some(Adopted { offset, slowing, basis });
        Self { wall, adopted, doubted, plain, ..Self::start(settings, newest, now.boot, now) }
    }

    /// The time of day that is adopted, for a later process of this boot.
    #[must_use]
    pub fn record(&self, boot: BootId) -> Option<AdoptedRecord> {
        let adopted = self.adopted?;
        let (surplus, slow_since) =
            adopted.slowing.map_or((0, 0), |slowing| (slowing.surplus, slowing.since.0));
        Some(AdoptedRecord {
            boot,
            offset: adopted.offset,
            surplus,
            slow_since,
            firm: !self.is_weak(adopted.basis),
        })
    }

    /// Whether there was no good reason.
    fn is_weak(&self, basis: Basis) -> bool {
        match basis {
            Basis::Synchronised | Basis::Plausible => false,
            Basis::Steady => self.rule == TrustRule::Synchronised,
            Basis::Guess => true,
        }
    }

    /// Whether there is no time of day yet.
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.adopted.is_none()
    }

    /// Whether something may be decided soon that no event brings about.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.doubted.is_some() || self.adopted.is_none_or(|adopted| adopted.basis == Basis::Guess)
    }

    /// What the times given out are worth.
    #[must_use]
    pub fn trust(&self, now: BootMillis) -> ClockTrust {
        let Some(adopted) = &self.adopted else { return ClockTrust::Provisional };
        let slowed = self.ahead(now) > BOUND;
        if self.is_weak(adopted.basis) || slowed || self.doubted.is_some() {
            ClockTrust::Doubtful
        } else {
            ClockTrust::Trusted
        }
    }

    /// The time of day at an instant of the boot clock; the earliest that it can be where there is none.
    #[must_use]
    pub fn at(&self, boot: BootMillis) -> UnixMillis {
        self.adopted.as_ref().map_or_else(|| self.earliest(boot), |adopted| adopted.at(boot))
    }

    /// How far the time given out is ahead of what is believed, in milliseconds: it goes slowly to make that good.
    #[must_use]
    pub fn ahead(&self, now: BootMillis) -> i64 {
        self.adopted.and_then(|adopted| adopted.slowing).map_or(0, |slowing| slowing.rest(now))
    }

    /// Time has gone on since the newest time known; how long the machine was off is unknown.
    fn earliest(&self, boot: BootMillis) -> UnixMillis {
        let known = self.newest.map_or(RELEASED, |newest| newest.max(RELEASED));
        UnixMillis(known.0.saturating_add(boot.0.saturating_sub(self.began.0)))
    }

    /// When an event happened, by the agent's time.
    #[must_use]
    pub fn date(&self, at: UnixMillis, by: DatedBy, now: BootMillis) -> UnixMillis {
        if by == DatedBy::Itself || (self.plain && at >= RELEASED) {
            return at;
        }
        match self.stamp(at, by, now) {
            Stamp::SinceBoot(boot) => self.at(boot),
            Stamp::Own(at) => at,
        }
    }

    /// When an event happened, as far as that can be told without a time of day. What no clock of this boot has shown
    /// keeps its date, unless that can't be right: then it happened when it came.
    #[must_use]
    pub fn stamp(&self, at: UnixMillis, by: DatedBy, now: BootMillis) -> Stamp {
        if by == DatedBy::Itself {
            return Stamp::Own(at);
        }
        match self.wall.boot_time(at, now) {
            Some(boot) => Stamp::SinceBoot(boot),
            None if at < RELEASED => Stamp::SinceBoot(now),
            None => Stamp::Own(at),
        }
    }

    /// Waits no longer for a better time of day than there is.
    pub fn lose_patience(&mut self) {
        self.patience = 0;
    }

    /// Looks at the clocks. `epoch` is where the present epoch began; `mark` tells, when asked, when the wall clock was
    /// synchronised last.
    pub fn look(
        &mut self,
        now: Reading,
        epoch: Option<UnixSeconds>,
        mark: impl FnOnce() -> Option<UnixMillis>,
    ) -> Turn {
        let step = self.wall.observe(now);
        if step.is_none()
            && self.doubted.is_none()
            && let Some(adopted) = self.adopted.as_mut().filter(|adopted| adopted.basis != Basis::Guess)
        {
            adopted.offset = self.wall.offset();
            return Turn::default();
        }
        let turn = Turn { step, adoption: self.weigh(now, step, epoch, mark) };
        let slowing = self.adopted.is_some_and(|adopted| adopted.slowing.is_some());
        self.plain = self.wall.is_unbroken() && self.doubted.is_none() && !slowing;
        turn
    }

    fn weigh(
        &mut self,
        now: Reading,
        step: Option<Step>,
        epoch: Option<UnixSeconds>,
        mark: impl FnOnce() -> Option<UnixMillis>,
    ) -> Option<Adoption> {
        if let Some(adopted) = &mut self.adopted {
            if self.wall.offset().saturating_sub(adopted.offset).abs() <= BOUND {
                // It is back where it was, or never went away.
                adopted.offset = self.wall.offset();
                self.doubted = None;
            } else if step.is_some() {
                self.doubted = Some(now.boot);
            }
        }
        let basis = self.verdict(now, step, mark)?;
        Some(self.adopt(basis, now, epoch))
    }

    fn verdict(
        &mut self,
        now: Reading,
        step: Option<Step>,
        mark: impl FnOnce() -> Option<UnixMillis>,
    ) -> Option<Basis> {
        let guessed = self.adopted.is_none_or(|adopted| adopted.basis == Basis::Guess);
        if now.wall < RELEASED {
            return (self.adopted.is_none() && self.has_waited(now)).then_some(Basis::Guess);
        }
        if !guessed && self.doubted.is_none() {
            return None;
        }
        if self.is_synchronised(now, step, mark) {
            return Some(Basis::Synchronised);
        }
        let elsewhere = self.adopted.is_none() || self.doubted.is_some();
        if guessed && elsewhere && self.rule == TrustRule::Plausible && self.is_plausible(now) {
            return Some(Basis::Plausible);
        }
        if self.adopted.is_none() {
            return self.has_waited(now).then_some(Basis::Guess);
        }
        let steady = self.doubted.is_some_and(|since| now.boot.0.saturating_sub(since.0) >= self.steady);
        steady.then_some(Basis::Steady)
    }

    fn has_waited(&self, now: Reading) -> bool {
        now.boot.0.saturating_sub(self.started.0) >= self.patience
    }

    /// A mark counts when the wall clock, as it stands now, has shown the time at which it was made.
    fn is_synchronised(
        &mut self,
        now: Reading,
        step: Option<Step>,
        mark: impl FnOnce() -> Option<UnixMillis>,
    ) -> bool {
        let seen_lately = self.marks_seen.is_some_and(|seen| now.boot.0.saturating_sub(seen.0) < LOOK_EVERY);
        if seen_lately && step.is_none() {
            return false;
        }
        self.marks_seen = Some(now.boot);
        mark().is_some_and(|made| self.wall.has_shown(made, now.boot))
    }

    fn is_plausible(&self, now: Reading) -> bool {
        is_plausible(now.wall, self.earliest(now.boot), self.newest.map(|_| self.parked))
    }

    fn adopt(&mut self, basis: Basis, now: Reading, epoch: Option<UnixSeconds>) -> Adoption {
        let earliest = self.earliest(now.boot);
        let from = match &self.adopted {
            Some(adopted) => Some(adopted.at(now.boot)),
            None => self.newest.map(|_| earliest),
        };
        // A wall clock that can't be right is no guess either.
        let believed = now.wall >= RELEASED;
        let offset = if believed { self.wall.offset() } else { earliest.0.saturating_sub(now.boot.0) };
        let to = UnixMillis(now.boot.0.saturating_add(offset));
        let ahead = from.map_or(0, |from| to.0.saturating_sub(from.0));
        let before_all = epoch.is_some_and(|epoch| to < epoch.millis());
        let passage = if ahead < -LEAP && before_all {
            Passage::LeapBack
        } else if ahead < -BOUND {
            Passage::Slowed
        } else if ahead > LEAP {
            Passage::LeapAhead
        } else {
            Passage::Straight
        };
        let slowing = (passage == Passage::Slowed)
            .then_some(Slowing { since: now.boot, surplus: ahead.saturating_neg() });
        let adopted = Adopted { offset, slowing, basis };
        let to = adopted.at(now.boot);
        self.adopted = Some(adopted);
        self.doubted = (!believed).then_some(now.boot);
        Adoption { basis, earliest: from.unwrap_or(earliest), to, passage }
    }
}
