//! What became of a model, in columns.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::wire::{ModelOutcome, Rollback, RollbackCause, TrialCounts};

use super::Cell;

/// The columns of an outcome. Those that say nothing of it are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OutcomeColumns {
    /// Its name.
    pub outcome: String,
    /// Why a model was rolled back.
    pub cause: Option<String>,
    /// To which version.
    pub back_to: Option<i64>,
    /// What its trial counted: windows, rows, alarms, quiet verdicts, new alarms.
    pub trial: [Option<i64>; 5],
}

impl OutcomeColumns {
    /// Beside `outcome`.
    pub const DETAILS: [&str; 7] = [
        "cause",
        "back_to",
        "trial_windows",
        "trial_rows",
        "trial_alarms",
        "trial_quiet",
        "trial_new_alarms",
    ];

    pub fn of(outcome: ModelOutcome) -> Self {
        let plain =
            |name: &str| Self { outcome: name.to_owned(), cause: None, back_to: None, trial: [None; 5] };
        let counts = |trial: TrialCounts| {
            [trial.windows, trial.rows, trial.alarms, trial.quiet, trial.new_alarms]
                .map(|count| Some(i64::from(count)))
        };
        match outcome {
            ModelOutcome::Activated => plain("activated"),
            ModelOutcome::Unreadable => plain("unreadable"),
            ModelOutcome::Untrusted => plain("untrusted"),
            ModelOutcome::NotForUs => plain("not_for_us"),
            ModelOutcome::SelfTestFailed => plain("self_test_failed"),
            ModelOutcome::RolledBack(Rollback { to, cause, trial }) => Self {
                cause: Some(cause.as_str().to_owned()),
                back_to: Some(i64::from(to.0)),
                trial: counts(trial),
                ..plain("rolled_back")
            },
            ModelOutcome::TrialPassed(trial) => Self { trial: counts(trial), ..plain("trial_passed") },
        }
    }

    /// None where the columns hold nothing of ours.
    pub fn read(&self) -> Option<ModelOutcome> {
        Some(match self.outcome.as_str() {
            "activated" => ModelOutcome::Activated,
            "unreadable" => ModelOutcome::Unreadable,
            "untrusted" => ModelOutcome::Untrusted,
            "not_for_us" => ModelOutcome::NotForUs,
            "self_test_failed" => ModelOutcome::SelfTestFailed,
            "rolled_back" => ModelOutcome::RolledBack(Rollback {
                to: ModelVersion(u32::try_from(self.back_to?).ok()?),
                cause: self.cause()?,
                trial: self.trial()?,
            }),
            "trial_passed" => ModelOutcome::TrialPassed(self.trial()?),
            _ => return None,
        })
    }

    fn cause(&self) -> Option<RollbackCause> {
        let cause = self.cause.as_deref()?;
        RollbackCause::ALL.into_iter().find(|known| known.as_str() == cause)
    }

    fn trial(&self) -> Option<TrialCounts> {
        let count = |place: usize| u32::try_from((*self.trial.get(place)?)?).ok();
        Some(TrialCounts {
            windows: count(0)?,
            rows: count(1)?,
            alarms: count(2)?,
            quiet: count(3)?,
            new_alarms: count(4)?,
        })
    }

    /// The cells of [`Self::DETAILS`].
    pub fn details(&self) -> impl Iterator<Item = Cell> {
        let number = |value: Option<i64>| value.map_or(Cell::Null, Cell::Integer);
        [Cell::optional(self.cause.as_deref()), number(self.back_to)]
            .into_iter()
            .chain(self.trial.map(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::examples::every_outcome;

    #[test]
    fn every_outcome_comes_back() {
        for outcome in every_outcome() {
            assert_eq!(OutcomeColumns::of(outcome).read(), Some(outcome));
        }
    }

    #[test]
    fn columns_that_contradict_each_other_are_no_outcome() {
        let passed = OutcomeColumns::of(ModelOutcome::TrialPassed(TrialCounts::default()));
        assert_eq!(OutcomeColumns { trial: [None; 5], ..passed.clone() }.read(), None);
        assert_eq!(OutcomeColumns { outcome: "rolled_back".to_owned(), ..passed.clone() }.read(), None);
        assert_eq!(OutcomeColumns { outcome: "lost".to_owned(), ..passed }.read(), None);
    }
}
