//! Logging: to stderr, as text or JSON lines.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::LogConfig;

/// Starts logging as configured. Of what others log, only warnings pass; the embedded broker calls every client that
/// leaves an error, so it is heard at `debug` and `trace` only.
pub fn start(config: &LogConfig) {
    let level = config.level.parse().unwrap_or(LevelFilter::INFO);
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(
            "rumqttd",
            if level >= LevelFilter::DEBUG { LevelFilter::WARN } else { LevelFilter::OFF },
        )
        .with_target("cabinwatch", level);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let layer = if config.json { lines.json().boxed() } else { lines.with_ansi(is_terminal()).boxed() };
    // Fails only where something logs already, as in a test.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}

fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}
