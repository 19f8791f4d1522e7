//! A new model's first windows, and whether it stays. `docs/model-updates.md` gives the rule and its reasons.

use cabinwatch_shared::wire::TrialCounts;
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;

/// How long a trial is, and what ends it badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialRules {
    /// Windows with at least one row.
    pub windows: u32,
    /// Rows in them, the worst window's aside.
    pub rows: u32,
    /// Percent of those rows that may have an alarm which the model before does not raise.
    pub max_alarm_percent: u8,
}

impl TrialRules {
    /// What the configuration says.
    #[must_use]
    pub const fn from_config(config: &ModelConfig) -> Self {
        Self {
            windows: config.trial_windows,
            rows: config.trial_rows,
            max_alarm_percent: config.trial_max_alarm_percent,
        }
    }

    /// By how many hundredths of a row the new alarms exceed what may be; negative if they don't.
    fn excess(&self, rows: u32, new_alarms: u32) -> i64 {
        i64::from(new_alarms) * 100 - i64::from(self.max_alarm_percent) * i64::from(rows)
    }
}

/// A trial under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What was counted so far.
    pub counts: TrialCounts,
    /// Rows of the window that speaks most against the model…
    worst_rows: u32,
    /// …and the new alarms in it.
    worst_new_alarms: u32,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The model stays.
    Passed,
    /// It alarms too often.
    TooManyAlarms,
}

impl Trial {
    /// Counts a window that the model on trial has scored: its rows, those with an alarm, and those among them where the
    /// model before it raises none.
    pub fn count(&mut self, rows: u32, alarms: u32, new_alarms: u32, rules: &TrialRules) {
        if rows == 0 {
            return;
        }
        let counts = &mut self.counts;
        counts.windows = counts.windows.saturating_add(1);
        counts.rows = counts.rows.saturating_add(rows);
        counts.alarms = counts.alarms.saturating_add(alarms);
        counts.new_alarms = counts.new_alarms.saturating_add(new_alarms);
        let worst = rules.excess(self.worst_rows, self.worst_new_alarms);
        if rules.excess(rows, new_alarms) > worst {
            (self.worst_rows, self.worst_new_alarms) = (rows, new_alarms);
        }
    }

    /// Whether the trial is over. One window decides nothing: the worst one is left out.
    #[must_use]
    pub fn ending(&self, rules: &TrialRules) -> Option<Ending> {
        let rows = self.counts.rows.saturating_sub(self.worst_rows);
        if self.counts.windows < rules.windows || rows < rules.rows {
            return None;
        }
        let new_alarms = self.counts.new_alarms.saturating_sub(self.worst_new_alarms);
        Some(if rules.excess(rows, new_alarms) > 0 { Ending::TooManyAlarms } else { Ending::Passed })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: TrialRules = TrialRules { windows: 4, rows: 20, max_alarm_percent: 25 };

    /// The trial after windows of (rows, new alarms).
    fn after(windows: &[(u32, u32)]) -> Trial {
        let mut trial = Trial::default();
        windows.iter().for_each(|(rows, new_alarms)| trial.count(*rows, *new_alarms, *new_alarms, &RULES));
        trial
    }

    fn ending(windows: &[(u32, u32)]) -> Option<Ending> {
        after(windows).ending(&RULES)
    }

    #[test]
    fn nothing_is_decided_before_there_are_enough_windows_and_rows() {
        assert_eq!(ending(&[(100, 100); 3]), None);
        assert_eq!(ending(&[(5, 5); 4]), None, "15 rows beside the worst window");
        assert_eq!(ending(&[(5, 5); 5]), Some(Ending::TooManyAlarms));
        assert_eq!(ending(&[(0, 0); 50]), None, "windows without rows say nothing");
    }

    #[test]
    fn the_limit_itself_still_passes() {
        assert_eq!(ending(&[(20, 5); 4]), Some(Ending::Passed));
        assert_eq!(ending(&[(20, 6); 4]), Some(Ending::TooManyAlarms));
    }

    #[test]
    fn one_window_alone_condemns_nobody_however_many_rows_it_has() {
        assert_eq!(ending(&[(8, 0), (8, 0), (8, 0), (257, 257)]), Some(Ending::Passed));
        assert_eq!(ending(&[(8, 0), (8, 0), (257, 257), (257, 257)]), Some(Ending::TooManyAlarms));
    }

    proptest! {
        #[test]
        fn a_trial_ends_as_its_definition_says(
            windows in prop::collection::vec((0_u32..300).prop_flat_map(|rows| (Just(rows), 0..=rows)), 0..30),
        ) {
            let told: Vec<_> = windows.iter().copied().filter(|(rows, _)| *rows > 0).collect();
            // The definition, without the running counts: some window is left out, the one that does most harm.
            let rates: Vec<(u32, u32)> = (0..told.len())
                .map(|out| {
                    let rest = told.iter().enumerate().filter(|(place, _)| *place != out).map(|(_, window)| window);
                    rest.fold((0, 0), |(rows, new), window| (rows + window.0, new + window.1))
                })
                .collect();
            let condemned_without_any = !rates.is_empty()
                && rates.iter().all(|(rows, new)| RULES.excess(*rows, *new) > 0);
            match ending(&windows) {
                Some(Ending::TooManyAlarms) => prop_assert!(condemned_without_any),
                Some(Ending::Passed) => prop_assert!(!condemned_without_any),
                None => {}
            }
            prop_assert_eq!(after(&windows).counts.windows as usize, told.len());
        }
    }
}
