//! The dashboard shows of Cassandra what it shows of SQLite.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::http::{Request, StatusCode};
use cabinwatch_ground::config::TablesConfig;
use cabinwatch_ground::dashboard::{Parts, TrustedProxy, router};
use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::rate::Counts;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::verdict::Alarms;
use cabinwatch_shared::wire::{FrameSeq, LossFrame, LossReason, ModelReport, StreamId, StreamStart};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::util::ServiceExt;

use crate::examples::{every_outcome, row, window};
use crate::server::Server;
use crate::*;

/// 2026-11-21T10:00:00Z, the present of every test.
const NOW: i64 = 1_795_255_200;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const BOTH: Alarms = Alarms { z: true, forest: true };
const Z_ONLY: Alarms = Alarms { z: true, forest: false };
const NONE: Alarms = Alarms { z: false, forest: false };
/// What must not get lost on its way through an address, a statement and a page.
const STRANGE: (&str, &str) = ("WPA/2 \"ü\"", "100 % <b>& пароль\n+ | 'x' #?");

/// A dashboard on tables.
struct Site {
    router: Router,
    runtime: Runtime,
    _stop: watch::Sender<bool>,
}

impl Site {
    fn new(url: String) -> Self {
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            open_tables: Box::new(move || open_to_read(&url, &TablesConfig::default())),
            name_of_key: Arc::new(|_| None),
            proxy: Some(TrustedProxy {
                header: "x-forwarded-user".parse().expect("a header"),
                is_trusted: Arc::new(|_| true),
            }),
            secure: false,
            stopped,
            clock: Arc::new(|| UnixSeconds(NOW)),
        };
        let runtime = Runtime::new().expect("a runtime");
        let router = runtime.block_on(async { router(parts) }).expect("started");
        Self { router, runtime, _stop: stop }
    }

    fn get(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(path)
            .header("x-forwarded-user", "ayse")
            .extension(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))))
            .body(Body::empty())
            .expect("a request");
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("infallible");
            let status = response.status();
            let bytes = to_bytes(response.into_body(), 8 << 20).await.expect("a body");
            (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
        })
    }
}

/// The same in SQLite and in Cassandra.
struct Both {
    sqlite: Box<dyn Tables>,
    sqlite_url: String,
    cassandra: Box<dyn Tables>,
    cassandra_url: String,
    _folder: TempDir,
}

impl Both {
    fn new(keyspace: &crate::server::Keyspace<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite_url = format!("sqlite://{}", folder.path().join("tables.db").display());
        Self {
            sqlite: open(&sqlite_url, &TablesConfig::default()).expect("opened"),
            sqlite_url,
            cassandra: keyspace.made(),
            cassandra_url: keyspace.url(),
            _folder: folder,
        }
    }

    fn commit(&mut self, batch: &Batch) {
        self.sqlite.commit(batch).expect("stored");
        self.cassandra.commit(batch).expect("stored");
    }

    fn sites(&self) -> [Site; 2] {
        [Site::new(self.sqlite_url.clone()), Site::new(self.cassandra_url.clone())]
    }
}

/// The page that both show; it must have that status.
fn same(sites: &[Site; 2], path: &str, status: StatusCode) -> String {
    let [(sqlite_status, sqlite), (cassandra_status, cassandra)] =
        sites.each_ref().map(|site| site.get(path));
    assert_eq!((sqlite_status, cassandra_status), (status, status), "{path}: {sqlite}\n{cassandra}");
    for (one, other) in sqlite.lines().zip(cassandra.lines()) {
        assert_eq!(one, other, "{path}, SQLite and Cassandra");
    }
    assert_eq!(sqlite, cassandra, "{path}");
    sqlite
}

fn tail(number: i64) -> String {
    format!("TC-J{number:02}")
}

fn flown(tail: &str, start: i64, (point, fault): (&str, &str), fail: u64, alarms: Alarms) -> ScoredWindow {
    let quiet = row("DNS", "refused", Counts { fail: 1, success: 99 }, NONE);
    let mut scored = window(tail, start);
    scored.rows = vec![row(point, fault, Counts { fail, success: 100 - fail }, alarms), quiet];
    scored.points = vec![(point.to_owned(), 100 - fail), ("DNS".to_owned(), 99), ("PORTAL".to_owned(), 7)];
    scored
}

fn heard_of(number: i64) -> AircraftRecord {
    let times = |seconds: i64| Some(UnixSeconds(NOW + seconds));
    AircraftRecord {
        last_contact: times(-60 * number),
        online: [Some(true), Some(false), None][number as usize % 3],
        next_contact: if number % 4 == 1 { times(number * 120 - HOUR) } else { None },
        release: Some(AgentRelease(0, 6, 1)),
        model: Some(ModelVersion(number as u32 % 3)),
        stream: Some(StreamId(7)),
        cohort: Some("fleet".to_owned()),
        ..AircraftRecord::of(tail(number).parse().expect("a tail"))
    }
}

/// Anomalies of an aircraft: one that is open, one that is over, one of a single detector, one of a strange key, one
/// of a week ago. Every fifth aircraft flew on without a failure after the first.
fn windows_of(number: i64) -> Vec<ScoredWindow> {
    let dhcp = ("DHCP", "no address, none");
    let tail = tail(number);
    let ago = |seconds: i64| NOW - seconds - 300 * (number % 7);
    let mut windows = Vec::new();
    for step in 0..4 {
        windows.push(flown(&tail, ago(HOUR) + 300 * step, dhcp, 61 + number as u64 % 9, BOTH));
        windows.push(flown(&tail, ago(5 * HOUR) + 300 * step, dhcp, 35, BOTH));
        windows.push(flown(&tail, ago(9 * HOUR) + 300 * step, ("EAP", "rejected"), 22, Z_ONLY));
        windows.push(flown(&tail, ago(13 * HOUR) + 300 * step, STRANGE, 50, BOTH));
        windows.push(flown(&tail, ago(7 * DAY) + 300 * step, dhcp, 80, BOTH));
        if number % 5 == 0 {
            let quiet = flown(&tail, ago(HOUR) + 300 * (4 + step), dhcp, 0, NONE);
            windows.push(ScoredWindow { rows: Vec::new(), ..quiet });
        }
    }
    windows
}

fn records_of(number: i64) -> Batch {
    let tail: cabinwatch_shared::tail::Tail = tail(number).parse().expect("a tail");
    let frame = |seq: i64| FrameId { tail: tail.clone(), stream: StreamId(7), seq: FrameSeq(seq as u64) };
    let range = |first, last| SeqRange { first: FrameSeq(first), last: FrameSeq(last) };
    let loss = |seq: i64, days: i64| LossRecord {
        frame: frame(seq),
        loss: LossFrame {
            reason: LossReason::ALL[(number + seq) as usize % LossReason::ALL.len()],
            count: (10 * number + seq) as u64,
            since: UnixSeconds(NOW - days * DAY - 2 * HOUR),
            until: UnixSeconds(NOW - days * DAY - HOUR),
        },
    };
    let reports = every_outcome().into_iter().zip(10..).map(|(outcome, seq)| ModelReportRecord {
        frame: frame(seq),
        report: ModelReport { version: ModelVersion(3), at: UnixSeconds(NOW - seq * HOUR), outcome },
    });
    let starts = [(1, 40), (2, 3)].map(|(seq, days)| StreamStartRecord {
        frame: frame(seq),
        start: StreamStart::NoDatabase { at: UnixSeconds(NOW - days * DAY) },
    });
    let losses = if number % 3 == 0 { vec![loss(40, 0), loss(41, 2), loss(42, 20)] } else { Vec::new() };
    let mut stored = vec![range(1, 40)];
    if number % 2 == 0 {
        stored.extend([range(45, 60), range(71, 75)]);
    }
    let oldest = FrameSeq(if number % 6 == 0 { 45 } else { 1 });
    // Some have told of more than what live frames overtook.
    let newest = FrameSeq(if number % 4 == 0 { 90 } else { 0 });
    let at = UnixSeconds(NOW - 60 * number);
    Batch {
        aircraft: vec![heard_of(number)],
        losses,
        stream_starts: starts.to_vec(),
        model_reports: reports.collect(),
        progress: vec![StreamProgress {
            tail: tail.clone(),
            stream: StreamId(7),
            stored,
            oldest,
            newest,
            at,
        }],
        windows: windows_of(number),
        ..Batch::default()
    }
}

fn anomaly(tail: &str, at: i64, (point, fault): (&str, &str)) -> String {
    let mut key = url::form_urlencoded::Serializer::new(String::new());
    let key = key.append_pair("point", point).append_pair("fault", fault).finish();
    format!("/anomaly/{tail}/{}?{key}", UnixSeconds(at))
}

#[test]
fn every_page_is_the_same_on_cassandra_as_on_sqlite() {
    let server = Server::shared();
    let keyspace = server.keyspace("pages");
    let mut tables = Both::new(&keyspace);
    for number in 0..60 {
        tables.commit(&records_of(number));
    }
    // Rows from files: nobody ever heard of that aircraft.
    let from_files =
        Batch { windows: vec![flown("FLEET", NOW - HOUR, STRANGE, 9, BOTH)], ..Batch::default() };
    tables.commit(&from_files);
    let heard_only = Batch { aircraft: vec![heard_of(99)], ..Batch::default() };
    tables.commit(&heard_only);
    let sites = tables.sites();
    let page = |path: &str| same(&sites, path, StatusCode::OK);

    let fleet = page("/fleet");
    for text in [
        "1 to 50 of 62",
        "<span class=\"badge bad\">open</span>",
        "frames never came",
        "10 frames",
        "25 frames",
    ] {
        assert!(fleet.contains(text), "{text} is not in {fleet}");
    }
    for path in [
        "/fleet?page=2",
        "/fleet?page=9",
        "/fleet?range=1h",
        "/fleet?range=6h&show=any",
        "/fleet?range=7d&state=anomaly",
        "/fleet?range=30d&show=any&state=lost",
        "/fleet?state=silent&aircraft=J1",
        "/fleet?fault=eap&show=any",
        "/fleet?fault=%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C",
        "/fleet?since=2026-11-14T09:00&until=2026-11-14T09:20",
        "/fleet?since=2026-11-14T09:05:01&until=2026-11-14T09:10:00",
        // Nothing is that old; the newest there is stands in its place.
        "/fleet?since=2024-01-01T00:00&until=2024-01-02T00:00",
        "/aircraft/TC-J00",
        "/aircraft/TC-J05?range=6h",
        "/aircraft/TC-J07?range=30d&show=any",
        "/aircraft/TC-J12?range=1h&fault=dhcp",
        "/aircraft/TC-J12?since=2024-01-01T00:00&until=2024-01-02T00:00",
        "/aircraft/FLEET",
        "/aircraft/TC-J99",
        &anomaly("TC-J03", NOW - 5 * HOUR, ("DHCP", "no address, none")),
        &anomaly("TC-J07", NOW - 7 * DAY + 600, ("DHCP", "no address, none")),
        &anomaly("TC-J14", NOW - 13 * HOUR + 299, STRANGE),
        &format!("{}&show=any", anomaly("TC-J21", NOW - 9 * HOUR, ("EAP", "rejected"))),
        &anomaly("FLEET", NOW - HOUR, STRANGE),
    ] {
        page(path);
    }
    for path in ["/aircraft/TC-NONE", &anomaly("TC-J03", NOW - 3 * DAY, ("DHCP", "no address, none"))] {
        same(&sites, path, StatusCode::NOT_FOUND);
    }
}

/// More rows than a page reads: of the aircraft's sixty-one thousand the newest sixty thousand.
#[test]
fn both_leave_out_the_same_rows_where_there_are_too_many() {
    let server = Server::shared();
    let keyspace = server.keyspace("limits");
    let mut tables = Both::new(&keyspace);
    // A window every two hours is a flight of its own: 200 of them, and only part of the fourth is left out.
    let windows = (0..200).map(|flight| {
        let mut scored = window("TC-JJA", NOW - 17 * DAY + 2 * HOUR * flight);
        let keys = (0..305).map(|key| {
            row("DHCP", &format!("fault {key}"), Counts { fail: 1 + key % 50, success: 50 }, NONE)
        });
        scored.rows = keys.collect();
        scored
    });
    for windows in windows.collect::<Vec<_>>().chunks(20) {
        tables.commit(&Batch { windows: windows.to_vec(), ..Batch::default() });
    }
    let sites = tables.sites();
    let page = same(&sites, "/aircraft/TC-JJA?range=30d", StatusCode::OK);
    assert!(page.contains("the oldest of this time is missing"), "{page}");
    assert!(page.contains("185 earlier flights"), "{page}");
    let page = same(&sites, "/aircraft/TC-JJA?range=3d", StatusCode::OK);
    assert!(!page.contains("the oldest of this time is missing"), "{page}");
}

/// Prints how long each question takes; `DASHBOARD_AIRCRAFT=100 DASHBOARD_DAYS=30` is a fleet's month.
#[test]
fn a_fleet_of_any_size_is_shown() {
    let size = |name: &str, default: i64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let (aircraft, days) = (size("DASHBOARD_AIRCRAFT", 20), size("DASHBOARD_DAYS", 2));
    // Of each hour, one to twelve.
    let windows = size("DASHBOARD_WINDOWS", 1);
    let server = Server::shared();
    let keyspace = server.keyspace("month");
    let mut tables = keyspace.made();
    let started = Instant::now();
    let mut count = 0;
    for hour in 0..days * 24 {
        let start = NOW - (hour + 1) * HOUR;
        let flown = (0..aircraft).flat_map(|number| {
            let fails = (number + hour / 2) % 20 == 0;
            let (fail, alarms) = if fails { (70, BOTH) } else { (9, NONE) };
            let of = move |step: i64| {
                flown(&tail(number), start + 300 * step, ("DHCP", "no address, none"), fail, alarms)
            };
            (0..windows).map(move |step| of(12 / windows * step))
        });
        let mut batch = Batch { windows: flown.collect(), ..Batch::default() };
        count += batch.windows.len();
        if hour == 0 {
            batch.aircraft = (0..aircraft).map(heard_of).collect();
        }
        // A small server on a busy machine may be late now and then.
        let stored = (0..10).any(|_| tables.commit(&batch).inspect_err(|error| println!("{error}")).is_ok());
        assert!(stored, "the server takes nothing");
    }
    println!("{aircraft} aircraft, {days} days: {count} windows in {:.1} s", started.elapsed().as_secs_f64());
    for path in [
        "/fleet?range=1h",
        "/fleet",
        "/fleet?range=7d",
        "/fleet?range=30d",
        "/fleet?since=2024-01-01T00:00&until=2024-01-02T00:00",
        "/aircraft/TC-J05",
        "/aircraft/TC-J05?range=30d",
        "/aircraft/TC-NONE",
        &anomaly("TC-J00", NOW - HOUR, ("DHCP", "no address, none")),
    ] {
        // New each time, so that nothing stands on its shelf.
        let site = Site::new(keyspace.url());
        let started = Instant::now();
        let mut answer = site.get(path);
        // A page gives up after a while; the reader goes on.
        while answer.0 == StatusCode::SERVICE_UNAVAILABLE && started.elapsed() < Duration::from_secs(300) {
            answer = site.get(path);
        }
        println!("{path}: {} in {:.2} s", answer.0, started.elapsed().as_secs_f64());
        assert!(matches!(answer.0, StatusCode::OK | StatusCode::NOT_FOUND), "{}", answer.1);
    }
}
