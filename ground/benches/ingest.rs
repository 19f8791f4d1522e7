//! What ingest writes into a real Cassandra, against a bare loop on the same driver, and against what a fleet sends.
//!
//! `cargo bench -p cabinwatch-ground --bench ingest` after `make setup`. Both write rows of the same columns in the same
//! run, in turns, into the same server, which syncs its log before it answers. The loop sends one prepared INSERT a row
//! with as many at a time as the driver's guide advises; ingest's commit also keeps the window index, the six tables,
//! the rows by fault key and the streams, and reads before it writes.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Instant;

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_ground::tables::{
    self, Batch, ScoredRow, ScoredWindow, SeqRange, StreamProgress, Tables, WindowVersion,
};
use cabinwatch_shared::forest::ForestScore;
use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::{Alarms, Verdict};
use cabinwatch_shared::window::{Window, WindowLength};
use cabinwatch_shared::wire::{FrameSeq, StreamId};
use cabinwatch_shared::zscore::{KeyStatistics, ZScore};
use cabinwatch_tests::cassandra::Cassandra;
use futures::StreamExt as _;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::value::CqlTimestamp;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: u32 = 9;
/// What ingest stores in one go by default, with an aircraft's window in each message.
const WINDOWS_A_GROUP: u32 = 256;
const GROUPS_A_ROUND: u32 = 4;
const KEYS: u32 = 40;
/// One row in so many is an anomaly, which both detectors confirm: it goes to all six tables.
const ANOMALY_EVERY: u32 = 50;
const AT_A_TIME: usize = 256;
/// 2026-11-01T00:00:00Z
const START: i64 = 1_793_491_200;
/// A fleet of 1,000 aircraft with 176 windows a day, in each a row for 40 fault keys.
const FLEET_ROWS_A_SECOND: f64 = 1000.0 * 176.0 * 40.0 / 86_400.0;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cassandra = Cassandra::start(folder.path());
    let (url, config) = (cassandra.url("bench"), TablesConfig::default());
    tables::init(&url, &config)?;
    let mut tables = tables::open(&url, &config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let peer = runtime.block_on(Peer::connect(cassandra.port()))?;
    let rows = f64::from(WINDOWS_A_GROUP * GROUPS_A_ROUND * KEYS);
    println!("{rows} rows a round; rows a second, ingest and the bare loop in turns");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let (commit, bare) = (ingest(tables.as_mut(), round)?, runtime.block_on(peer.round(round))?);
        println!("  {:>9.0} {:>9.0}", rows / commit, rows / bare);
        // The first warms up server and connections.
        if round > 0 {
            ours.push(rows / commit);
            theirs.push(rows / bare);
        }
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!("ingest {ours:.0} rows/s, bare loop {theirs:.0} rows/s");
    println!("ratio ingest / bare loop: {:.2} (at least 0.5 is wanted)", ours / theirs);
    println!(
        "ratio ingest / a fleet of 1,000 ({FLEET_ROWS_A_SECOND:.0} rows/s): {:.0} (at least 20 is wanted)",
        ours / FLEET_ROWS_A_SECOND
    );
    Ok(())
}

/// Seconds that the groups of a round take. Every aircraft has one window in a group, as when all are online.
fn ingest(tables: &mut dyn Tables, round: u32) -> Result<f64> {
    let mut seconds = 0.0;
    for group in 0..GROUPS_A_ROUND {
        let number = round * GROUPS_A_ROUND + group;
        let batch = batch(number)?;
        let began = Instant::now();
        let outcome = tables.commit(&batch)?;
        seconds += began.elapsed().as_secs_f64();
        assert_eq!(outcome.rows, u64::from(WINDOWS_A_GROUP * KEYS));
        assert!(outcome.streams.iter().all(|stream| stream.committed.0 == u64::from(number) + 1));
    }
    Ok(seconds)
}

fn batch(number: u32) -> Result<Batch> {
    let mut batch = Batch::default();
    let seq = FrameSeq(u64::from(number) + 1);
    for aircraft in 0..WINDOWS_A_GROUP {
        let tail: Tail = format!("TC-{aircraft:04}").parse()?;
        let window = window(number);
        batch.windows.push(ScoredWindow {
            tail: tail.clone(),
            window,
            model: ModelVersion(3),
            version: WindowVersion::of_frame(window.end(), seq),
            rows: (0..KEYS).map(|key| row(aircraft, key)).collect(),
            points: (0..8).map(|point| (format!("POINT{point}"), 40)).collect(),
        });
        batch.progress.push(StreamProgress {
            tail,
            stream: StreamId(7),
            stored: vec![SeqRange { first: seq, last: seq }],
            oldest: seq,
            newest: seq,
            at: window.end(),
        });
    }
    Ok(batch)
}

fn window(number: u32) -> Window {
    let length = WindowLength::seconds(NonZeroU32::new(300).unwrap_or(NonZeroU32::MIN));
    Window::containing(UnixSeconds(START + 300 * i64::from(number)).millis(), length)
}

fn row(aircraft: u32, key: u32) -> ScoredRow {
    let counts = Counts { fail: u64::from(1 + key % 7), success: 40 };
    let statistics = KeyStatistics { samples: 40, mean_rate: 2.5, std_rate: Some(1.25) };
    let z = counts.rate().map_or(ZScore::NoModel, |rate| ZScore::of(rate, Some(&statistics)));
    let anomaly = (aircraft * KEYS + key).is_multiple_of(ANOMALY_EVERY);
    let alarms = Alarms { z: anomaly, forest: anomaly };
    ScoredRow {
        edr_point: format!("POINT{}", key % 8),
        description: format!("the server did not answer in time ({key})"),
        counts,
        verdict: Verdict { statistics: Some(statistics), z, forest: Some(ForestScore(-0.4375)), alarms },
    }
}

/// The bare loop.
struct Peer {
    session: Session,
    insert: scylla::statement::prepared::PreparedStatement,
}

impl Peer {
    async fn connect(port: u16) -> Result<Self> {
        let session = SessionBuilder::new().known_node(format!("127.0.0.1:{port}")).build().await?;
        session
            .query_unpaged(
                "CREATE TABLE bench.bare (tail text, day int, start_time timestamp, edr_point text, description text,
                 fault_key text, end_time timestamp, fail bigint, success bigint, total bigint, fail_rate double,
                 mean_rate double, std_rate double, z_score double, anomaly_z int, anomaly_iforest int,
                 anomaly_combined int, z_status text, iforest_score double, model_version bigint,
                 PRIMARY KEY ((tail, day), start_time, edr_point, description))",
                (),
            )
            .await?;
        let insert = session
            .prepare(
                "INSERT INTO bench.bare (tail, day, start_time, edr_point, description, fault_key, end_time, fail,
                 success, total, fail_rate, mean_rate, std_rate, z_score, anomaly_z, anomaly_iforest,
                 anomaly_combined, z_status, iforest_score, model_version)
                 VALUES (?, 0, ?, ?, ?, ?, ?, ?, 40, 41, 2.44, 2.5, 1.25, -0.048, 0, 0, 0, 'scored', -0.4375, 3)",
            )
            .await?;
        Ok(Self { session, insert })
    }

    /// Seconds that a round takes.
    async fn round(&self, round: u32) -> Result<f64> {
        let mut rows = Vec::new();
        for group in 0..GROUPS_A_ROUND {
            let window = window(round * GROUPS_A_ROUND + group);
            let times = [window.start(), window.end()].map(|time| CqlTimestamp(time.0 * 1000));
            for aircraft in 0..WINDOWS_A_GROUP {
                rows.extend((0..KEYS).map(|key| (format!("TC-{aircraft:04}"), times, row(aircraft, key))));
            }
        }
        let began = Instant::now();
        let mut answers = futures::stream::iter(rows)
            .map(|(tail, [start, end], row)| async move {
                let key = row.key().to_string();
                let fail = i64::try_from(row.counts.fail).unwrap_or_default();
                let values = (tail, start, row.edr_point, row.description, key, end, fail);
                self.session.execute_unpaged(&self.insert, values).await
            })
            .buffer_unordered(AT_A_TIME);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        Ok(began.elapsed().as_secs_f64())
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
