//! `cabinwatch-ground serve`: the scoring API and the pages for people, until told to stop.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::api::{KEY_VARIABLE, Keys, KeysError, Monitor, Pages, Parts, Server, ServerError};
use crate::config::{Config, Flag};
use crate::http::{ListenError, Stop};
use crate::{dashboard, operations, tables};

/// Flags of `serve`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Folder of the telemetry model, as `retrain --telemetry` leaves it; a new one is taken up within seconds
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Where to answer: a port on this machine, or ADDRESS:PORT; default: 8000
    #[arg(long, value_name = "LISTEN")]
    pub listen: Option<String>,
    /// The anomaly tables to show on pages, e.g. sqlite:///data/tables.db; default: no pages
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
    /// Where to answer /healthz, /readyz and /metrics: a port on this machine, or ADDRESS:PORT
    #[arg(long, value_name = "LISTEN")]
    pub metrics: Option<String>,
}

/// Why `serve` failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The metrics.
    #[error(transparent)]
    Operations(#[from] ListenError),
    /// Nowhere to look for a model.
    #[error("there is no folder for the model: give one with --model-dir, or set model.dir")]
    NoModelDir,
    /// The signals.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

impl ServeError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        match self {
            Self::Keys(_) | Self::NoModelDir => true,
            Self::Server(error) => error.is_usage(),
            Self::Operations(_) | Self::Start(_) => false,
        }
    }
}

impl ServeArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        let model_dir = self.model_dir.as_ref().map(|path| path.to_string_lossy().into_owned());
        vec![
            ("--model-dir", "model.dir", model_dir),
            ("--listen", "api.listen", self.listen.clone()),
            ("--tables", "tables.url", self.tables.clone()),
            ("--metrics", "metrics.listen", self.metrics.clone()),
        ]
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it can't start.
pub fn run(config: &Config) -> Result<(), ServeError> {
    // First, so that no signal from now on ends the process halfway.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    if config.model.dir.as_os_str().is_empty() {
        return Err(ServeError::NoModelDir);
    }
    let keys = Arc::new(Keys::load(&config.api.keys_file, std::env::var(KEY_VARIABLE).ok().as_deref())?);
    let monitor = Monitor::default();
    // It starts first, and ends last: it says what goes on meanwhile. The configuration has been checked.
    let address = config.metrics.address().unwrap_or_default();
    let _operations =
        address.map(|address| operations::Server::start(address, monitor.clone())).transpose()?;
    let pages = pages(config, Arc::clone(&keys));
    let parts = Parts { keys, pages, monitor: monitor.clone() };
    let server = Server::start(config, parts)?;
    signals.forever().next();
    tracing::info!("stopping after the requests in hand");
    // Before anything else: whoever asks whether this process is ready must not hear yes any more.
    monitor.stopping();
    drop(server);
    tracing::info!("stopped");
    Ok(())
}

/// The pages for people, if there are tables to show.
pub(crate) fn pages(config: &Config, keys: Arc<Keys>) -> Option<Pages> {
    if config.tables.url.is_empty() {
        return None;
    }
    let tables = config.tables.clone();
    // The configuration has been checked.
    let header = config.api.user_header().unwrap_or_default();
    let proxies = config.api.trusted_proxies.clone();
    let proxy = header.map(|header| dashboard::TrustedProxy {
        header,
        is_trusted: Arc::new(move |peer| proxies.contains(&peer)),
    });
    let secure = !config.api.tls_certificate_file.as_os_str().is_empty();
    Some(Box::new(move |stop: Stop| {
        dashboard::router(dashboard::Parts {
            open_tables: Box::new(move || tables::open_to_read(&tables.url, &tables)),
            name_of_key: Arc::new(move |key| keys.name_of(key).map(ToString::to_string)),
            proxy,
            secure,
            stopped: stop.channel(),
            clock: dashboard::wall_clock(),
        })
    }))
}
