//! Tumbling windows on the Unix epoch.

use core::num::NonZeroU32;

use crate::time::{UnixMillis, UnixSeconds};

/// How long a window is: a whole number of seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowLength(NonZeroU32);

impl WindowLength {
    /// Five minutes, the length today's users run.
    pub const FIVE_MINUTES: Self = Self::seconds(NonZeroU32::new(300).expect("300 is not zero"));

    /// A length in seconds.
    #[must_use]
    pub const fn seconds(length: NonZeroU32) -> Self {
        Self(length)
    }

    /// The length in seconds.
    #[must_use]
    pub const fn as_seconds(self) -> u32 {
        self.0.get()
    }
}

/// One window `[start, end)`; `start` is a multiple of the length, counted from the Unix epoch in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    start: UnixSeconds,
    length: WindowLength,
}

impl Window {
    /// The window an instant falls into, also before 1970.
    #[must_use]
    pub const fn containing(at: UnixMillis, length: WindowLength) -> Self {
        let seconds = length.as_seconds() as i64;
        let start = UnixSeconds(at.seconds().0.div_euclid(seconds) * seconds);
        Self { start, length }
    }

    /// The first second inside.
    #[must_use]
    pub const fn start(self) -> UnixSeconds {
        self.start
    }

    /// The first second after.
    #[must_use]
    pub const fn end(self) -> UnixSeconds {
        UnixSeconds(self.start.0.saturating_add(self.length.as_seconds() as i64))
    }

    /// How long it is.
    #[must_use]
    pub const fn length(self) -> WindowLength {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_boundary_belongs_to_the_window_it_starts() {
        let at = |seconds: i64| {
            Window::containing(UnixMillis(seconds * 1000), WindowLength::FIVE_MINUTES).start().0
        };
        assert_eq!(at(299), 0);
        assert_eq!(at(300), 300);
        assert_eq!(at(-1), -300);
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_its_window(millis in -4_000_000_000_000_i64..4_000_000_000_000, seconds in 1_u32..90_000) {
            let length = WindowLength::seconds(NonZeroU32::new(seconds).expect("not zero"));
            let window = Window::containing(UnixMillis(millis), length);
            prop_assert!(window.start().millis().0 <= millis && millis < window.end().millis().0);
            prop_assert_eq!(window.start().0.rem_euclid(i64::from(seconds)), 0);
        }
    }
}
