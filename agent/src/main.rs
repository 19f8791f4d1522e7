//! Entry point: parses the command line and calls the library.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use cabinwatch_agent::commands::export::{Format, Range};
use cabinwatch_agent::commands::record::{self, RecordArgs};
use cabinwatch_agent::commands::{
    CommandError, check_config, diag, export, model, rules_test, run, status, windows,
};
use cabinwatch_agent::config::{Config, Overrides};
use cabinwatch_agent::diag::Known;
use cabinwatch_agent::pipeline::Settings;
use cabinwatch_agent::rules::Daemon;
use cabinwatch_agent::service::{Notifier, hold_back, logging};
use cabinwatch_settings::Setting;
use cabinwatch_shared::time::UnixMillis;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Watches the WiFi of one aircraft: counts how passengers fare at each step, scores each window, tells the ground.
#[derive(Parser)]
#[command(name = "cabinwatch-agent", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon, until SIGTERM or Ctrl-C
    Run(ConfigArgs),
    /// Hand one event, or many, to the daemon; while it is down, keep them for it
    Record {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        record: RecordArgs,
    },
    /// Show how the agent is doing, what is wrong first: link, outbox, disk, open windows, what was counted and lost
    ///
    /// Exit codes: 0 all is well, 1 it cannot be told, 2 wrong configuration, 3 something needs attention.
    Status(ReportArgs),
    /// Show the last windows with their failure rates, scores and alarms
    Windows {
        #[command(flatten)]
        report: ReportArgs,
        /// How many closed windows
        #[arg(long, value_name = "N", default_value_t = 3)]
        last: usize,
    },
    /// Write the stored events as an EDR file or as JSON lines
    Export {
        #[command(flatten)]
        config: ConfigArgs,
        #[arg(long, value_enum, default_value_t = ExportFormat::Csv)]
        format: ExportFormat,
        /// From this instant on, e.g. 2026-11-21T08:00:00Z
        #[arg(long, value_name = "TIME", value_parser = instant)]
        since: Option<UnixMillis>,
        /// Up to and without this instant
        #[arg(long, value_name = "TIME", value_parser = instant)]
        until: Option<UnixMillis>,
    },
    /// Try the rules that turn log lines into events
    #[command(subcommand)]
    Rules(RulesAction),
    /// Show the model in use, or check a bundle
    #[command(args_conflicts_with_subcommands = true)]
    Model {
        #[command(flatten)]
        report: ReportArgs,
        #[command(subcommand)]
        action: Option<ModelAction>,
    },
    /// Gather what support asks for in one file, without passwords, names and addresses
    ///
    /// Works whatever is broken, and changes nothing. Exit codes: 0 the bundle is written, and problems.txt in it says
    /// what could not be found out; 1 it cannot be written; 2 wrong usage.
    Diag {
        #[command(flatten)]
        config: ConfigArgs,
        /// Where to; - for standard output [default: cabinwatch-diag-TAIL-TIME.tar.gz in this folder]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print every setting, its value, and where the value came from
    CheckConfig(ReportArgs),
}

#[derive(Subcommand)]
enum RulesAction {
    /// Show what a log yields, and which of its lines no rule knows
    Test {
        /// The log; - for standard input
        file: PathBuf,
        /// Rule files in place of the built-in rules
        #[arg(long, value_name = "FILE")]
        rules: Vec<PathBuf>,
        /// Who wrote lines that have no header, e.g. hostapd
        #[arg(long, value_name = "NAME")]
        daemon: Option<Daemon>,
        /// One JSON object a line for each event and each unknown line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum ModelAction {
    /// Say whether this agent would take a bundle: signature, cohort, expiry, self-test
    Check {
        /// The bundle
        file: PathBuf,
        #[command(flatten)]
        report: ReportArgs,
    },
}

#[derive(Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/cabinwatch/agent.toml")]
    config: PathBuf,
    /// Override `tail`, the aircraft's registration
    #[arg(long)]
    tail: Option<String>,
    /// Override `log.level`
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

#[derive(Args)]
struct ReportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// JSON for scripts in place of text
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExportFormat {
    Csv,
    Json,
}

fn instant(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::parse(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let result = dispatch(cli.command, &mut out).and_then(|code| Ok(out.flush().map(|()| code)?));
    match result {
        Ok(code) => code,
        // A reader that has seen enough (`| head`) is no failure.
        Err(CommandError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            logging::say(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// `status` tells by its exit code how the agent is doing; for all other commands success is success.
fn dispatch(command: Command, out: &mut impl Write) -> Result<ExitCode, CommandError> {
    let done = match command {
        Command::Status(args) => {
            let (config, settings) = args.config.settings()?;
            let status = status::gather(&config, &settings)?;
            status::print(&status, args.json, out)?;
            return Ok(ExitCode::from(status.health.exit_code()));
        }
        Command::Run(args) => {
            let notifier = Notifier::from_environment();
            hold_back(&notifier);
            let (config, _) = args.load()?;
            run::run(&config, &notifier)
        }
        Command::Record { config, record } => {
            let (config, _) = config.load()?;
            record::run(&config, &record)?;
            Ok(())
        }
        Command::Rules(RulesAction::Test { file, rules, daemon, json }) => {
            rules_test::run(&file, json, &rules, daemon, out)?;
            Ok(())
        }
        Command::Windows { report, last } => {
            let (config, settings) = report.config.settings()?;
            windows::print(&windows::gather(&config, &settings, last)?, report.json, out)
        }
        Command::Export { config, format, since, until } => {
            let (config, _) = config.load()?;
            let format = match format {
                ExportFormat::Csv => Format::Csv,
                ExportFormat::Json => Format::Json,
            };
            export::run(&config, format, Range { since, until }, out).map(|_| ())
        }
        Command::Model { report, action: None } => {
            let (config, settings) = report.config.settings()?;
            model::print(model::in_use(&config, &settings)?.as_ref(), report.json, out)
        }
        Command::Model { action: Some(ModelAction::Check { file, report }), .. } => {
            let (_, settings) = report.config.settings()?;
            model::print(model::check(&settings, &file)?.as_ref(), report.json, out)
        }
        Command::Diag { config, output } => {
            let ConfigArgs { config: file, tail, log_level } = config;
            let loaded = Config::load(&file, variables(), &Overrides { tail, log_level });
            diag::run(&Known { file: &file, loaded: &loaded }, output.as_deref(), out)
        }
        Command::CheckConfig(args) => {
            let (_, settings) = args.config.load()?;
            check_config::print(&settings, args.json, out)
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

impl ConfigArgs {
    /// Loads the configuration and starts logging as it says.
    fn load(self) -> Result<(Config, Vec<Setting>), CommandError> {
        let overrides = Overrides { tail: self.tail, log_level: self.log_level };
        let (config, settings) = Config::load(&self.config, variables(), &overrides)?;
        logging::start(&config.log);
        Ok((config, settings))
    }

    fn settings(self) -> Result<(Config, Settings), CommandError> {
        let (config, _) = self.load()?;
        let settings = Settings::from_config(&config).map_err(|error| CommandError::Config(error.into()))?;
        Ok((config, settings))
    }
}

/// The environment, as far as it is text; settings are.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
