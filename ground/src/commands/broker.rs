//! `cabinwatch-ground broker`: an MQTT broker for development.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

use crate::broker::{Embedded, EmbeddedError};

/// Flags of `broker`.
#[derive(Clone, Debug, clap::Args)]
pub struct BrokerArgs {
    /// Address and port; port 0 picks a free one. Whoever reaches it may do anything, so keep to loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1883")]
    pub listen: SocketAddr,
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerCommandError {
    /// The broker.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The runtime, its signals, or the output.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the broker can't listen.
pub fn run(args: &BrokerArgs, out: &mut dyn Write) -> Result<(), BrokerCommandError> {
    if !args.listen.ip().is_loopback() {
        tracing::warn!(listen = %args.listen, "this broker knows no users and no access list; use it on loopback only");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let broker = Embedded::start(args.listen)?;
        writeln!(out, "Development broker on {}; it keeps everything in memory.", broker.url())?;
        out.flush()?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
