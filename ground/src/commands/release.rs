//! The flags of the commands that bring a model onto its way.

use std::path::PathBuf;

use crate::config::Flag;

/// Where a model comes from, and where it goes.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ReleaseArgs {
    /// The model folder: the bundle, its signing key, and the versions given out
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// The broker, e.g. mqtts://broker.example:8883
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
    /// The tables that ingest writes: it scores with the models it finds there, and keeps what aircraft report of them
    #[arg(long, value_name = "URL")]
    pub tables: Option<String>,
}

impl ReleaseArgs {
    /// The settings the flags set.
    #[must_use]
    pub fn flags(&self) -> Vec<Flag> {
        vec![
            ("--model-dir", "model.dir", self.model_dir.as_ref().map(|dir| dir.display().to_string())),
            ("--broker", "broker.url", self.broker.clone()),
            ("--tables", "tables.url", self.tables.clone()),
        ]
    }
}
