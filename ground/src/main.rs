//! Entry point: parses the command line and calls the library.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cabinwatch_ground::commands::output::Output;
use cabinwatch_ground::commands::{
    archive, broker, broker_config, check_config, demo, detect, ingest, keygen, logging, model, promote,
    publish, report, retrain, serve, simulate, stream, tables,
};
use cabinwatch_ground::config::{self, Flag, LogConfig};
use clap::{Parser, Subcommand};

/// The ground side of Cabinwatch: takes in what aircraft report about their WiFi, trains the models they score with,
/// and reports the faults that are confirmed.
///
/// Exit codes: 0 it worked, 1 it failed, 2 the call or the configuration is wrong.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    /// Configuration file (TOML); `check-config` lists all settings
    #[arg(long, global = true, value_name = "FILE", env = "CABINWATCH_GROUND_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take the aircraft's frames from the broker into the tables, until SIGTERM
    Ingest(ingest::IngestArgs),
    /// Score the newest EDR files: six anomaly tables and a mail
    Detect(detect::DetectArgs),
    /// Train a model on EDR files or the window archive and sign it; or one for `serve` on network telemetry
    Retrain(retrain::RetrainArgs),
    /// Take over the model in use today, show models and how they do on aircraft, change the signing key
    Model(model::ModelArgs),
    /// Put a trained model on the broker for the aircraft to fetch
    Publish(publish::PublishArgs),
    /// Give a model that did well on one cohort to another
    Promote(promote::PromoteArgs),
    /// Mail what was confirmed in a period, from the tables alone
    Report(report::ReportArgs),
    /// Score network events over HTTP, and show the fleet on pages, until SIGTERM
    Serve(serve::ServeArgs),
    /// Show what the tables hold
    Tables(tables::TablesArgs),
    /// Care for the window archive that ingest keeps
    Archive(archive::ArchiveArgs),
    /// Make a key pair to sign models with
    Keygen(keygen::KeygenArgs),
    /// Write EDR files of a fleet that isn't there, with labelled faults
    Simulate(simulate::SimulateArgs),
    /// Replay network telemetry to the scoring API, with unexpected ports that it should find
    Stream(stream::StreamArgs),
    /// Show the whole path on this machine: three aircraft, a broker, the ground, and two known faults
    Demo(demo::DemoArgs),
    /// Run an MQTT broker for development
    Broker(broker::BrokerArgs),
    /// Write the configuration of a mosquitto broker for a fleet: listeners, access list, passwords
    BrokerConfig(broker_config::BrokerConfigArgs),
    /// Print every setting in force, and where its value came from
    CheckConfig(check_config::CheckConfigArgs),
}

impl Command {
    /// The settings that flags set.
    fn flags(&self) -> Vec<Flag> {
        match self {
            Self::Ingest(args) => args.flags(),
            Self::Detect(args) => args.flags(),
            Self::Retrain(args) => args.flags(),
            Self::Model(args) => args.flags(),
            Self::Publish(args) => args.flags(),
            Self::Promote(args) => args.flags(),
            Self::Report(args) => args.flags(),
            Self::Serve(args) => args.flags(),
            Self::Tables(args) => args.flags(),
            Self::Keygen(args) => args.flags(),
            Self::Archive(args) => args.flags(),
            Self::Simulate(args) => args.flags(),
            Self::Stream(_)
            | Self::Demo(_)
            | Self::Broker(_)
            | Self::BrokerConfig(_)
            | Self::CheckConfig(_) => Vec::new(),
        }
    }
}

/// Why the program ends badly.
struct Failure {
    error: Box<dyn Error>,
    usage: bool,
}

impl Failure {
    fn new(error: impl Error + 'static, usage: bool) -> Self {
        Self { error: Box::new(error), usage }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cabinwatch-ground: {}", failure.error);
            ExitCode::from(if failure.usage { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let (config, settings) = config::load(cli.config.as_deref(), variables, &cli.command.flags())
        .map_err(|error| Failure::new(error, true))?;
    logging::start(&log_config(&cli.command, &config.log));
    // Not locked for good: `serve` writes its log of anomalies there from a thread of its own.
    let mut out = Output::new(io::stdout());
    match cli.command {
        Command::Ingest(_) => {
            ingest::run(&config).map_err(|e| usage(e, ingest::IngestCommandError::is_usage))
        }
        Command::Detect(args) => detect::run(&config, &args, &mut out)
            .map(drop)
            .map_err(|e| usage(e, detect::DetectError::is_usage)),
        Command::Retrain(args) => retrain::run_command(&config, &args, &mut out)
            .map_err(|e| usage(e, retrain::RetrainError::is_usage)),
        Command::Model(args) => {
            model::run(&config, &args, &mut out).map_err(|e| usage(e, model::ModelCommandError::is_usage))
        }
        Command::Publish(_) => publish::run(&config, &mut out)
            .map(drop)
            .map_err(|e| usage(e, publish::PublishCommandError::is_usage)),
        Command::Promote(args) => promote::run(&config, &args, &mut out)
            .map(drop)
            .map_err(|e| usage(e, promote::PromoteError::is_usage)),
        Command::Report(args) => {
            report::run(&config, &args, &mut out).map_err(|e| usage(e, report::ReportCommandError::is_usage))
        }
        Command::Serve(_) => serve::run(&config).map_err(|e| usage(e, serve::ServeError::is_usage)),
        Command::Tables(args) => {
            tables::run(&config, &args, &mut out).map_err(|e| usage(e, tables::TablesCommandError::is_usage))
        }
        Command::Archive(args) => archive::run(&config, &args, &mut out)
            .map_err(|e| usage(e, archive::ArchiveCommandError::is_usage)),
        Command::Keygen(args) => {
            keygen::run(&config, &args, &mut out).map_err(|e| usage(e, keygen::KeygenError::is_usage))
        }
        Command::Simulate(args) => simulate::run(&config, &args, &mut out)
            .map_err(|e| usage(e, simulate::SimulateCommandError::is_usage)),
        Command::Stream(args) => {
            stream::run(&args, &mut out).map_err(|e| usage(e, stream::StreamCommandError::is_usage))
        }
        Command::Demo(args) => demo::run(&config, &args, &mut out)
            .map(drop)
            .map_err(|e| usage(e, demo::DemoCommandError::is_usage)),
        Command::Broker(args) => broker::run(&args, &mut out).map_err(|e| Failure::new(e, false)),
        Command::BrokerConfig(args) => broker_config::run(&args, &mut out)
            .map_err(|e| usage(e, broker_config::BrokerConfigError::is_usage)),
        Command::CheckConfig(args) => {
            check_config::run(&settings, args, &mut out).map_err(|e| Failure::new(e, false))
        }
    }?;
    out.flush().map_err(|error| Failure::new(error, false))
}

/// The demo shows its progress instead of what is merely worth knowing, unless more is asked for.
fn log_config(command: &Command, config: &LogConfig) -> LogConfig {
    let is_default = config.level == LogConfig::default().level;
    match command {
        Command::Demo(_) if is_default => LogConfig { level: "warn".to_owned(), ..config.clone() },
        _ => config.clone(),
    }
}

fn usage<E: Error + 'static>(error: E, is_usage: impl Fn(&E) -> bool) -> Failure {
    let usage = is_usage(&error);
    Failure::new(error, usage)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_file_may_stand_behind_the_command() {
        let cli = Cli::try_parse_from([
            "cabinwatch-ground",
            "retrain",
            "--history",
            "file:///x",
            "--config",
            "a.toml",
        ]);
        assert_eq!(cli.expect("parsed").config, Some(PathBuf::from("a.toml")));
    }
    #[test]
    fn telemetry_is_trained_on_without_any_fault_history() {
        let parse = |flags: &str| {
            let words = ["cabinwatch-ground", "retrain"].into_iter().chain(flags.split(' '));
            Cli::try_parse_from(words).map(drop).map_err(|error| error.kind())
        };
        assert_eq!(parse("--telemetry traffic.csv --model-dir models --json"), Ok(()));
        let histories = ["--history file:///x", "--archive file:///x", "--days 3", "--cohort canary"];
        for flags in histories.iter().chain(&["--now 2026-01-01T00:00:00Z", "--metrics-file x"]) {
            assert_eq!(parse(&format!("--telemetry traffic.csv {flags}")), Err(ErrorKind::ArgumentConflict));
        }
        assert_eq!(parse("--json"), Err(ErrorKind::MissingRequiredArgument));
    }
}
