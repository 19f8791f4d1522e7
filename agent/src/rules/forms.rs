//! One thing reported in several forms: how often did it happen?

use cabinwatch_shared::time::UnixMillis;

/// After this long without a report, the next report of any form is something new.
const PAUSE_MILLIS: u64 = 5_000;
/// More forms of one thing than any daemon has.
const FORMS: usize = 6;

/// Counts each form's reports. What happened, happened as often as the fullest form says: a form that lost lines or
/// comes late by another channel then changes nothing, and in which order the forms come does not matter.
#[derive(Clone, Copy)]
pub(super) struct Forms {
    last: UnixMillis,
    counts: [(u16, u16); FORMS],
    used: usize,
    happened: u16,
}

impl Forms {
    pub(super) const fn new() -> Self {
        Self { last: UnixMillis(i64::MIN), counts: [(0, 0); FORMS], used: 0, happened: 0 }
    }

    /// Takes a report in the form `form`; true when it tells of something that no other form has told of.
    pub(super) fn report(&mut self, form: u16, at: UnixMillis) -> bool {
        if at.0.abs_diff(self.last.0) > PAUSE_MILLIS {
            *self = Self::new();
        }
        self.last = at;
        let known = self.counts.iter().take(self.used).position(|(seen, _)| *seen == form);
        let slot = known.unwrap_or_else(|| {
            let slot = self.used.min(FORMS - 1);
            self.used = slot + 1;
            slot
        });
        let Some((seen, count)) = self.counts.get_mut(slot) else { return false };
        if *seen != form {
            (*seen, *count) = (form, 0);
        }
        *count = count.saturating_add(1);
        let news = *count > self.happened;
        self.happened = self.happened.max(*count);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(reports: &[(u16, i64)]) -> usize {
        let mut forms = Forms::new();
        reports.iter().filter(|(form, at)| forms.report(*form, UnixMillis(*at))).count()
    }

    #[test]
    fn two_forms_of_one_thing_are_one_in_either_order() {
        assert_eq!(news(&[(7, 0), (9, 5)]), 1);
        assert_eq!(news(&[(9, 0), (7, 5)]), 1);
    }

    #[test]
    fn a_channel_that_comes_late_adds_nothing() {
        assert_eq!(news(&[(7, 0), (7, 1_000), (7, 2_000), (9, 2_100), (9, 2_101), (9, 2_102)]), 3);
    }

    #[test]
    fn after_a_pause_every_form_counts_anew() {
        assert_eq!(news(&[(7, 0), (7, 1_000), (9, 60_000)]), 3);
    }
}
