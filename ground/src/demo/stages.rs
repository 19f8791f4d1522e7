//! The demo from its first stage to its last.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cabinwatch_shared::event::State;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::agent::{Agent, Input, Status};
use super::dashboard::Dashboard;
use super::feed::{self, Datagram, Pace};
use super::folder::Folder;
use super::ground::{self, Ground};
use super::outcome::{self, Outcome};
use super::progress::Progress;
use super::timeline::{Stretch, Timeline};
use super::{DemoError, gateway};
use crate::config::Config;
use crate::report::{Mailer, Reported, Run};
use crate::simulate::Fault;
use crate::tables;

/// The aircraft that is fed a real gateway's logs.
const GATEWAY_TAIL: &str = "TC-GWY";
/// The agents' `lateness_seconds`, as it is by default.
const LATENESS: Duration = Duration::from_secs(30);
/// Kept of the demo's time for what comes before and after the flight.
const ENDING: Duration = Duration::from_secs(8);
/// The flight is played in no less than this, whatever time was asked for.
const SHORTEST_FLIGHT: Duration = Duration::from_secs(8);
/// How long everything that was sent may take to be stored on the ground.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

/// What to show, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// About how long the demo takes.
    pub duration: Duration,
    /// Where everything lands.
    pub out: PathBuf,
    /// The agent's program.
    pub agent: PathBuf,
    /// Seed of the simulation.
    pub seed: u64,
    /// Where the dashboard listens.
    pub listen: SocketAddr,
}

/// A demo whose dashboard answers already, so that somebody can watch it from its beginning.
#[derive(Debug)]
pub struct Demo {
    settings: Settings,
    folder: Folder,
    config: Config,
    dashboard: Dashboard,
}

/// A demo that came to its end.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What was found of what was injected.
    pub outcome: Outcome,
    /// The mail.
    pub report: Reported,
    /// The tables' URL.
    pub tables_url: String,
    /// The summary's file.
    pub summary: PathBuf,
}

impl Demo {
    /// Prepares the folder and starts the dashboard.
    ///
    /// # Errors
    /// When the folder is not ours to use, or the dashboard does not start.
    pub fn prepare(base: &Config, settings: Settings) -> Result<Self, DemoError> {
        let folder = Folder::prepare(&settings.out)?;
        let config = ground::config(base, &folder);
        let dashboard = Dashboard::start(&config, &folder, settings.listen, settings.seed)?;
        Ok(Self { settings, folder, config, dashboard })
    }

    /// Where to watch.
    #[must_use]
    pub const fn dashboard(&self) -> &Dashboard {
        &self.dashboard
    }

    /// Runs all stages, then ends the dashboard. SIGINT and SIGTERM stop it, and the agents with it.
    ///
    /// # Errors
    /// When a stage fails. What the stages before it left stays in the folder.
    pub fn run(self) -> Result<Ended, DemoError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| DemoError::Broken(error.to_string()))?;
        let Self { settings, folder, config, dashboard: _open } = self;
        runtime.block_on(async {
            let interrupted = interrupted()?;
            tokio::select! {
                ended = stages(&settings, &folder, &config) => ended,
                () = interrupted => Err(DemoError::Interrupted),
            }
        })
    }
}

fn interrupted() -> Result<impl Future<Output = ()>, DemoError> {
    let broken = |error: std::io::Error| DemoError::Broken(error.to_string());
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

async fn stages(settings: &Settings, folder: &Folder, config: &Config) -> Result<Ended, DemoError> {
    let started = Instant::now();
    let timeline = Timeline::before(UnixSeconds(jiff::Timestamp::now().as_second()));
    let mut progress = Progress::new(6);
    let trusted_key = history_and_model(config, folder, timeline, settings.seed, &mut progress).await?;

    let stage = progress.stage("Broker, ingest and three aircraft", None);
    let ground = Ground::start(config)?;
    let stretches = timeline.stretches(settings.seed)?;
    let mut aircraft = Aircraft::start(settings, folder, timeline, &stretches, &ground, &trusted_key).await?;
    stage.done(&format_args!("{}; broker at {}", aircraft.names(), ground.broker_url()));

    let left = settings.duration.saturating_sub(started.elapsed() + ENDING).max(SHORTEST_FLIGHT);
    aircraft.fly(timeline, left, &ground, &mut progress).await?;

    let stage = progress.stage("Landing: everything to the ground", None);
    let failures = aircraft.failures(timeline);
    let (events, missing) = aircraft.land(timeline).await?;
    let ingested = ground.stop()?;
    stage.done(&format_args!("{events} events stored, {} frames on the ground", ingested.frames));

    let stage = progress.stage("Report", None);
    let tables = tables::open_to_read(&config.tables.url, &config.tables)?;
    let now = UnixSeconds(jiff::Timestamp::now().as_second());
    let run = Run::of_tables(&*tables, Some(timeline.start), Some(timeline.end), now)?;
    let report = Mailer::new(config)?.report(&run, &*tables)?;
    stage.done(&report.subject);

    let faults: Vec<Fault> = stretches.iter().map(|stretch| stretch.fault.clone()).collect();
    let mut outcome = Outcome::read(&*tables, timeline, &faults)?;
    outcome.events = events;
    outcome.lost += missing + outcome::miscounted(&*tables, timeline, &failures)?;
    outcome.write(&folder.summary())?;
    Ok(Ended { outcome, report, tables_url: config.tables.url.clone(), summary: folder.summary() })
}

async fn history_and_model(
    config: &Config,
    folder: &Folder,
    timeline: Timeline,
    seed: u64,
    progress: &mut Progress,
) -> Result<String, DemoError> {
    let stage = progress.stage("Simulating ten days of history", None);
    let (settings, place) = (config.clone(), folder.clone());
    let written = blocking(move || ground::simulate_history(&settings, &place, timeline, seed)).await?;
    stage.done(&format_args!("{} rows in {} files", written.rows, written.files));
    let stage = progress.stage("Training a model", None);
    let settings = config.clone();
    let evaluation = blocking(move || ground::train(&settings, timeline)).await?;
    stage.done(&format_args!(
        "{} fault keys, {} trees, from {} rows",
        evaluation.keys, evaluation.trees, evaluation.rows
    ));
    ground::trusted_key(config)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DemoError> + Send + 'static,
) -> Result<T, DemoError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| DemoError::Broken(error.to_string()))?
}

/// An agent and what it is fed.
struct Fed {
    agent: Agent,
    input: Input,
    feed: Arc<[Datagram]>,
}

/// The three of them.
struct Aircraft(Vec<Fed>);

impl Aircraft {
    async fn start(
        settings: &Settings,
        folder: &Folder,
        timeline: Timeline,
        stretches: &[Stretch],
        ground: &Ground,
        trusted_key: &str,
    ) -> Result<Self, DemoError> {
        let mut feeds = vec![(GATEWAY_TAIL.to_owned(), Input::Syslog, {
            // Not every line is an event, but each round of the logs holds some, and they close the last window.
            let behind_end = LATENESS + gateway::round_length();
            feed::on_timeline(timeline, behind_end, gateway::messages(timeline))
        })];
        for stretch in stretches {
            let events = feed::simulated(stretch)?;
            let feed = feed::on_timeline(timeline, LATENESS, events.into_iter());
            feeds.push((stretch.fault.tail.to_string(), Input::Events, feed));
        }
        let mut aircraft = Vec::new();
        for (tail, input, feed) in feeds {
            let (place, broker) = (folder.agent(&tail), ground.broker_url());
            let agent = Agent::start(&settings.agent, &place, &tail, input, &broker, trusted_key)?;
            aircraft.push(Fed { agent, input, feed: feed.into() });
        }
        for fed in &mut aircraft {
            fed.agent.ready().await?;
        }
        Ok(Self(aircraft))
    }

    fn names(&self) -> String {
        self.0.iter().map(|fed| fed.agent.tail()).collect::<Vec<_>>().join(", ")
    }

    /// Plays the hours in two parts; the model is published between them, and the second waits until it is in use.
    async fn fly(
        &mut self,
        timeline: Timeline,
        duration: Duration,
        ground: &Ground,
        progress: &mut Progress,
    ) -> Result<(), DemoError> {
        let datagrams = self.0.iter().map(|fed| fed.feed.len() as u64).sum();
        let hours = (timeline.end.0 - timeline.start.0) as f64 / 3600.0;
        let speed = hours * 3600.0 / duration.as_secs_f64();
        let mut stage = progress.stage("In flight", Some(datagrams));
        let sent = Arc::new(AtomicU64::new(0));
        let model_at = timeline.model_at();
        let show = |stage: &mut super::progress::Stage| {
            let ingested = ground.progress();
            let sent = sent.load(Ordering::Relaxed);
            let detail =
                format!("{sent} of {datagrams} events and lines, {} windows stored", ingested.windows);
            stage.at(sent, &detail);
        };
        let pace = |from| Pace { from, begins: Instant::now(), speed };
        self.play(None, Some(model_at), pace(timeline.start), &sent, || show(&mut stage)).await?;
        let model = blocking(ground.publisher()).await?;
        ground.model_in_use(model, self.0.len()).await?;
        self.play(Some(model_at), None, pace(model_at), &sent, || show(&mut stage)).await?;
        stage.done(&format_args!(
            "{hours} hours at {speed:.0} times their speed, {} events and lines; model {} in use since {model_at}",
            sent.load(Ordering::Relaxed),
            model.0
        ));
        Ok(())
    }

    async fn play(
        &mut self,
        from: Option<UnixSeconds>,
        until: Option<UnixSeconds>,
        pace: Pace,
        sent: &Arc<AtomicU64>,
        mut show: impl FnMut(),
    ) -> Result<(), DemoError> {
        let mut senders = JoinSet::new();
        for fed in &self.0 {
            let place = |at: Option<UnixSeconds>, otherwise| {
                at.map_or(otherwise, |at| fed.feed.partition_point(|datagram| datagram.at < at.millis()))
            };
            let range = place(from, 0)..place(until, fed.feed.len());
            let (feed, socket, sent) = (Arc::clone(&fed.feed), fed.agent.socket.clone(), Arc::clone(sent));
            let tail = fed.agent.tail().to_owned();
            senders.spawn(async move {
                let part = feed.get(range).unwrap_or_default();
                feed::send(part, &socket, pace, &sent).await.map_err(|error| (tail, error))
            });
        }
        while !senders.is_empty() {
            tokio::select! {
                Some(ended) = senders.join_next() => self.sender_ended(ended)?,
                () = sleep(POLL) => {
                    show();
                    for fed in &mut self.0 {
                        fed.agent.check_alive()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn sender_ended(
        &self,
        ended: Result<Result<(), (String, std::io::Error)>, tokio::task::JoinError>,
    ) -> Result<(), DemoError> {
        let Err((tail, error)) = ended.map_err(|error| DemoError::Broken(error.to_string()))? else {
            return Ok(());
        };
        let agent = self.0.iter().map(|fed| &fed.agent).find(|agent| agent.tail() == tail);
        Err(agent.map_or_else(
            || DemoError::Broken(error.to_string()),
            |agent| agent.failed(&format!("takes no more events ({error})")),
        ))
    }

    /// The failures each simulated aircraft's passengers met on the timeline.
    fn failures(&self, timeline: Timeline) -> Vec<(Tail, u64)> {
        let simulated = self.0.iter().filter(|fed| fed.input == Input::Events);
        simulated
            .filter_map(|fed| {
                let counts = |datagram: &&Datagram| {
                    datagram.at < timeline.end.millis() && datagram.state == Some(State::Fail)
                };
                Some((fed.agent.tail().parse().ok()?, fed.feed.iter().filter(counts).count() as u64))
            })
            .collect()
    }

    /// Waits until the ground has stored every closed window, then stops the agents. Returns how many events they
    /// stored, and how many were sent and are missing there.
    async fn land(self, timeline: Timeline) -> Result<(u64, u64), DemoError> {
        let started = Instant::now();
        let (mut events, mut missing) = (0, 0);
        for fed in &self.0 {
            let status = loop {
                let status = fed.agent.status().await?;
                if fed.has_landed(&status, timeline) || started.elapsed() > DRAIN_PATIENCE {
                    break status;
                }
                sleep(POLL).await;
            };
            events += status.events();
            missing += fed.missing(&status, timeline);
        }
        for fed in self.0 {
            fed.agent.stop().await?;
        }
        Ok((events, missing))
    }
}

impl Fed {
    fn has_landed(&self, status: &Status, timeline: Timeline) -> bool {
        self.missing(status, timeline) == 0
    }

    /// What was sent and is not where it belongs. A log line may yield no event, so what a syslog agent should have
    /// stored is not known here; that it says it lost nothing must do.
    fn missing(&self, status: &Status, timeline: Timeline) -> u64 {
        let sent = match self.input {
            Input::Events => self.feed.len() as u64,
            Input::Syslog => status.events().max(1),
        };
        let open = u64::from(status.has_open_window_before(&timeline.end.to_string()));
        sent.abs_diff(status.events()) + status.outbox_frames() + status.lost() + open
    }
}
