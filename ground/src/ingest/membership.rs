//! Leaving a group of ingest processes without losing what the broker has already given to this one.
//!
//! The broker keeps nothing for a member that is gone. So a member first asks for no more, and then takes what is on
//! its way and what the broker has queued for it, which comes only as room is made by acknowledging. That is all once
//! everything is acknowledged and the broker has answered a request that was made after it, with nothing in between.

use std::time::Duration;

use tokio::time::Instant;

/// How long leaving may take. What has not come by then, its aircraft send again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the broker gives this process a share of a group's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    /// It gives it none, and has none for it.
    Apart,
    /// It does.
    In,
    /// It has been asked to stop.
    Leaving {
        /// Where that is.
        step: Step,
        /// When to go all the same.
        until: Instant,
    },
}

/// Where leaving is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The broker has not answered; whether something of ours was open when it was asked, or has come since.
    Asked { open: bool },
    /// It has, and there may be more.
    Answered,
}

impl Membership {
    /// Asks to leave where it is time to: whether the broker must now be asked. `open` is whether anything that it gave
    /// us is not acknowledged.
    pub fn leave(&mut self, open: bool, now: Instant) -> bool {
        let until = match *self {
            Self::In => now + PATIENCE,
            Self::Leaving { step: Step::Answered, until } if !open => until,
            _ => return false,
        };
        *self = Self::Leaving { step: Step::Asked { open }, until };
        true
    }

    /// A message has come.
    pub fn received(&mut self) {
        if let Self::Leaving { step: Step::Asked { open }, .. } = self {
            *open = true;
        }
    }

    /// The broker has answered.
    pub fn answered(&mut self) {
        *self = match *self {
            Self::Leaving { step: Step::Asked { open: true }, until } => {
                Self::Leaving { step: Step::Answered, until }
            }
            _ => Self::Apart,
        };
    }

    /// Whether nothing more is to be waited for.
    pub fn is_over(self, now: Instant) -> bool {
        match self {
            Self::Apart => true,
            Self::In => false,
            Self::Leaving { until, .. } => now >= until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_no_group_has_nothing_to_leave() {
        let (mut membership, now) = (Membership::Apart, Instant::now());
        assert!(!membership.leave(false, now) && membership.is_over(now));
    }

    #[test]
    fn a_member_with_nothing_open_is_out_with_the_brokers_answer() {
        let (mut membership, now) = (Membership::In, Instant::now());
        assert!(membership.leave(false, now) && !membership.is_over(now));
        assert!(!membership.leave(false, now), "it has been asked");
        membership.answered();
        assert_eq!(membership, Membership::Apart);
    }

    #[test]
    fn the_broker_is_asked_again_until_an_answer_comes_with_nothing_before_it() {
        let (mut membership, now) = (Membership::In, Instant::now());
        assert!(membership.leave(true, now));
        membership.answered();
        assert!(!membership.leave(true, now), "not before everything is acknowledged");
        assert!(membership.leave(false, now));
        membership.received();
        membership.answered();
        assert!(!membership.is_over(now) && membership.leave(false, now));
        membership.answered();
        assert!(membership.is_over(now));
    }

    #[test]
    fn a_broker_that_does_not_answer_is_left_all_the_same() {
        let (mut membership, now) = (Membership::In, Instant::now());
        membership.leave(true, now);
        assert!(!membership.is_over(now));
        assert!(membership.is_over(now + PATIENCE));
    }
}
