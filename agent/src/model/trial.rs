//! A new model's first windows, and whether it stays. `docs/model-updates.md` gives the rule and its reasons.

use cabinwatch_shared::wire::TrialCounts;
use serde::{Deserialize, Serialize};

use crate::config::ModelConfig;

/// How long a trial is, and what ends it badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialRules {
    /// Windows with at least one row.
    pub windows: u32,
    /// Quiet verdicts in them, the worst window's aside: those that are no alarm with the model before.
    pub verdicts: u32,
    /// Percent of the quiet verdicts that may be alarms with the new one.
    pub max_alarm_percent: u8,
    /// Percent of all verdicts that may be alarms where there is no model before.
    pub max_alone_percent: u8,
}

impl TrialRules {
    /// What the configuration says.
    #[must_use]
    pub const fn from_config(config: &ModelConfig) -> Self {
        Self {
            windows: config.trial_windows,
            verdicts: config.trial_verdicts,
            max_alarm_percent: config.trial_max_alarm_percent,
            max_alone_percent: config.trial_max_alone_percent,
        }
    }

    /// What holds for a trial that compares with a model before, or has none to compare with.
    #[must_use]
    pub const fn rule(&self, compares: bool) -> TrialRule {
        let percent = if compares { self.max_alarm_percent } else { self.max_alone_percent };
        TrialRule { windows: self.windows, verdicts: self.verdicts, percent }
    }
}

/// The rule of one trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrialRule {
    windows: u32,
    verdicts: u32,
    percent: u8,
}

impl TrialRule {
    /// By how many hundredths of a verdict the new alarms exceed what may be; negative if they don't.
    fn excess(&self, quiet: u32, new_alarms: u32) -> i64 {
        i64::from(new_alarms) * 100 - i64::from(self.percent) * i64::from(quiet)
    }
}

/// A trial under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What was counted so far.
    pub counts: TrialCounts,
    /// Quiet verdicts of the window that speaks most against the model…
    worst_quiet: u32,
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
    /// Adds what a window has shown.
    pub fn count(&mut self, window: TrialCounts, rule: &TrialRule) {
        let counts = &mut self.counts;
        let pairs = [
            (&mut counts.windows, window.windows),
            (&mut counts.rows, window.rows),
            (&mut counts.alarms, window.alarms),
            (&mut counts.quiet, window.quiet),
            (&mut counts.new_alarms, window.new_alarms),
        ];
        pairs.into_iter().for_each(|(total, more)| *total = total.saturating_add(more));
        let worst = rule.excess(self.worst_quiet, self.worst_new_alarms);
        if rule.excess(window.quiet, window.new_alarms) > worst {
            (self.worst_quiet, self.worst_new_alarms) = (window.quiet, window.new_alarms);
        }
    }

    /// Whether the trial is over. One window decides nothing: the worst one is left out.
    #[must_use]
    pub fn ending(&self, rule: &TrialRule) -> Option<Ending> {
        let quiet = self.counts.quiet.saturating_sub(self.worst_quiet);
        if self.counts.windows < rule.windows || quiet < rule.verdicts {
            return None;
        }
        let new_alarms = self.counts.new_alarms.saturating_sub(self.worst_new_alarms);
        Some(if rule.excess(quiet, new_alarms) > 0 { Ending::TooManyAlarms } else { Ending::Passed })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: TrialRule = TrialRule { windows: 4, verdicts: 20, percent: 25 };

    /// The trial after windows of (quiet verdicts, alarms among them), each with as many more that both models alarm with.
    fn after(windows: &[(u32, u32)]) -> Trial {
        let mut trial = Trial::default();
        for (quiet, new_alarms) in windows.iter().copied() {
            let (rows, alarms) = (quiet, quiet + new_alarms);
            trial.count(TrialCounts { windows: 1, rows, alarms, quiet, new_alarms }, &RULE);
        }
        trial
    }

    fn ending(windows: &[(u32, u32)]) -> Option<Ending> {
        after(windows).ending(&RULE)
    }

    #[test]
    fn nothing_is_decided_before_there_are_enough_windows_and_verdicts() {
        assert_eq!(ending(&[(100, 100); 3]), None);
        assert_eq!(ending(&[(5, 5); 4]), None, "15 verdicts beside the worst window");
        assert_eq!(ending(&[(5, 5); 5]), Some(Ending::TooManyAlarms));
        assert_eq!(ending(&[(0, 0); 50]), None, "an outage says nothing of the model");
    }

    #[test]
    fn the_limit_itself_still_passes() {
        assert_eq!(ending(&[(20, 5); 4]), Some(Ending::Passed));
        assert_eq!(ending(&[(20, 6); 4]), Some(Ending::TooManyAlarms));
    }

    #[test]
    fn one_window_alone_condemns_nobody_however_much_it_holds() {
        assert_eq!(ending(&[(8, 0), (8, 0), (8, 0), (257, 257)]), Some(Ending::Passed));
        assert_eq!(ending(&[(8, 0), (8, 0), (257, 257), (257, 257)]), Some(Ending::TooManyAlarms));
    }

    proptest! {
        #[test]
        fn a_trial_ends_as_its_definition_says(
            windows in prop::collection::vec((0_u32..300).prop_flat_map(|rows| (Just(rows), 0..=rows)), 0..30),
        ) {
            // The definition, without the running counts: some window is left out, the one that does most harm.
            let rates: Vec<(u32, u32)> = (0..windows.len())
                .map(|out| {
                    let rest = windows.iter().enumerate().filter(|(place, _)| *place != out).map(|(_, window)| window);
                    rest.fold((0, 0), |(rows, new), window| (rows + window.0, new + window.1))
                })
                .collect();
            let condemned_without_any = !rates.is_empty()
                && rates.iter().all(|(rows, new)| RULE.excess(*rows, *new) > 0);
            match ending(&windows) {
                Some(Ending::TooManyAlarms) => prop_assert!(condemned_without_any),
                Some(Ending::Passed) => prop_assert!(!condemned_without_any),
                None => {}
            }
            prop_assert_eq!(after(&windows).counts.windows as usize, windows.len());
        }
    }
}
