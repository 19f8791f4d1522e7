//! The scoring API takes the place of today's: its clients' suite passes against both, both answer thousands of requests
//! alike, and a fuzzer finds nothing that its own document does not say.

use std::path::{Path, PathBuf};
use std::process::Command;

use cabinwatch_tests::parts;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::scorers::{FastApi, KEY, KEY_VARIABLE, Serve, python, script, telemetry_csv};

/// Enough for both forests to know what is ordinary.
const ROWS: usize = 3000;
/// Requests that the fuzzer makes of each operation, on top of those that try every corner of the document.
const FUZZED: &str = "250";
const SEED: &str = "20261122";

/// Both scorers, and what they are trained on.
struct Desk {
    folder: tempfile::TempDir,
    csv: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let csv = telemetry_csv(folder.path(), ROWS);
        Self { folder, csv }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn fastapi(&self) -> FastApi {
        FastApi::start(self.path(), &FastApi::train(self.path(), &self.csv))
    }

    fn serve(&self) -> Serve {
        Serve::start(self.path(), &Serve::train(self.path(), &self.csv), "")
    }
}

fn pytest(file: &str) -> Command {
    let mut command = Command::new(python());
    command.args(["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider"]).arg(script(file));
    command.env(KEY_VARIABLE, KEY);
    command
}

#[test]
fn the_suite_of_todays_clients_passes_against_both() {
    let desk = Desk::new();
    let (fastapi, serve) = (desk.fastapi(), desk.serve());
    for url in [fastapi.url(), serve.url()] {
        println!("{url}\n{}", Ended::well(pytest("test_todays_suite.py").env("AIOPS_API_URL", &url)));
    }
}

#[test]
fn thousands_of_requests_are_answered_as_today() {
    let desk = Desk::new();
    let (fastapi, serve) = (desk.fastapi(), desk.serve());
    let mut comparison = pytest("test_differential.py");
    println!("{}", Ended::well(comparison.env("PEER_URL", fastapi.url()).env("SERVE_URL", serve.url())));
}

#[test]
fn without_a_model_both_check_the_key_then_the_event_then_say_503() {
    let desk = Desk::new();
    let empty = desk.path().join("empty");
    std::fs::create_dir_all(&empty).expect("the folder can be made");
    let fastapi = FastApi::start(desk.path(), &empty.join("no-model"));
    let serve = Serve::start(desk.path(), &empty, "");
    for url in [fastapi.url(), serve.url()] {
        println!("{url}\n{}", Ended::well(pytest("test_without_a_model.py").env("AIOPS_API_URL", &url)));
    }
}

/// Without the key every answer must be what the document says of that, too, and never a 5xx.
#[test]
fn a_fuzzer_finds_nothing_that_the_document_does_not_say() {
    let desk = Desk::new();
    let mut serve = desk.serve();
    // Today's numbers may be written as texts, `true` and the like; so the document's schema is not the border of what
    // is taken.
    println!("{}", fuzz(desk.path(), &serve, &["--exclude-checks", "negative_data_rejection"], true));
    println!("{}", fuzz(desk.path(), &serve, &["--exclude-checks", "positive_data_acceptance"], false));
    serve.process.stop();
}

fn fuzz(folder: &Path, serve: &Serve, options: &[&str], with_key: bool) -> String {
    let mut command = Command::new(parts::fetched("api").join("bin/schemathesis"));
    // It leaves a folder of its own where it runs.
    command.current_dir(folder).args(["run", "--checks", "all", "--phases", "examples,coverage,fuzzing"]);
    command.env("SCHEMATHESIS_HOOKS", script("lines_of_json.py")).env("PYTHONPATH", script(""));
    command.args(["--max-examples", FUZZED, "--seed", SEED, "--continue-on-failure"]).args(options);
    if with_key {
        command.args(["--header", &format!("X-API-Key: {KEY}")]);
    }
    command.arg(format!("{}/openapi.json", serve.url()));
    Ended::well(&mut command)
}
