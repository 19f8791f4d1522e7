use std::collections::HashSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::oneshot;

use super::*;

const HEADER: &str = "timestamp,process_path,process_hash,source_ip,dest_ip,dest_domain,dest_port,bytes_sent,bytes_recv,protocol,dns_query,parent_process,user_context";

/// What the server of a test says to the nth event, counted from 0.
type Script = fn(u64, &Value) -> Response;

/// An API of the test's own: it keeps what it was sent.
struct Api {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Value>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Shared {
    script: Script,
    count: Arc<AtomicU64>,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Api {
    fn start(script: Script) -> Self {
        Self::listen(bind("127.0.0.1:0".parse().expect("an address")), script)
    }

    fn listen(listener: TcpListener, script: Script) -> Self {
        let received = Arc::<Mutex<Vec<Value>>>::default();
        let shared = Shared { script, count: Arc::default(), received: Arc::clone(&received) };
        let (stop, stopped) = oneshot::channel();
        let address = listener.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let router = Router::new().route("/event", post(answer)).with_state(shared);
                tokio::select! {
                    served = axum::serve(listener, router) => served.expect("served"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, received, stop: Some(stop), thread: Some(thread) }
    }

    fn received(&self) -> Vec<Value> {
        self.received.lock().expect("whole").clone()
    }
}

fn bind(address: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(address).expect("the port is free");
    listener.set_nonblocking(true).expect("set");
    listener
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends well");
        }
    }
}

async fn answer(State(shared): State<Shared>, headers: HeaderMap, body: String) -> Response {
    if headers.get("x-api-key").is_none_or(|key| key != "test-key") {
        return (StatusCode::FORBIDDEN, "{}").into_response();
    }
    let event: Value = serde_json::from_str(&body).expect("JSON");
    let number = shared.count.fetch_add(1, Ordering::SeqCst);
    let answer = (shared.script)(number, &event);
    shared.received.lock().expect("whole").push(event);
    answer
}

/// Calls every port above 1023 an anomaly.
fn by_port(_: u64, event: &Value) -> Response {
    let status = if event["dest_port"].as_i64().expect("a port") > 1023 { "anomaly" } else { "normal" };
    format!(r#"{{"status":"{status}","anomaly_score":0.1,"timestamp":"t","event_summary":"s"}}"#)
        .into_response()
}

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        let rows: String = (0..50)
            .map(|row| {
                format!("2026-11-21T00:00:{row:02}Z,/p,h,10.0.0.{row},203.0.113.1,,443,1000,2000,TCP,,,\n")
            })
            .collect();
        fs::write(desk.file(), format!("{HEADER}\n{rows}")).expect("written");
        desk
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("data.csv")
    }

    fn plan(&self, address: SocketAddr, key: &str) -> Plan {
        let key = ApiKey::new(key).expect("printable");
        Plan {
            file: self.file(),
            target: Target::new(&format!("http://{address}"), key, PathBuf::new()).expect("an address"),
            rate: Rate::new(200.0).expect("a rate"),
            duration: Duration::from_millis(1000),
            connections: NonZeroU16::new(2).expect("two"),
            unexpected_ports: Share::new(0.2).expect("a share"),
            seed: 5,
        }
    }
}

fn sent(plan: &Plan) -> Outcome {
    run(plan, &AtomicBool::new(false), |_, _| {}).expect("the file is good")
}

/// Sends until at least so many events are answered, however long that takes.
fn sent_until(plan: Plan, answered: u64) -> Outcome {
    let plan = Plan { duration: Duration::from_secs(3600), ..plan };
    let stop = AtomicBool::new(false);
    let show = |tally: &Tally, _| stop.store(tally.answered() >= answered, Ordering::SeqCst);
    run(&plan, &stop, show).expect("the file is good")
}

#[test]
fn rows_are_replayed_with_bytes_varied_and_ports_that_the_file_never_names() {
    let (desk, api) = (Desk::new(), Api::start(by_port));
    let outcome = sent_until(desk.plan(api.address, "test-key"), 150);
    let received = api.received();
    let tally = &outcome.tally;
    assert_eq!(outcome.problem(), None);
    assert_eq!(tally.answered() as usize, received.len());
    let strange: Vec<i64> = received
        .iter()
        .map(|event| event["dest_port"].as_i64().expect("a port"))
        .filter(|port| *port != 443)
        .collect();
    assert_eq!(tally.unexpected.all() as usize, strange.len());
    assert!(strange.len() > 5 && strange.len() < received.len() / 2, "{}", strange.len());
    assert_eq!(tally.unexpected.anomaly as usize, strange.iter().filter(|port| **port > 1023).count());
    assert_eq!(tally.replayed.anomaly, 0);
    let counts: HashSet<i64> =
        received.iter().map(|event| event["bytes_sent"].as_i64().expect("bytes")).collect();
    assert!(counts.iter().all(|bytes| (900..=1100).contains(bytes)) && counts.len() > 20, "{counts:?}");
    // The file is begun anew at its end. Each connection may hold a row that it no longer sends.
    let passes = |rows: usize| (rows as u64 - 1) / 50;
    assert!((passes(received.len())..=passes(received.len() + 2)).contains(&tally.passes), "{tally:?}");
}

#[test]
fn each_event_of_the_time_is_sent_or_told_of() {
    let (desk, api) = (Desk::new(), Api::start(by_port));
    let tally = sent(&desk.plan(api.address, "test-key")).tally;
    assert_eq!(tally.answered() as usize, api.received().len());
    assert_eq!(tally.answered() + tally.left_out, 200);
}

#[test]
fn the_same_file_and_seed_give_the_same_events() {
    let desk = Desk::new();
    let events = |seed| {
        let api = Api::start(by_port);
        let one = NonZeroU16::MIN;
        sent_until(Plan { seed, connections: one, ..desk.plan(api.address, "test-key") }, 100);
        let mut received = api.received();
        received.truncate(100);
        received
    };
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
}

#[test]
fn an_event_that_is_held_back_is_sent_again_after_the_time_the_server_names() {
    fn busy_once(number: u64, event: &Value) -> Response {
        if number == 3 {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "").into_response();
        }
        by_port(number, event)
    }
    let (desk, api) = (Desk::new(), Api::start(busy_once));
    let plan = Plan { connections: NonZeroU16::MIN, ..desk.plan(api.address, "test-key") };
    let outcome = sent_until(plan, 10);
    let (tally, received) = (&outcome.tally, api.received());
    assert_eq!((tally.attempts.held_back, outcome.problem()), (1, None));
    assert_eq!(received[3], received[4], "the same event");
    assert_eq!(tally.answered() as usize, received.len() - 1);
    assert!(tally.left_out >= 150, "what was due meanwhile is not made up for: {}", tally.left_out);
}

#[test]
fn refused_events_are_counted_by_status_and_the_first_one_is_quoted() {
    fn picky(number: u64, event: &Value) -> Response {
        if number.is_multiple_of(2) {
            return (StatusCode::UNPROCESSABLE_ENTITY, r#"{"detail":"no"}"#).into_response();
        }
        by_port(number, event)
    }
    let (desk, api) = (Desk::new(), Api::start(picky));
    let outcome = sent_until(desk.plan(api.address, "test-key"), 20);
    let refused = outcome.tally.refused[&422];
    assert_eq!(refused, (api.received().len() as u64).div_ceil(2));
    let problem = outcome.problem().expect("somebody has to see to it");
    assert!(
        problem.contains(&format!("refused {refused} events")) && problem.contains(r#"422 {"detail":"no"}"#)
    );
    assert_eq!(outcome.to_json()["events"]["refused"]["422"], refused);
}

#[test]
fn a_key_that_is_refused_ends_it_at_once() {
    let (desk, api) = (Desk::new(), Api::start(by_port));
    let plan = Plan { duration: Duration::from_secs(3600), ..desk.plan(api.address, "another-key") };
    let problem = sent(&plan).problem().expect("nothing can be sent");
    assert!(problem.contains("403") && problem.contains("key"), "{problem}");
    assert!(!problem.contains("another-key") && api.received().is_empty());
}

#[test]
fn a_server_that_goes_away_and_comes_back_gets_the_rest_of_the_events() {
    let desk = Desk::new();
    let mut api = Some(Api::start(by_port));
    let address = api.as_ref().map(|api| api.address).expect("it runs");
    let plan = Plan { duration: Duration::from_secs(3600), ..desk.plan(address, "test-key") };
    let stop = AtomicBool::new(false);
    let mut before = 0;
    let outcome = run(&plan, &stop, |tally, _| match &api {
        Some(_) if before == 0 && tally.answered() > 10 => {
            before = tally.answered();
            api = None;
        }
        None if tally.failures() > 3 => api = Some(Api::listen(bind(address), by_port)),
        Some(_) if before > 0 && tally.answered() > before + 10 => stop.store(true, Ordering::SeqCst),
        _ => {}
    })
    .expect("the file is good");
    let tally = &outcome.tally;
    assert!(tally.failures() > 3 && tally.last_failure.is_some(), "{tally:?}");
    assert_eq!((outcome.problem(), tally.unanswered), (None, 0), "each event got its answer in the end");
}

#[test]
fn events_that_never_get_an_answer_are_told_of() {
    let desk = Desk::new();
    let mut api = Some(Api::start(by_port));
    let address = api.as_ref().map(|api| api.address).expect("it runs");
    let plan = Plan { duration: Duration::from_secs(3600), ..desk.plan(address, "test-key") };
    let stop = AtomicBool::new(false);
    let outcome = run(&plan, &stop, |tally, _| {
        if tally.answered() > 10 {
            api = None;
        }
        if tally.failures() > 3 {
            stop.store(true, Ordering::SeqCst);
        }
    })
    .expect("the file is good");
    let unanswered = outcome.tally.unanswered;
    assert!((1..=2).contains(&unanswered), "one event of each connection: {unanswered}");
    let problem = outcome.problem().expect("events got no answer");
    assert!(problem.contains("got no answer; the last attempt: "), "{problem}");
}

#[test]
fn what_answers_but_is_no_scoring_api_ends_it_with_a_reason() {
    fn page(_: u64, _: &Value) -> Response {
        "<html>hello</html>".into_response()
    }
    let (desk, api) = (Desk::new(), Api::start(page));
    let plan = Plan { duration: Duration::from_secs(3600), ..desk.plan(api.address, "test-key") };
    let problem = sent(&plan).problem().expect("nothing can be sent");
    assert!(problem.contains("not the scoring API's"), "{problem}");
}

#[test]
fn a_share_of_nothing_leaves_every_port_as_it_is() {
    let (desk, api) = (Desk::new(), Api::start(by_port));
    let none = Share::new(0.0).expect("a share");
    let plan = Plan { unexpected_ports: none, ..desk.plan(api.address, "test-key") };
    let outcome = sent_until(plan, 50);
    assert_eq!(outcome.tally.unexpected, Verdicts::default());
    assert!(api.received().iter().all(|event| event["dest_port"] == 443));
    assert_eq!([-0.1, 1.1, f64::NAN].map(Share::new), [Err(BadShare); 3]);
}
