//! The server that ground operations look at, for as long as the demo runs.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cabinwatch_shared::time::UnixSeconds;
use data_encoding::HEXLOWER;

use super::DemoError;
use super::folder::Folder;
use crate::api::{Keys, Monitor, Parts, Server};
use crate::commands::serve;
use crate::config::{ApiConfig, Config, ModelConfig};
use crate::simulate::telemetry::{TelemetryFiles, TelemetryPlan, write_telemetry};
use crate::tables;
use crate::telemetry::training;

/// Random bytes of the key.
const KEY_BYTES: usize = 16;
/// Enough for a model, and little enough that nobody waits for it.
const TELEMETRY_ROWS: u32 = 5000;
const TELEMETRY_ODD_ROWS: u32 = 25;
const DAY_SECONDS: u32 = 86_400;

/// The server of `serve`, in this process, on the demo's tables. Dropping it ends it.
pub struct Dashboard {
    server: Server,
    key: String,
    model_dir: PathBuf,
}

/// Whoever has the key may look.
impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, key: _, model_dir } = self;
        f.debug_struct("Dashboard")
            .field("server", server)
            .field("model_dir", model_dir)
            .finish_non_exhaustive()
    }
}

impl Dashboard {
    /// Makes empty tables and a telemetry model, and serves them with a key that nobody has had before.
    pub(super) fn start(
        config: &Config,
        folder: &Folder,
        listen: SocketAddr,
        seed: u64,
    ) -> Result<Self, DemoError> {
        let model_dir = folder.telemetry();
        train_telemetry(&model_dir, seed)?;
        // They are there before anyone asks for a page.
        drop(tables::open(&config.tables.url, &config.tables)?);
        let key = random_key()?;
        let keys = Arc::new(Keys::load(Path::new(""), Some(&key))?);
        let api = ApiConfig {
            listen: listen.to_string(),
            audit_file: model_dir.join("anomalies.jsonl"),
            ..ApiConfig::default()
        };
        let model = ModelConfig { dir: model_dir.clone(), ..config.model.clone() };
        let config = Config { api, model, ..config.clone() };
        let pages = serve::pages(&config, Arc::clone(&keys));
        let server = Server::start(&config, Parts { keys, pages, monitor: Monitor::default() })?;
        Ok(Self { server, key, model_dir })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The key that its login asks for. It opens nothing but this server, and `serve` when it is told to.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The folder of its telemetry model.
    #[must_use]
    pub fn model_dir(&self) -> &Path {
        &self.model_dir
    }
}

/// The API beside the pages wants a model of network telemetry.
fn train_telemetry(folder: &Path, seed: u64) -> Result<(), DemoError> {
    let now = UnixSeconds(jiff::Timestamp::now().as_second());
    let day = i64::from(DAY_SECONDS);
    let plan = TelemetryPlan {
        seed,
        rows: TELEMETRY_ROWS,
        odd: TELEMETRY_ODD_ROWS,
        start: UnixSeconds((now.0.div_euclid(day) - 1) * day),
        seconds: DAY_SECONDS,
    };
    let data = folder.join("network_traffic_data.csv");
    let labels = folder.join("network_traffic_data_labels.csv");
    write_telemetry(plan, &TelemetryFiles { data: data.clone(), labels }, || ())?;
    training::train(&training::read_csv(&data, &mut |_| ())?, now)?.write(folder)?;
    Ok(())
}

fn random_key() -> Result<String, DemoError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| DemoError::Broken(error.to_string()))?;
    Ok(HEXLOWER.encode(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ground;

    #[test]
    fn each_demo_has_a_key_of_its_own_that_debugging_output_does_not_show() {
        let parent = tempfile::tempdir().expect("a folder");
        let start = |name: &str| {
            let folder = Folder::prepare(&parent.path().join(name)).expect("a new folder");
            let config = ground::config(&Config::default(), &folder);
            Dashboard::start(&config, &folder, SocketAddr::from(([127, 0, 0, 1], 0)), 1).expect("a dashboard")
        };
        let (one, other) = (start("one"), start("other"));
        assert_ne!(one.key(), other.key());
        assert!(!format!("{one:?}").contains(one.key()));
        assert_ne!(one.address(), other.address());
        assert!(one.model_dir().join("telemetry.cwt").exists(), "the API has no model");
    }
}
