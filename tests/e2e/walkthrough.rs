//! The first ten minutes of each reader, typed as they are written: every `sh` block of that section runs in one shell, in an
//! empty folder, and prints what the `text` block behind it shows.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use cabinwatch_tests::broker::free_port;
use cabinwatch_tests::markdown::{Block, blocks};
use cabinwatch_tests::program::{Ended, built, without_settings};

const SECTION: &str = "## The first ten minutes";
/// The port that documents name; somebody else may have it.
const PORT: &str = "8000";
/// Between the blocks' outputs.
const MARK: &str = "\u{1}";

/// A block to type, and what it shows.
struct Step {
    script: String,
    shows: Vec<String>,
}

fn steps(document: &str) -> Vec<Step> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let (_, section) = text.split_once(SECTION).unwrap_or_else(|| panic!("{document} has no `{SECTION}`"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    for Block { language, lines } in blocks(section) {
        match language.as_deref() {
            Some("sh") => steps.push(Step { script: lines.join("\n") + "\n", shows: Vec::new() }),
            Some("text") => {
                steps.last_mut().expect("a text block shows what a command printed").shows = lines;
            }
            _ => {}
        }
    }
    steps
}

/// Whether the parts of a shown line, which `...` keeps apart, stand in one printed line in their order.
fn is_printed(shown: &str, printed: &str) -> bool {
    printed.lines().any(|line| {
        let mut rest = line;
        shown.split("...").all(|part| match rest.find(part.trim()) {
            Some(at) => {
                rest = &rest[at + part.trim().len()..];
                true
            }
            None => false,
        })
    })
}

fn walk(document: &str) {
    let steps = steps(document);
    let port = free_port().to_string();
    assert!(steps.len() >= 3, "{document} has only {} blocks to type", steps.len());
    let folder = tempfile::tempdir().expect("a folder");
    // What runs in the background ends with the shell.
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    for step in &steps {
        script.push_str(&format!("{}printf '\\n{MARK}\\n'\n", step.script.replace(PORT, &port)));
    }
    let ended = Ended::of(&mut bash(&format!("exec 2>&1\n{script}"), folder.path()));
    let printed = ended.stdout;
    assert_eq!(ended.code, Some(0), "{document}:\n{printed}");
    for (step, printed) in steps.iter().zip(printed.split(MARK)) {
        for shown in &step.shows {
            assert!(
                is_printed(shown, printed),
                "{document} shows `{shown}` for\n{}but it prints\n{printed}",
                step.script
            );
        }
    }
}

/// A shell that finds the built programs by their names.
fn bash(script: &str, folder: &Path) -> Command {
    let programs = built("cabinwatch-ground").with_file_name("");
    let rest = env::var("PATH").unwrap_or_default();
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(folder).env("PATH", format!("{}:{rest}", programs.display()));
    without_settings(bash)
}

#[test]
fn the_connectivity_engineers_first_ten_minutes() {
    walk("operating-the-agent.md");
}

#[test]
fn the_ground_operators_first_ten_minutes() {
    walk("operating-the-ground.md");
}

#[test]
fn the_data_engineers_first_ten_minutes() {
    walk("working-with-data.md");
}
