//! The ground's side of the demo: history, model, broker and ingest.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::ModelOutcome;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::DemoError;
use super::folder::{Folder, file_url};
use super::timeline::Timeline;
use crate::broker::Embedded;
use crate::commands::publish;
use crate::commands::retrain::{self, RetrainArgs};
use crate::config::{Config, HistoryConfig, IngestConfig, MailConfig, ModelConfig, TablesConfig};
use crate::ingest::{self, IngestError, Summary};
use crate::simulate::{FilePlan, Fleet, FleetPlan, Written, write_files};
use crate::tables::{self, Query};
use crate::train::Evaluation;
use crate::train::folder::ModelFolder;
use crate::train::keys::public_hex;

/// Ten days of a single aircraft: EDR files do not tell aircraft apart, so a fleet's rates, of many more passengers,
/// would scatter less than those of one aircraft and call most of its windows unusual.
const HISTORY_DAYS: u32 = 10;
const HISTORY_AIRCRAFT: u16 = 1;
const FILES_PER_DAY: NonZeroU32 = NonZeroU32::new(24).expect("24 is not zero");
const DAY_SECONDS: u32 = 86_400;
/// The history must not hold the very events that are played later.
const HISTORY_SEED: u64 = 0x6869_7374_6f72_7900;
/// How long the aircraft may take to have a published model in use.
const MODEL_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// The configuration the ground runs with in this folder: defaults, as the agents have them too, but for what is said
/// of tables and mail.
pub(super) fn config(base: &Config, folder: &Folder) -> Config {
    Config {
        history: HistoryConfig { url: file_url(&folder.history()), ..HistoryConfig::default() },
        model: ModelConfig { dir: folder.model(), ..ModelConfig::default() },
        tables: TablesConfig { url: folder.tables_url(), ..base.tables.clone() },
        ingest: IngestConfig { archive: folder.archive_url(), ..IngestConfig::default() },
        mail: MailConfig { url: folder.mail_url(), ..base.mail.clone() },
        ..Config::default()
    }
}

/// Writes the days before the timeline as EDR files, without faults, so that what is usual can be learnt from it.
pub(super) fn simulate_history(
    config: &Config,
    folder: &Folder,
    timeline: Timeline,
    seed: u64,
) -> Result<Written, DemoError> {
    let seconds = HISTORY_DAYS * DAY_SECONDS;
    let start = UnixSeconds(timeline.start.0 - i64::from(seconds));
    let seed = seed ^ HISTORY_SEED;
    let plan = FleetPlan { seed, aircraft: HISTORY_AIRCRAFT, start, seconds, events: None, faults: 0 };
    let files = FilePlan {
        folder: folder.history(),
        prefix: config.history.prefix.clone(),
        files_per_day: FILES_PER_DAY,
    };
    Ok(write_files(&Fleet::new(plan), &files, || ())?)
}

/// Trains on the history, as the command does.
pub(super) fn train(config: &Config, timeline: Timeline) -> Result<Evaluation, DemoError> {
    // The files' days count from the last one, and the first day may be cut.
    let mut config = config.clone();
    config.retrain.days = HISTORY_DAYS + 1;
    let args = RetrainArgs { now: Some(timeline.start), ..RetrainArgs::default() };
    Ok(retrain::run(&config, &args, &mut std::io::sink())?)
}

/// The public key whose signature agents must believe.
pub(super) fn trusted_key(config: &Config) -> Result<String, DemoError> {
    Ok(public_hex(ModelFolder::of(&config.model)?.trusted()?))
}

/// Broker and ingest, running.
pub(super) struct Ground {
    config: Config,
    stop: watch::Sender<bool>,
    progress: watch::Receiver<Summary>,
    ingest: thread::JoinHandle<Result<Summary, IngestError>>,
    broker: Embedded,
}

impl Ground {
    /// Starts a broker on a free port of the loopback interface, and ingest beside it.
    pub fn start(config: &Config) -> Result<Self, DemoError> {
        let broker = Embedded::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let mut config = config.clone();
        config.broker.url = broker.url();
        let tables = tables::open(&config.tables.url, &config.tables)?;
        let (stop, stopped) = watch::channel(false);
        let (report, progress) = watch::channel(Summary::default());
        let settings = config.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DemoError::Broken(error.to_string()))?;
        let ingest = thread::Builder::new()
            .name("ingest".to_owned())
            .spawn(move || runtime.block_on(ingest::run(&settings, tables, stopped, &report)))
            .map_err(|error| DemoError::Broken(error.to_string()))?;
        Ok(Self { config, stop, progress, ingest, broker })
    }

    /// Where agents reach the broker.
    pub fn broker_url(&self) -> String {
        self.broker.url()
    }

    /// What ingest has done so far.
    pub fn progress(&self) -> Summary {
        *self.progress.borrow()
    }

    /// Makes the model known to the ground and publishes it to the aircraft, as the command does. Blocks.
    pub fn publisher(&self) -> impl FnOnce() -> Result<ModelVersion, DemoError> + Send + 'static {
        let config = self.config.clone();
        move || Ok(publish::run(&config, &mut std::io::sink())?)
    }

    /// Waits until so many aircraft have reported the model in use.
    pub async fn model_in_use(&self, version: ModelVersion, aircraft: usize) -> Result<(), DemoError> {
        let started = Instant::now();
        let tables = tables::open_to_read(&self.config.tables.url, &self.config.tables)?;
        loop {
            let reports = tables.model_reports(&Query::default())?;
            let in_use = reports
                .iter()
                .filter(|record| {
                    record.report.version == version && record.report.outcome == ModelOutcome::Activated
                })
                .count();
            if in_use >= aircraft {
                return Ok(());
            }
            if started.elapsed() > MODEL_PATIENCE {
                return Err(DemoError::ModelNotTaken { aircraft: in_use, patience: MODEL_PATIENCE });
            }
            sleep(POLL).await;
        }
    }

    /// Stops ingest when it has stored what it has in hand.
    pub fn stop(self) -> Result<Summary, DemoError> {
        self.stop.send_replace(true);
        let ended = self.ingest.join().map_err(|_| DemoError::Broken("ingest panicked".to_owned()))?;
        Ok(ended?)
    }
}
