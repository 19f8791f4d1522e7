//! The scoring API as a child process, and the scorer it takes the place of: `tests/parts/fastapi`, on FastAPI and
//! scikit-learn.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::broker::free_port;
use crate::parts;
use crate::process::Process;
use crate::program::{Ended, ground};

/// The key that both are given.
pub const KEY: &str = "an-api-key-of-the-tests";
/// The environment variable that holds it.
pub const KEY_VARIABLE: &str = "AIOPS_API_KEY";

/// A Python that has what `tests/api` needs.
///
/// # Panics
/// When `make setup` has not been run.
#[must_use]
pub fn python() -> PathBuf {
    parts::fetched("api").join("bin/python")
}

/// A file of `tests/api`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("api").join(name)
}

/// A CSV of this many rows of a gateway's network telemetry.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn telemetry_csv(folder: &Path, rows: usize) -> PathBuf {
    let csv = folder.join("network_traffic_data.csv");
    let file = File::create(&csv).expect("the CSV can be made");
    let mut command = Command::new(python());
    command.arg(script("traffic.py")).args([&rows.to_string(), "1"]);
    let status = command.stdin(Stdio::null()).stdout(file).status().expect("Python starts");
    assert!(status.success(), "traffic.py ended with {status}");
    csv
}

/// `cabinwatch-ground serve`.
#[derive(Debug)]
pub struct Serve {
    port: u16,
    /// The server itself.
    pub process: Process,
}

impl Serve {
    /// Trains a model on a CSV by `retrain --telemetry`; its folder.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn train(folder: &Path, csv: &Path) -> PathBuf {
        let model = folder.join("telemetry-model");
        Ended::well(ground(["retrain", "--telemetry"]).arg(csv).arg("--model-dir").arg(&model));
        model
    }

    /// Starts it on a model, and waits until it listens. `settings` is TOML.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path, model: &Path, settings: &str) -> Self {
        let port = free_port();
        let config = folder.join("serve.toml");
        fs::write(&config, settings).expect("the configuration can be written");
        let mut command = ground(["serve", "--listen", &format!("127.0.0.1:{port}"), "--config"]);
        command.arg(config).arg("--model-dir").arg(model).env(KEY_VARIABLE, KEY);
        let mut process = Process::new(command, &folder.join("serve.log")).ready_when_it_listens(port);
        process.start();
        Self { port, process }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }
}

/// The scorer in use today.
#[derive(Debug)]
pub struct FastApi {
    port: u16,
    /// The server itself.
    pub process: Process,
}

impl FastApi {
    /// Trains scikit-learn's model on a CSV; its file.
    ///
    /// # Panics
    /// When that fails.
    #[must_use]
    pub fn train(folder: &Path, csv: &Path) -> PathBuf {
        let model = folder.join("model.joblib");
        let mut command = Command::new(parts::fetched("fastapi").join("bin/python"));
        Ended::well(command.arg(parts::own("fastapi/model.py")).args([csv, &model]));
        model
    }

    /// Starts it on such a model, and waits until it listens.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(folder: &Path, model: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(parts::fetched("fastapi").join("bin/python"));
        command.args(["-m", "uvicorn", "--no-access-log", "--app-dir"]).arg(parts::own("fastapi"));
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "app:app"]);
        command.env(KEY_VARIABLE, KEY).env("MODEL", model);
        let mut process = Process::new(command, &folder.join("fastapi.log")).ready_when_it_listens(port);
        process.start();
        Self { port, process }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port)
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
