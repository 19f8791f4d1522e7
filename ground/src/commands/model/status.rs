//! `cabinwatch-ground model status`: how far the newest model of each cohort has come.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::wire::{ModelOutcome, Rollback, TrialCounts};
use comfy_table::Table;
use serde::Serialize;

use super::ModelCommandError;
use crate::config::Config;
use crate::rollout::{Journal, Numbers, Promotion, Rollout, Standing};
use crate::tables;
use crate::train::folder::ModelFolder;

/// Flags of `model status`.
#[derive(Clone, Debug, clap::Args)]
pub struct StatusArgs {
    /// The tables that ingest writes
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// The model folder, for what was promoted last
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    cohorts: Vec<ShownCohort<'a>>,
    last_promotion: Option<&'a Promotion>,
}

#[derive(Serialize)]
struct ShownCohort<'a> {
    cohort: &'a str,
    version: Option<u32>,
    numbers: Numbers,
    aircraft: Vec<ShownAircraft>,
}

#[derive(Serialize)]
struct ShownAircraft {
    tail: String,
    /// `passed`, `on_trial`, `rolled_back`, `refused` or `silent`.
    standing: &'static str,
    /// What stands behind it, in words.
    details: String,
}

pub(super) fn run(config: &Config, args: &StatusArgs, out: &mut dyn Write) -> Result<(), ModelCommandError> {
    let tables = tables::open_to_read(&config.tables.url, &config.tables)?;
    let rollouts = Rollout::all(tables.as_ref())?;
    // Without a model folder there is nothing promoted from here.
    let promotions = match ModelFolder::of(&config.model) {
        Ok(folder) => Journal::of(folder.dir()).read()?,
        Err(_) => Vec::new(),
    };
    if args.json {
        let cohorts = rollouts.iter().map(ShownCohort::of).collect();
        let shown = Shown { cohorts, last_promotion: promotions.last() };
        serde_json::to_writer_pretty(&mut *out, &shown).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    print(&rollouts, out)?;
    if let Some(last) = promotions.last() {
        let Promotion { at, from, from_version, to, to_version, reason, .. } = last;
        write!(out, "Last promoted at {at}: model {from_version} of `{from}` to `{to}` as {to_version}")?;
        match reason {
            Some(reason) => writeln!(out, ", by force: {reason}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// Prints a table of cohorts, and one of the aircraft that need a look.
pub(in crate::commands) fn print(rollouts: &[Rollout], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table =
        table(["cohort", "model", "aircraft", "passed", "on trial", "rolled back", "refused", "silent"]);
    for rollout in rollouts {
        let numbers = rollout.numbers();
        let Numbers { aircraft, passed, on_trial, rolled_back, refused, silent } = numbers;
        let version = rollout.version.map_or_else(|| "none".to_owned(), |version| version.0.to_string());
        let counts =
            [aircraft, passed, on_trial, rolled_back, refused, silent].map(|count| count.to_string());
        table.add_row([rollout.cohort.clone(), version].into_iter().chain(counts));
    }
    writeln!(out, "{table}")?;
    let cohorts: Vec<ShownCohort<'_>> = rollouts.iter().map(ShownCohort::of).collect();
    let failed = |aircraft: &&ShownAircraft| matches!(aircraft.standing, "rolled_back" | "refused");
    if cohorts.iter().any(|cohort| cohort.aircraft.iter().any(|aircraft| failed(&aircraft))) {
        let mut table = self::table(["aircraft", "cohort", "what became of the model"]);
        for cohort in &cohorts {
            for aircraft in cohort.aircraft.iter().filter(failed) {
                table.add_row([aircraft.tail.as_str(), cohort.cohort, aircraft.details.as_str()]);
            }
        }
        writeln!(out, "{table}")?;
    }
    Ok(())
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}

impl<'a> ShownCohort<'a> {
    fn of(rollout: &'a Rollout) -> Self {
        let aircraft = rollout.aircraft.iter().map(|(tail, standing)| {
            let (name, details) = describe(standing);
            ShownAircraft { tail: tail.to_string(), standing: name, details }
        });
        Self {
            cohort: &rollout.cohort,
            version: rollout.version.map(|version| version.0),
            numbers: rollout.numbers(),
            aircraft: aircraft.collect(),
        }
    }
}

fn describe(standing: &Standing) -> (&'static str, String) {
    match standing {
        Standing::Passed(trial) => ("passed", trial_in_words(trial)),
        Standing::OnTrial => ("on_trial", "in use, on trial".to_owned()),
        Standing::RolledBack(Rollback { to, cause, trial }) => {
            let to = match to.0 {
                0 => "to none".to_owned(),
                version => format!("to model {version}"),
            };
            ("rolled_back", format!("rolled back {to} ({}): {}", cause.as_str(), trial_in_words(trial)))
        }
        Standing::Refused(outcome) => ("refused", format!("refused: {}", refusal(*outcome))),
        Standing::Silent => ("silent", "nothing heard of it".to_owned()),
    }
}

fn trial_in_words(trial: &TrialCounts) -> String {
    let TrialCounts { windows, rows, alarms, quiet, new_alarms } = trial;
    format!(
        "{windows} windows, {rows} rows, {alarms} of {} verdicts are alarms, {new_alarms} of the {quiet} that were none \
         before",
        2 * u64::from(*rows)
    )
}

const fn refusal(outcome: ModelOutcome) -> &'static str {
    match outcome {
        ModelOutcome::Unreadable => "unreadable",
        ModelOutcome::Untrusted => "not signed by a key it believes",
        ModelOutcome::NotForUs => "not for it: too old, expired, for others, or for a newer agent",
        ModelOutcome::SelfTestFailed => "the self-test failed",
        ModelOutcome::Activated | ModelOutcome::RolledBack(_) | ModelOutcome::TrialPassed(_) => "taken",
    }
}
