use rumqttc::{Publish, QoS};
use tempfile::TempDir;

use super::*;
use crate::config::TablesConfig;
use crate::ingest::fixture::{message, spelled_window};
use crate::tables;

/// A worker on tables that can be broken.
struct Bench {
    dir: TempDir,
    worker: Worker,
    monitor: Monitor,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", dir.path().join("tables.db").display());
        let tables = tables::open(&url, &TablesConfig::default()).expect("opened");
        let monitor = Monitor::default();
        monitor.started(4);
        monitor.subscribed();
        let worker = Worker::new(Intake::open(tables, None).expect("opened"), monitor.clone());
        Self { dir, worker, monitor }
    }

    fn execute(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.dir.path().join("tables.db")).expect("opened");
        connection.execute_batch(sql).expect("done");
    }

    fn reasons(&self) -> String {
        self.monitor.snapshot().not_ready(std::time::Instant::now()).join("; ")
    }

    /// The end of the work in hand: what was acknowledged if it succeeded.
    async fn ended(&mut self) -> Option<(usize, Vec<u64>)> {
        assert!(self.worker.is_busy());
        match self.worker.done().await.expect("no panic") {
            Done::Stored { deliveries, committed } => {
                Some((deliveries.len(), committed.iter().map(|(_, committed)| committed.seq.0).collect()))
            }
            Done::Again => None,
        }
    }

    async fn store_one(&mut self) -> Option<(usize, Vec<u64>)> {
        let payload = message(7, 1, 1, &[spelled_window(0)]);
        let topic = "cabinwatch/v1/TC-JJA/up/frames";
        self.worker.start(Work::Store(vec![Publish::new(topic, QoS::AtLeastOnce, payload, None)]));
        self.ended().await
    }
}

const HIDE: &str = "ALTER TABLE set_aside RENAME TO hidden";
const SHOW: &str = "ALTER TABLE hidden RENAME TO set_aside";

#[tokio::test]
async fn tables_that_do_not_answer_fail_until_they_do() {
    let mut bench = Bench::new();
    bench.execute(HIDE);
    bench.worker.start(Work::Look);
    for _ in 0..2 {
        assert_eq!(bench.ended().await, None);
        assert!(bench.reasons().contains("the tables fail"), "{}", bench.reasons());
        assert!(matches!(bench.worker.done().await, Ok(Done::Again)), "the next attempt");
        assert!(bench.reasons().contains("the tables fail"), "{}", bench.reasons());
    }
    assert_eq!(bench.ended().await, None);
    bench.execute(SHOW);
    assert!(matches!(bench.worker.done().await, Ok(Done::Again)));
    assert_eq!(bench.ended().await, Some((0, Vec::new())));
    assert_eq!(bench.reasons(), "");
}

#[tokio::test]
async fn a_stored_group_is_acknowledged_whatever_waits_for_a_model() {
    let mut bench = Bench::new();
    bench.execute(HIDE);
    assert_eq!(bench.store_one().await, Some((1, vec![1])));
    assert_eq!(bench.worker.retries, 0);
}

#[tokio::test]
async fn it_recalls_how_far_all_aircraft_are() {
    let mut bench = Bench::new();
    bench.store_one().await;
    bench.worker.start(Work::Recall);
    assert_eq!(bench.ended().await, Some((0, vec![1])));
}
