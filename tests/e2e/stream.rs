//! Telemetry that is made up, a model trained on it, `serve`, and `stream`: each the real program.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cabinwatch_tests::authority::Authority;
use cabinwatch_tests::broker::free_port;
use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::{Ended, built, ground, without_settings};
use cabinwatch_tests::wait::eventually;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

const KEY_VARIABLE: &str = "AIOPS_API_KEY";
const KEY: &str = "an-api-key-of-the-tests";

/// A CSV and a model that is trained on it.
struct Desk {
    folder: TempDir,
    port: u16,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder"), port: free_port() };
        Ended::well(ground(["simulate", "telemetry", "--rows", "3000", "--out"]).arg(desk.csv()));
        Ended::well(
            ground(["retrain", "--telemetry"]).arg(desk.csv()).arg("--model-dir").arg(desk.path("model")),
        );
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn csv(&self) -> PathBuf {
        self.path("network_traffic_data.csv")
    }

    /// A server that does not run yet; its anomalies go to standard output, as in a container.
    fn serve(&self, settings: &str) -> Process {
        fs::write(self.path("serve.toml"), settings).expect("written");
        let mut command = ground(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--model-dir"]);
        command.arg(self.path("model")).arg("--config").arg(self.path("serve.toml")).env(KEY_VARIABLE, KEY);
        Process::new(command, &self.path("serve.log")).ready_when_it_listens(self.port)
    }

    /// Stands in for the server until somebody has called and been cut off.
    fn hangs_up_once(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the server is away");
        listener.set_nonblocking(true).expect("set");
        eventually("a call", Duration::from_secs(60), || listener.accept().ok());
    }

    fn stream(&self, scheme: &str, more: &[&str]) -> Command {
        let mut command = without_settings(Command::new(built("cabinwatch-ground")));
        command.arg("stream").arg("--telemetry").arg(self.csv()).env(KEY_VARIABLE, KEY);
        command.arg("--url").arg(format!("{scheme}://localhost:{}", self.port)).args(more);
        command
    }
}

/// The lines of the log of anomalies in what a server has said.
fn anomalies(said: &str) -> u64 {
    said.lines().filter(|line| line.starts_with(r#"{"time""#) && line.contains("contributions")).count()
        as u64
}

#[test]
fn what_is_sent_is_scored_logged_and_summed_up_by_what_was_known_of_it() {
    let desk = Desk::new();
    let mut serve = desk.serve("");
    serve.start();
    // Long enough for a machine that stands still for seconds.
    let said = Ended::well(&mut desk.stream("http", &["--rate", "100", "--for", "15s", "--json"]));
    let summary: Value = serde_json::from_str(&said).expect("JSON");
    let events = &summary["events"];
    let count = |value: &Value| value.as_u64().expect("a count");
    assert_eq!(count(&events["answered"]) + count(&events["left_out"]), 1500, "{summary}");
    let [replayed, unexpected] = ["replayed", "unexpected_port"].map(|kind| &summary["verdicts"][kind]);
    let share = |kind: &Value| {
        let (normal, anomaly) = (count(&kind["normal"]), count(&kind["anomaly"]));
        anomaly as f64 / (normal + anomaly) as f64
    };
    assert!(share(unexpected) > 0.6, "ports that the file never names are found: {summary}");
    assert!(share(replayed) < 0.3, "and what it holds is mostly usual: {summary}");
    serve.stop();
    assert_eq!(anomalies(&serve.said()), count(&events["anomaly"]), "each anomaly has its line in the log");
}

#[test]
fn a_server_that_is_killed_and_comes_back_is_told_of_and_costs_no_event_its_verdict() {
    let desk = Desk::new();
    let mut serve = desk.serve("");
    serve.start();
    let mut command = desk.stream("http", &["--rate", "50", "--for", "1h", "--json"]);
    let (out, said) = (desk.path("summary.json"), desk.path("said"));
    command.stdout(fs::File::create(&out).expect("a file")).stderr(fs::File::create(&said).expect("a file"));
    let mut stream = command.spawn().expect("it starts");
    let has_found = |serve: &Process, number| {
        let found = || (anomalies(&serve.said()) >= number).then_some(());
        eventually("anomalies are found", Duration::from_secs(60), found);
    };
    has_found(&serve, 3);
    serve.kill();
    desk.hangs_up_once();
    let before = anomalies(&serve.said());
    serve.start();
    has_found(&serve, before + 3);
    kill(Pid::from_raw(stream.id().cast_signed()), Signal::SIGTERM).expect("it runs");
    let code = stream.wait().expect("it ends").code();
    let summary: Value = serde_json::from_str(&fs::read_to_string(out).expect("read")).expect("JSON");
    assert_eq!(code, Some(0), "{summary}");
    assert!(!summary["retried"]["failed"].as_object().expect("counts").is_empty(), "{summary}");
    assert_eq!(summary["events"]["unanswered"], 0, "{summary}");
}

#[test]
fn certificates_are_checked() {
    let desk = Desk::new();
    let authority = Authority::new("our authority");
    let identity = authority.issue("localhost");
    let (certificate, key) = (desk.path("server.pem"), desk.path("server.key"));
    fs::write(&certificate, &identity.certificate).expect("written");
    fs::write(&key, &identity.key).expect("written");
    let mut serve =
        desk.serve(&format!("[api]\ntls_certificate_file = {certificate:?}\ntls_key_file = {key:?}\n"));
    serve.start();
    let ours = authority.certificate_file(desk.folder.path());
    Ended::well(desk.stream("https", &["--for", "10s"]).arg("--ca-file").arg(&ours));
    let seconds = ["--for", "1s", "--rate", "20"];
    let other = tempfile::tempdir().expect("a folder");
    let stranger = Authority::new("another authority").certificate_file(other.path());
    let said = Ended::badly(desk.stream("https", &seconds).arg("--ca-file").arg(&stranger), 1);
    assert!(said.contains("was signed by no authority in") && said.contains("`--ca-file`"), "{said}");
    let said = Ended::badly(&mut desk.stream("http", &seconds), 1);
    assert!(!said.contains(KEY), "{said}");
    serve.stop();
}

#[test]
fn exit_codes_tell_a_wrong_call_from_a_server_that_refuses_or_is_not_there() {
    let desk = Desk::new();
    let said = Ended::badly(desk.stream("http", &[]).env_remove(KEY_VARIABLE), 2);
    assert!(said.contains(KEY_VARIABLE), "{said}");
    for wrong in [["--rate", "-1"], ["--unexpected-port-share", "2"], ["--for", "0s"], ["--connections", "0"]]
    {
        Ended::badly(&mut desk.stream("http", &wrong), 2);
    }
    let said = Ended::badly(&mut desk.stream("http", &["--for", "1s"]), 1);
    assert!(said.contains("nothing could be sent"), "{said}");
    let mut serve = desk.serve("");
    serve.start();
    let said =
        Ended::badly(desk.stream("http", &["--for", "60s"]).env(KEY_VARIABLE, "not-the-servers-key"), 1);
    assert!(said.contains("it does not take our key") && !said.contains("not-the-servers-key"), "{said}");
    fs::write(desk.csv(), "timestamp,dest_port\n").expect("written");
    let said = Ended::badly(&mut desk.stream("http", &["--for", "1s"]), 1);
    assert!(said.contains("no column `process_path`"), "{said}");
    serve.stop();
}
