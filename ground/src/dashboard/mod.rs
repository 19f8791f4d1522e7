//! The page that ground operations keep open: the fleet, an aircraft, an anomaly.
//!
//! Pages are made here ([`pages`], with `ground/templates/dashboard`), from what the tables say ([`facts`], by way of
//! the [`desk`]), for a time and a filter that stand in the address ([`parameters`]). A small script of ours asks for
//! the page again when [`live`] says that something changed, and swaps what is different; without it pages work too.
//! Nothing here writes, and nothing comes from elsewhere. `docs/dashboard.md` describes it for those who look at it.

mod access;
mod assets;
mod bounds;
mod chart;
mod desk;
mod episode;
mod facts;
mod links;
mod live;
mod pages;
mod parameters;
mod period;
mod routes;
#[cfg(test)]
mod tests;
mod words;

use std::io;
use std::sync::Arc;

use axum::Router;
use cabinwatch_shared::time::UnixSeconds;
use tokio::sync::watch;

pub use access::{NameOfKey, TrustedProxy};
pub use links::{FLEET, aircraft, anomaly};

use crate::tables::{Tables, TablesError};

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> UnixSeconds + Send + Sync>;
/// Opens the tables to read; again after they failed.
pub type OpenTables = Box<dyn Fn() -> Result<Box<dyn Tables>, TablesError> + Send>;

/// What the dashboard needs of the server it is part of.
pub struct Parts {
    /// The tables it shows.
    pub open_tables: OpenTables,
    /// Who may log in.
    pub name_of_key: NameOfKey,
    /// Who may let people in besides.
    pub proxy: Option<TrustedProxy>,
    /// Whether browsers come by TLS; then cookies travel by nothing else.
    pub secure: bool,
    /// Becomes true when the server stops; lines that stay open end then.
    pub stopped: watch::Receiver<bool>,
    /// The wall clock.
    pub clock: Clock,
}

/// The dashboard's pages: `/fleet`, `/aircraft/{tail}`, `/anomaly/{tail}/{at}`, `/live`, `/login`, `/logout` and
/// `/assets/{name}`. The server says by `ConnectInfo<SocketAddr>` whose connection a request came by; without it, all
/// are taken for one. An answer to `/live` stays open for minutes: no limit on a connection's time may end it.
///
/// Must be called within a runtime, where the watcher of `/live` then runs.
///
/// # Errors
/// When the system gives no thread for reading the tables.
pub fn router(parts: Parts) -> io::Result<Router> {
    routes::router(parts)
}

/// The wall clock of this machine.
#[must_use]
pub fn wall_clock() -> Clock {
    Arc::new(|| UnixSeconds(jiff::Timestamp::now().as_second()))
}
