//! `cabinwatch-ground simulate`: a fleet that isn't there, as EDR files or as events for running agents, and network
//! telemetry that isn't, either.

mod telemetry;

use std::io::Write;
use std::num::NonZeroU32;
use std::path::PathBuf;

use cabinwatch_shared::time::UnixSeconds;

use telemetry::TelemetryArgs;

use super::progress;
use super::read_history::{parse_instant, system_now};
use crate::config::{Config, Flag};
use crate::simulate::{
    FilePlan, Fleet, FleetPlan, NotASpeed, SimulateError, Speed, drive, write_files, write_labels,
};

const DAY_SECONDS: i64 = 86_400;
/// So that the last second still fits the plan.
const MAX_DAYS: u32 = 3650;

/// Flags of `simulate`.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SimulateArgs {
    /// Instead of a fleet
    #[command(subcommand)]
    pub what: Option<SimulateWhat>,
    /// The fleet
    #[command(flatten)]
    pub fleet: Option<FleetArgs>,
}

/// What else can be simulated.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum SimulateWhat {
    /// Write network telemetry as `retrain --telemetry` and `stream` take it, with labels
    Telemetry(TelemetryArgs),
}

/// Flags of a simulated fleet.
#[derive(Clone, Debug, clap::Args)]
pub struct FleetArgs {
    /// Folder for the EDR files and labels.csv, which names the faults
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Days to simulate
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    pub days: u32,
    /// Aircraft in the fleet, at most 676
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=676))]
    pub aircraft: u16,
    /// Files a day
    #[arg(long, value_name = "N", default_value = "288")]
    pub files_per_day: NonZeroU32,
    /// About how many rows in all; without it, as many as the cabins' passengers make
    #[arg(long, value_name = "N")]
    pub rows: Option<u64>,
    /// Faults to put in
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub faults: u16,
    /// Seed: the same seed and start give the same files
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Play to the event socket of a running agent instead of writing EDR files; once for each aircraft
    #[arg(long = "socket", value_name = "PATH")]
    pub sockets: Vec<PathBuf>,
    /// How many times faster than it happened the agents get it
    #[arg(long, value_name = "TIMES", default_value = "1", value_parser = parse_speed, requires = "sockets")]
    pub speed: Speed,
    /// First part of the file names; default: the configured history.prefix
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// First instant; default: so that the last day ends with yesterday
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub start: Option<UnixSeconds>,
}

/// Why simulating failed.
#[derive(Debug, thiserror::Error)]
pub enum SimulateCommandError {
    /// Writing.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] std::io::Error),
}

impl SimulateCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        use SimulateError::{FilesPerDay, Instant, Socket, TooFewAircraft, Write};
        match self {
            Self::Simulate(error) => match error {
                FilesPerDay(_) | Instant(_) | TooFewAircraft { .. } => true,
                Write { .. } | Socket { .. } => false,
            },
            Self::Output(_) => false,
        }
    }
}

impl SimulateArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let prefix = self.fleet.as_ref().and_then(|fleet| fleet.prefix.clone());
        vec![("--prefix", "history.prefix", prefix)]
    }
}

/// The last midnight.
fn midnight() -> UnixSeconds {
    UnixSeconds(system_now().0.div_euclid(DAY_SECONDS) * DAY_SECONDS)
}

impl FleetArgs {
    /// What to simulate.
    #[must_use]
    pub fn plan(&self) -> FleetPlan {
        let days = self.days.min(MAX_DAYS);
        let start = self.start.unwrap_or(UnixSeconds(midnight().0 - i64::from(days) * DAY_SECONDS));
        FleetPlan {
            seed: self.seed,
            aircraft: self.aircraft,
            start,
            seconds: days * DAY_SECONDS as u32,
            events: self.rows,
            faults: self.faults,
        }
    }
}

/// Simulates, and writes or plays.
///
/// # Errors
/// When a file cannot be written, or an agent not reached.
pub fn run(config: &Config, args: &SimulateArgs, out: &mut dyn Write) -> Result<(), SimulateCommandError> {
    match (&args.what, &args.fleet) {
        (Some(SimulateWhat::Telemetry(args)), _) => telemetry::run(args, out),
        (None, Some(args)) => simulate_fleet(config, args, out),
        // The command line refuses a call that says nothing.
        (None, None) => Ok(()),
    }
}

fn simulate_fleet(
    config: &Config,
    args: &FleetArgs,
    out: &mut dyn Write,
) -> Result<(), SimulateCommandError> {
    let fleet = Fleet::new(args.plan());
    if args.sockets.is_empty() {
        write(config, args, &fleet, out)?;
    } else {
        write_labels(&args.out, fleet.faults())?;
        let rows = drive(&fleet, &args.sockets, args.speed)?;
        writeln!(out, "Sent {rows} events to {} agents", args.sockets.len())?;
    }
    let labels = args.out.join("labels.csv");
    writeln!(out, "{} faults are listed in {}", fleet.faults().len(), labels.display())?;
    Ok(())
}

fn write(
    config: &Config,
    args: &FleetArgs,
    fleet: &Fleet,
    out: &mut dyn Write,
) -> Result<(), SimulateCommandError> {
    let prefix = config.history.prefix.clone();
    let plan = FilePlan { folder: args.out.clone(), prefix, files_per_day: args.files_per_day };
    let bar = progress::bar("Writing EDR files", u64::from(args.days) * u64::from(args.files_per_day.get()));
    let written = write_files(fleet, &plan, || bar.inc(1));
    bar.finish_and_clear();
    let written = written?;
    let (rows, files, folder) = (written.rows, written.files, args.out.display());
    writeln!(out, "Wrote {rows} rows of {} aircraft in {files} files to {folder}", args.aircraft)?;
    Ok(())
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    let times = text.parse().map_err(|_| NotASpeed.to_string())?;
    Speed::times(times).map_err(|error| error.to_string())
}
