//! The demo ends well, its summary is true, and its dashboard can be watched, and seen again.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cabinwatch_tests::demo::Demo;
use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::{Ended, ground};
use cabinwatch_tests::wait::eventually;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(120);

/// Somebody who looks at a dashboard and has not logged in yet.
struct Visitor {
    address: SocketAddr,
    cookies: PathBuf,
}

impl Visitor {
    fn new(address: SocketAddr, folder: &Path) -> Self {
        Self { address, cookies: folder.join("cookies") }
    }

    /// Asks for a path, or posts a form to it: the status, and the page.
    fn ask(&self, path: &str, form: &[&str]) -> (u16, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}"]);
        curl.arg("--cookie").arg(&self.cookies).arg("--cookie-jar").arg(&self.cookies);
        curl.args(form.iter().flat_map(|field| ["--data-urlencode", field]));
        let answer = Ended::well(curl.arg(format!("http://{}{path}", self.address)));
        let (page, status) = answer.rsplit_once('\n').expect("a status");
        (status.parse().expect("a status"), page.to_owned())
    }

    fn log_in(&self, key: &str) -> u16 {
        self.ask("/login", &[&format!("key={key}")]).0
    }

    fn fleet(&self) -> (u16, String) {
        self.ask("/fleet", &[])
    }
}

#[test]
fn its_dashboard_shows_the_fleet_while_it_runs_and_again_by_the_command_it_ends_with() {
    let parent = tempfile::tempdir().expect("a folder");
    // A name that a shell does not read as it stands.
    let folder = parent.path().join("it's here");
    fs::create_dir(&folder).expect("the folder can be made");
    let mut demo = Demo::start(&folder, 20);
    let (address, key) = demo.dashboard();

    let visitor = Visitor::new(address, parent.path());
    assert_eq!(visitor.fleet().0, 303, "whoever is not logged in is sent to the login");
    assert_eq!(visitor.log_in("not the key"), 401);
    assert_eq!(visitor.log_in(&key), 303);
    assert_eq!(visitor.fleet().0, 200, "a page, though nothing has come yet");
    eventually("an aircraft on the page", LIMIT, || {
        let (status, page) = visitor.fleet();
        assert_eq!(status, 200, "{page}");
        page.contains("/aircraft/TC-").then_some(())
    });

    let (summary, _) = demo.finish();
    assert!(TcpStream::connect(address).is_err(), "the dashboard has outlived the demo");

    let serve = Process::new(demo.dashboard_again(), &folder.join("serve.log"));
    let mut serve = serve.ready_when_it_listens(address.port());
    serve.start();
    let visitor = Visitor::new(address, parent.path());
    assert_eq!(visitor.log_in(&key), 303, "it is the same key");
    let (_, page) = visitor.fleet();
    for fault in summary["injected"].as_array().expect("the demo says where its faults were") {
        let tail = fault["tail"].as_str().expect("a tail");
        assert!(page.contains(&format!("/anomaly/{tail}/")), "no anomaly of {tail} in {page}");
    }
    assert!(!serve.said().contains("WARN"), "{}", serve.said());
    serve.stop();
}

#[test]
fn the_demo_finds_what_it_injected_and_leaves_tables_and_mail() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let printed = Ended::well(&mut ground(["demo", "--for", "20s", "--out", &out.display().to_string()]));
    println!("{printed}");
    assert!(printed.starts_with("Dashboard  http://127.0.0.1:"), "by itself it is for this machine only");

    let text = fs::read_to_string(out.join("summary.json")).expect("the demo leaves a summary");
    let summary: Value = serde_json::from_str(&text).expect("the summary is JSON");
    let list = |name: &str| summary[name].as_array().cloned().unwrap_or_default();
    let number =
        |name: &str| summary[name].as_u64().unwrap_or_else(|| panic!("no number `{name}` in {text}"));
    assert!(!list("injected").is_empty(), "{text}");
    assert!(list("found").len() >= list("injected").len(), "{text}");
    assert!(number("events") > 0 && number("frames") > 0, "{text}");
    assert_eq!(number("lost"), 0, "{text}");

    let tables = Connection::open_with_flags(out.join("tables.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the demo leaves tables");
    let confirmed: i64 = tables
        .query_row("SELECT count(*) FROM combined_repeated", [], |row| row.get(0))
        .expect("the table can be read");
    assert!(confirmed > 0, "no anomaly was confirmed");
    let mails: Vec<_> = fs::read_dir(out.join("mail")).expect("the demo leaves mail").flatten().collect();
    assert!(mails.iter().any(|mail| mail.path().extension().is_some_and(|end| end == "eml")));
}
