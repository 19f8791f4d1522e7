//! `cabinwatch-ground ingest`: from the broker into the tables, until told to stop.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, Flag};
use crate::http::ListenError;
use crate::ingest::{self, IngestError, Monitor, Summary};
use crate::operations::Server;
use crate::tables::{self, TablesError};

/// How often the numbers go to the log.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Flags of `ingest`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IngestArgs {
    /// The broker, e.g. mqtts://broker.example:8883
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// Where the tables are, e.g. sqlite:///data/tables.db; made if they are not there
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// Folder of the window archive, e.g. file:///data/archive or hdfs://namenode:8020/archive
    #[arg(long, value_name = "URL")]
    pub archive: Option<String>,
    /// Where to answer /healthz, /readyz and /metrics: a port on this machine, or ADDRESS:PORT
    #[arg(long, value_name = "LISTEN")]
    pub metrics: Option<String>,
    /// This process's name at the broker, unlike that of any other process
    #[arg(long, value_name = "NAME")]
    pub client_id: Option<String>,
    /// Share the aircraft's frames with the other ingest processes of this group
    #[arg(long, value_name = "GROUP")]
    pub share: Option<String>,
}

/// Why ingest failed.
#[derive(Debug, thiserror::Error)]
pub enum IngestCommandError {
    /// The tables.
    #[error(transparent)]
    Tables(#[from] TablesError),
    /// Ingest.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The metrics.
    #[error(transparent)]
    Server(#[from] ListenError),
    /// The runtime or its signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

impl IngestCommandError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Tables(error) => error.is_usage(),
            Self::Ingest(error) => matches!(error, IngestError::Broker(_) | IngestError::Archive(_)),
            Self::Server(_) | Self::Start(_) => false,
        }
    }
}

impl IngestArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![
            ("--broker", "broker.url", self.broker.clone()),
            ("--tables", "tables.url", self.tables.clone()),
            ("--archive", "ingest.archive", self.archive.clone()),
            ("--metrics", "metrics.listen", self.metrics.clone()),
            ("--client-id", "ingest.client_id", self.client_id.clone()),
            ("--share", "ingest.share", self.share.clone()),
        ]
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it can't start.
pub fn run(config: &Config) -> Result<(), IngestCommandError> {
    let monitor = Monitor::default();
    // The configuration has been checked. The server starts first, and ends last: it says what goes on meanwhile.
    let address = config.metrics.address().unwrap_or_default();
    let _server = address.map(|address| Server::start(address, monitor.clone())).transpose()?;
    let tables = tables::open(&config.tables.url, &config.tables)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (stop, stopped) = watch::channel(false);
        let (progress, numbers) = watch::channel(Summary::default());
        let watched = monitor.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping after the group in hand");
            // Before anything else: whoever asks whether this process is ready must not hear yes any more.
            watched.stopping();
            stop.send_replace(true);
            // Held, or the receiver would take its loss for a stop; a second signal changes nothing.
            stop.closed().await;
        });
        tokio::spawn(report(numbers));
        Ok::<_, IngestCommandError>(ingest::run_watched(config, tables, stopped, &progress, &monitor).await?)
    })?;
    tracing::info!(summary = %as_json(&summary), "stopped");
    Ok(())
}

async fn report(numbers: watch::Receiver<Summary>) {
    let mut last = Summary::default();
    loop {
        tokio::time::sleep(REPORT_EVERY).await;
        let summary = *numbers.borrow();
        if summary != last {
            tracing::info!(summary = %as_json(&summary), "since the start");
            last = summary;
        }
    }
}

fn as_json(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap_or_default()
}
