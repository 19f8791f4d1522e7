//! `cabinwatch-ground simulate telemetry`: network traffic that isn't there, as a CSV file.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::time::UnixSeconds;

use super::{DAY_SECONDS, SimulateCommandError, midnight};
use crate::commands::progress;
use crate::commands::read_history::parse_instant;
use crate::simulate::telemetry::{TelemetryFiles, TelemetryPlan, write_telemetry};

/// One row in so many is odd, unless the call says how many.
const ROWS_FOR_ONE_ODD: u32 = 200;
/// Rows are spread over a day.
const SECONDS: u32 = DAY_SECONDS as u32;

/// Flags of `simulate telemetry`.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryArgs {
    /// The CSV file to write; another beside it with `_labels` in its name says which rows are odd, and why
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Rows to write
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// How many rows are odd: exfiltration, beacons, port scans, DNS tunnels, strange protocols; default: one in 200
    #[arg(long, value_name = "N")]
    pub odd: Option<u32>,
    /// Seed: the same seed and start give the same file
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// First instant of the day the rows are spread over; default: yesterday's
    #[arg(long, value_name = "RFC3339", value_parser = parse_instant)]
    pub start: Option<UnixSeconds>,
}

impl TelemetryArgs {
    fn plan(&self) -> TelemetryPlan {
        let yesterday = || UnixSeconds(midnight().0 - DAY_SECONDS);
        TelemetryPlan {
            seed: self.seed,
            rows: self.rows,
            odd: self.odd.unwrap_or(self.rows / ROWS_FOR_ONE_ODD),
            start: self.start.unwrap_or_else(yesterday),
            seconds: SECONDS,
        }
    }

    fn files(&self) -> TelemetryFiles {
        let mut name = self.out.file_stem().unwrap_or_default().to_owned();
        name.push("_labels.csv");
        TelemetryFiles { data: self.out.clone(), labels: self.out.with_file_name(name) }
    }
}

/// Writes telemetry and labels.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn run(args: &TelemetryArgs, out: &mut dyn Write) -> Result<(), SimulateCommandError> {
    let (plan, files) = (args.plan(), args.files());
    let bar = progress::bar("Writing telemetry", u64::from(plan.rows));
    let odd = write_telemetry(plan, &files, || bar.inc(1));
    bar.finish_and_clear();
    let odd = odd?;
    writeln!(out, "Wrote {} rows to {}", plan.rows, files.data.display())?;
    writeln!(out, "{odd} odd ones are listed in {}", files.labels.display())?;
    Ok(())
}
