//! How far a model has come in a cohort, from what aircraft report, and whether it may go on to another one.

mod journal;
mod judge;

pub use journal::{Journal, JournalError, Promotion};
pub use judge::{Objection, Rules};

use std::collections::BTreeMap;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::{ModelOutcome, Rollback, TrialCounts};

use crate::tables::{AircraftRecord, ModelReportRecord, Query, Tables, TablesError};

/// How a model stands on one aircraft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is in use, and has passed its trial.
    Passed(TrialCounts),
    /// It is in use, on trial.
    OnTrial,
    /// It was in use, and gave way to the one before it.
    RolledBack(Rollback),
    /// The agent did not take it.
    Refused(ModelOutcome),
    /// Nothing was heard of it.
    Silent,
}

/// The newest model of a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// The cohort.
    pub cohort: String,
    /// The newest version made for it; none if there is none yet.
    pub version: Option<ModelVersion>,
    /// Every aircraft of the cohort, by tail.
    pub aircraft: Vec<(Tail, Standing)>,
}

/// How many aircraft stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Numbers {
    /// All of the cohort.
    pub aircraft: usize,
    /// In use beyond its trial.
    pub passed: usize,
    /// In use, on trial.
    pub on_trial: usize,
    /// Gave way to the one before it.
    pub rolled_back: usize,
    /// Not taken.
    pub refused: usize,
    /// Not heard of.
    pub silent: usize,
}

impl Rollout {
    /// Every cohort that has a model or an aircraft, by name.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub fn all(tables: &dyn Tables) -> Result<Vec<Self>, TablesError> {
        let mut cohorts: BTreeMap<String, (Option<ModelVersion>, Vec<AircraftRecord>)> = BTreeMap::new();
        let known = tables.known_versions()?;
        for model in &known {
            let (version, _) = cohorts.entry(model.cohort.clone()).or_default();
            *version = (*version).max(Some(model.version));
        }
        for aircraft in tables.aircraft()? {
            // One that has not said so yet belongs where its model does.
            let by_model = || known.iter().find(|model| Some(model.version) == aircraft.model);
            let cohort = aircraft.cohort.clone().or_else(|| by_model().map(|model| model.cohort.clone()));
            if let Some(cohort) = cohort {
                cohorts.entry(cohort).or_default().1.push(aircraft);
            }
        }
        let reports = tables.model_reports(&Query::default())?;
        let rollouts = cohorts.into_iter().map(|(cohort, (version, aircraft))| {
            let standing = |aircraft: AircraftRecord| {
                let standing =
                    version.map_or(Standing::Silent, |version| standing(&aircraft, version, &reports));
                (aircraft.tail, standing)
            };
            Self { cohort, version, aircraft: aircraft.into_iter().map(standing).collect() }
        });
        Ok(rollouts.collect())
    }

    /// That of one cohort.
    ///
    /// # Errors
    /// When the tables can't be read.
    pub fn of(tables: &dyn Tables, cohort: &str) -> Result<Self, TablesError> {
        let found = Self::all(tables)?.into_iter().find(|rollout| rollout.cohort == cohort);
        Ok(found.unwrap_or_else(|| Self { cohort: cohort.to_owned(), version: None, aircraft: Vec::new() }))
    }

    /// How many stand how.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let mut numbers = Numbers { aircraft: self.aircraft.len(), ..Numbers::default() };
        for (_, standing) in &self.aircraft {
            *match standing {
                Standing::Passed(_) => &mut numbers.passed,
                Standing::OnTrial => &mut numbers.on_trial,
                Standing::RolledBack(_) => &mut numbers.rolled_back,
                Standing::Refused(_) => &mut numbers.refused,
                Standing::Silent => &mut numbers.silent,
            } += 1;
        }
        numbers
    }
}

/// How a version stands on an aircraft: the last it said of it from its present database. What an earlier database
/// said is over, since the models went with it.
fn standing(aircraft: &AircraftRecord, version: ModelVersion, reports: &[ModelReportRecord]) -> Standing {
    let mut told: Vec<&ModelReportRecord> = reports
        .iter()
        .filter(|item| item.frame.tail == aircraft.tail && item.report.version == version)
        .filter(|item| aircraft.stream.is_none_or(|stream| stream == item.frame.stream))
        .collect();
    // Their numbers tell the order; an aircraft's clock may have been wrong.
    told.sort_by_key(|item| item.frame.seq);
    let in_use = |outcome: ModelOutcome| match outcome {
        ModelOutcome::Activated => Some(Standing::OnTrial),
        ModelOutcome::TrialPassed(trial) => Some(Standing::Passed(trial)),
        ModelOutcome::RolledBack(rollback) => Some(Standing::RolledBack(rollback)),
        ModelOutcome::Unreadable
        | ModelOutcome::Untrusted
        | ModelOutcome::NotForUs
        | ModelOutcome::SelfTestFailed => None,
    };
    // A refusal says something only of a model that was never taken.
    if let Some(standing) = told.iter().rev().find_map(|item| in_use(item.report.outcome)) {
        return standing;
    }
    match told.last() {
        Some(item) => Standing::Refused(item.report.outcome),
        None if aircraft.model == Some(version) => Standing::OnTrial,
        None => Standing::Silent,
    }
}

#[cfg(test)]
mod tests;
