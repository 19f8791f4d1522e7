//! Once there is a time of day, the events that waited for it are dated and counted.
//!
//! Those of this boot are dated exactly: the boot clock has run through. How long the machine was off between two boots
//! is unknown, so events of an earlier one are placed right before the boot after it, with their own distances kept,
//! and never before what was known when they came. They are counted as guessed.

use std::time::Duration;

use cabinwatch_shared::event::Event;
use cabinwatch_shared::time::UnixMillis;
use cabinwatch_shared::wire::LossReason;

use super::clock::Clock;
use super::counting;
use super::engine::Engine;
use super::timekeeping::RELEASED;
use super::watermark::Moment;
use crate::store::{
    BootId, BootMillis, Counter, EventGroup, GroupHead, GroupWriter, LossSpan, Redated, Stamp, StoreError,
    announcement,
};

/// An earlier boot, and when it was.
#[derive(Clone, Copy, Debug)]
struct EarlierBoot {
    id: BootId,
    /// The last that is known of its clock.
    last: BootMillis,
    /// Where its clock began.
    began: UnixMillis,
}

/// How the events that waited are dated.
#[derive(Debug)]
struct Dating {
    /// The boots before this one, newest first.
    earlier: Vec<EarlierBoot>,
    /// No guess is earlier than this.
    not_before: Option<UnixMillis>,
    since_boot: Duration,
}

/// Groups as they lie in the log, with their numbers.
type Bodies = [(u64, Vec<u8>)];

fn parse(body: &[u8]) -> Result<EventGroup<'_>, StoreError> {
    EventGroup::parse(body).map_err(|_| StoreError::garbled("a group of events"))
}

impl<C: Clock> Engine<C> {
    /// Dates what waited, counts it, and tells the ground what had to wait, too, of the stream and of losses: all in one
    /// transaction. What a guess would place before `not_before` happened then.
    pub(super) fn redate(&mut self, not_before: Option<UnixMillis>) -> Result<(), StoreError> {
        let span = self.state.provisional.take();
        let bodies = span.map_or_else(|| Ok(Vec::new()), |span| self.waiting_groups(span.from))?;
        let dating =
            Dating { earlier: self.earlier_boots(&bodies)?, not_before, since_boot: self.clock.since_boot() };
        let redated: Vec<_> = bodies
            .iter()
            .filter_map(|(id, body)| self.redate_group(*id, body, &dating).transpose())
            .collect::<Result<_, _>>()?;
        let mut change = self.begin_change();
        change.redated = redated;
        if let Some(cause) = self.state.unannounced.take() {
            let garbled = |_| StoreError::garbled("a stream's first frame");
            change.frames = announcement(cause, change.at).map_err(garbled)?;
        }
        self.report(&mut change);
        if let Some(span) = span {
            tracing::info!(
                events = span.events,
                "events that waited for the time of day are dated and counted"
            );
        }
        self.write_checkpoint(change)
    }

    /// The clock is half set when these are read: they are read until it works.
    fn waiting_groups(&mut self, from: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        loop {
            match self.store.group_bodies(from) {
                Ok(bodies) => return Ok(bodies),
                Err(error) => self.wait_out(error)?,
            }
        }
    }

    /// The boots before this one, newest first, each ending where the next began.
    fn earlier_boots(&self, bodies: &Bodies) -> Result<Vec<EarlierBoot>, StoreError> {
        let mut boots: Vec<EarlierBoot> = Vec::new();
        let mut next_began = self.keeper.at(BootMillis(0));
        for (_, body) in bodies.iter().rev() {
            let GroupHead::Provisional { boot: id, written } = parse(body)?.head else { continue };
            if id == self.boot || boots.iter().any(|boot| boot.id == id) {
                continue;
            }
            let began = UnixMillis(next_began.0.saturating_sub(written.0));
            boots.push(EarlierBoot { id, last: written, began });
            next_began = began;
        }
        Ok(boots)
    }

    /// Counts the events of a group; none where they are counted already, as those that came with the time are.
    fn redate_group(&mut self, id: u64, body: &[u8], dating: &Dating) -> Result<Option<Redated>, StoreError> {
        let group = parse(body)?;
        let GroupHead::Provisional { boot, written } = group.head else { return Ok(None) };
        let guess = dating.earlier.iter().find(|earlier| earlier.id == boot);
        let written = self.date(written, guess, dating);
        let arrival = Moment { now: written, since_boot: dating.since_boot };
        let (mut writer, mut guessed) = (GroupWriter::default(), 0);
        for event in group.provisional() {
            let event = event.map_err(|_| StoreError::garbled("a group of events"))?;
            let at = match event.stamp {
                Stamp::Own(at) => at,
                Stamp::SinceBoot(at) => self.date(at, guess, dating),
            };
            guessed += u64::from(guess.is_some() && matches!(event.stamp, Stamp::SinceBoot(_)));
            let entry = self.store.key(event.key)?.clone();
            let event = Event { at, key: entry.key(), state: event.state };
            let (limits, counts) = (&self.settings.counting, self.group.counts());
            let counted = counting::count(&event, arrival, limits, &mut self.state, &mut self.store, counts)?;
            counted.into_iter().for_each(|event| writer.push(event));
        }
        let counts = self.group.counts();
        counts.add(Counter::Events, writer.len());
        counts.add(Counter::ProvisionalGuessed, guessed);
        group.cursors.iter().for_each(|cursor| writer.reach(cursor.clone()));
        writer.counts().merge(&group.counts);
        let (dated, ..) = writer.finish(GroupHead::Dated { watermark: self.state.watermark.stored() });
        let bytes_before = body.len() as u64;
        Ok(Some(Redated { id, stored: written.seconds(), bytes_before, body: dated }))
    }

    /// The agent's time at an instant of a boot clock: this boot's, or an earlier one's.
    fn date(&self, at: BootMillis, guess: Option<&EarlierBoot>, dating: &Dating) -> UnixMillis {
        let dated = guess.map_or_else(
            || self.keeper.at(at),
            |earlier| {
                let guessed = UnixMillis(earlier.began.0.saturating_add(at.0.min(earlier.last.0)));
                dating.not_before.map_or(guessed, |known| guessed.max(known))
            },
        );
        self.state.closed.first_open(dated)
    }

    /// What was lost meanwhile was noted at the earliest time that it could have been.
    pub(super) fn redate_losses(&mut self, earliest: UnixMillis) {
        let later = self.now_seconds().0.saturating_sub(earliest.seconds().0);
        let began = self.state.clock.newest.map_or(RELEASED, |newest| newest.max(RELEASED)).seconds();
        for (reason, LossSpan { since, until, .. }) in self.state.unreported.iter_mut().filter(|_| later > 0)
        {
            // An unclean end was after what was last written, and that had its time of day.
            let since_is_known = *reason == LossReason::UncleanEnd && since < until;
            let guessed = [(!since_is_known).then_some(since), Some(until)].into_iter().flatten();
            for at in guessed.filter(|at| **at >= began) {
                at.0 = at.0.saturating_add(later);
            }
        }
    }
}
