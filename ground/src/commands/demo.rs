//! `cabinwatch-ground demo`: everything on this machine, with a known fault.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cabinwatch_shared::time::UnixSeconds;
use comfy_table::Table;

use super::duration::parse_duration;
use super::shell;
use crate::api::KEY_VARIABLE;
use crate::config::{Config, listen};
use crate::demo::{Dashboard, Demo, DemoError, Ended, Found, Settings};

/// The agent's program beside ours.
const AGENT: &str = "cabinwatch-agent";

/// Flags of `demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// About how long it takes, e.g. 60s or 2m
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub duration: Duration,
    /// Folder for everything the demo makes; it must be new, empty, or an earlier demo's
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The agent's program; default: cabinwatch-agent beside this program
    #[arg(long, value_name = "PATH")]
    pub agent: Option<PathBuf>,
    /// Seed of the simulation
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where the dashboard answers while it runs: a port on this machine, or ADDRESS:PORT; 0 is any free port
    #[arg(long, value_name = "LISTEN", default_value = "127.0.0.1:0", value_parser = listen::address)]
    pub listen: SocketAddr,
}

/// Why the demo did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DemoCommandError {
    /// A stage failed.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// It ran, but something is missing.
    #[error("the demo ran, but {what}; see {}", summary.display())]
    NotGood {
        /// What is missing.
        what: &'static str,
        /// Where it stands.
        summary: PathBuf,
    },
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl DemoCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Demo(error) if error.is_usage())
    }
}

/// Runs the demo, says first where to watch it, and prints what came of it.
///
/// # Errors
/// When a stage fails, an injected fault was not found, or anything was lost.
pub fn run(config: &Config, args: &DemoArgs, out: &mut dyn Write) -> Result<Ended, DemoCommandError> {
    let agent = match &args.agent {
        Some(agent) => agent.clone(),
        None => beside_us()?,
    };
    let DemoArgs { duration, out: folder, seed, listen, .. } = args.clone();
    let demo = Demo::prepare(config, Settings { duration, out: folder, agent, seed, listen })?;
    announce(demo.dashboard(), out)?;
    let serve = serve(demo.dashboard());
    let ended = demo.run()?;
    print(&ended, &serve, out)?;
    if ended.outcome.lost > 0 {
        return Err(DemoCommandError::NotGood { what: "something was lost", summary: ended.summary });
    }
    if !ended.outcome.is_good() {
        return Err(DemoCommandError::NotGood {
            what: "an injected fault was not found",
            summary: ended.summary,
        });
    }
    Ok(ended)
}

fn beside_us() -> Result<PathBuf, DemoError> {
    let us = std::env::current_exe().map_err(|source| DemoError::NoAgent { path: AGENT.into(), source })?;
    Ok(us.with_file_name(AGENT))
}

/// Says where the dashboard is. The key may be seen: it was made for this demo, and opens nothing else.
fn announce(dashboard: &Dashboard, out: &mut dyn Write) -> io::Result<()> {
    let (address, key) = (dashboard.address(), dashboard.key());
    writeln!(out, "Dashboard  http://{address}/fleet  (key: {key})")?;
    writeln!(
        out,
        "           Open it now: what the aircraft report appears by itself. It closes with the demo.\n"
    )?;
    out.flush()
}

/// The call that shows the same pages again, at the same address and with the same key; but for the tables.
fn serve(dashboard: &Dashboard) -> String {
    format!(
        "{KEY_VARIABLE}={} {} serve --listen {} --model-dir {}",
        dashboard.key(),
        shell::this_program(),
        dashboard.address(),
        shell::word(&dashboard.model_dir().to_string_lossy()),
    )
}

fn print(ended: &Ended, serve: &str, out: &mut dyn Write) -> io::Result<()> {
    let outcome = &ended.outcome;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["Injected fault", "Aircraft", "When (UTC)", "Found"]);
    for fault in &outcome.injected {
        let windows: Vec<&Found> = outcome.windows_of(fault).collect();
        table.add_row([
            format!("{} | {} ({})", fault.edr_point, fault.description, fault.kind.replace('_', "-")),
            fault.tail.clone(),
            format!("{} to {}", time_of_day(fault.start), time_of_day(fault.end)),
            found(&windows),
        ]);
    }
    writeln!(out, "\n{table}")?;
    writeln!(
        out,
        "{} events, {} frames, {} lost. {} more windows were confirmed that are no injected fault.",
        outcome.events,
        outcome.frames,
        outcome.lost,
        outcome.others()
    )?;
    writeln!(out, "\nSummary  {}", ended.summary.display())?;
    if let Some(mail) = ended.report.path() {
        writeln!(out, "Mail     {}", mail.display())?;
    }
    writeln!(out, "Tables   {}", ended.tables_url)?;
    let tables = shell::word(&ended.tables_url);
    writeln!(out, "\nLook at them in the terminal:")?;
    writeln!(
        out,
        "  {} tables --tables {tables} --table combined_repeated --format table",
        shell::this_program()
    )?;
    writeln!(out, "\nor on the dashboard, at the same address and with the same key:")?;
    writeln!(out, "  {serve} --tables {tables}")
}

fn found(windows: &[&Found]) -> String {
    let highest = windows.iter().filter_map(|found| found.z_score).max_by(f64::total_cmp);
    match (windows.first(), windows.last(), highest) {
        (Some(first), Some(last), Some(z_score)) => format!(
            "yes, {} windows from {} to {}, z up to {z_score:.1}",
            windows.len(),
            time_of_day(first.start_time),
            time_of_day(last.end_time)
        ),
        _ => "NO".to_owned(),
    }
}

/// Hours and minutes of an RFC 3339 instant.
fn time_of_day(at: UnixSeconds) -> String {
    let text = at.to_string();
    text.get(11..16).unwrap_or(&text).to_owned()
}
