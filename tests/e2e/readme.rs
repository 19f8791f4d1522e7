//! What README.md and the documents tell people to type and to look at exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cabinwatch_tests::markdown::{Block, blocks};
use cabinwatch_tests::program::{Ended, agent, ground};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of the fenced `sh` blocks, and every `code span` on one line.
fn commands(markdown: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for Block { language, lines } in blocks(markdown) {
        match language.as_deref() {
            // A backslash at the end goes on with the next line.
            Some("sh") => {
                found.extend(lines.join("\n").replace("\\\n", " ").lines().map(str::trim).map(str::to_owned));
            }
            Some(_) => {}
            None => found
                .extend(lines.iter().flat_map(|line| line.split('`').skip(1).step_by(2)).map(str::to_owned)),
        }
    }
    found
}

#[test]
fn make_targets_in_the_readme_exist() {
    let makefile = read("Makefile");
    let targets: BTreeSet<_> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target).collect();
    let mut checked = 0;
    for command in commands(&read("README.md")) {
        if let Some(target) = command.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next()) {
            assert!(targets.contains(target), "README.md says `{command}`, the Makefile has no `{target}`");
            checked += 1;
        }
    }
    assert!(checked >= 2, "README.md names no make targets");
}

/// README.md and everything in `docs`, by their paths in the repository.
fn documents() -> Vec<String> {
    let listed = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).expect("a folder").flatten();
        let name = |entry: fs::DirEntry| format!("{folder}/{}", entry.file_name().to_string_lossy());
        entries.map(name).filter(|name| name.ends_with(".md")).collect::<Vec<_>>()
    };
    [vec!["README.md".to_owned()], listed("docs"), listed("docs/adr")].concat()
}

/// Every subcommand and every flag that a document shows is in the program's help.
#[test]
fn commands_in_the_documents_exist_with_their_flags() {
    let checked: Vec<_> = documents().iter().map(|document| check_commands(document)).collect();
    assert!(checked[0] >= 14, "README.md shows only {} commands", checked[0]);
    assert!(checked.iter().sum::<usize>() >= 35, "the documents show hardly any commands: {checked:?}");
}

/// How many commands there are.
fn check_commands(document: &str) -> usize {
    let mut checked = 0;
    for command in commands(&read(document)) {
        let words: Vec<_> = command.split_whitespace().collect();
        let [program @ ("cabinwatch-agent" | "cabinwatch-ground"), rest @ ..] = words.as_slice() else {
            continue;
        };
        let subcommands: Vec<_> = rest
            .iter()
            .take_while(|word| word.starts_with(|first: char| first.is_ascii_lowercase()))
            .collect();
        let mut help = if *program == "cabinwatch-agent" { agent([]) } else { ground([]) };
        let help = Ended::well(help.args(&subcommands).arg("--help"));
        for flag in rest.iter().filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{document} says `{command}`, but its help has no {flag}:\n{help}");
        }
        checked += 1;
    }
    checked
}

#[test]
fn files_the_documents_link_to_exist() {
    let mut checked = 0;
    for document in documents() {
        let folder = root().join(&document).parent().expect("a folder").to_owned();
        for part in read(&document).split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            if !target.starts_with("http") {
                assert!(folder.join(target).exists(), "{document} links to {target}, which does not exist");
                checked += 1;
            }
        }
    }
    assert!(checked >= 35, "the documents hold only {checked} links");
}

/// Every `section.setting` that docs/migrating.md names is one that `check-config` lists.
#[test]
fn settings_in_the_migration_guide_exist() {
    let listed = Ended::well(&mut ground(["check-config", "--json"]));
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).expect("JSON");
    let settings: BTreeSet<_> = listed.iter().filter_map(|setting| setting["key"].as_str()).collect();
    let sections: BTreeSet<_> = settings.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let guide = read("docs/migrating.md");
    let named: BTreeSet<_> = commands(&guide)
        .into_iter()
        .filter(|code| code.split_once('.').is_some_and(|(section, _)| sections.contains(section)))
        .filter(|code| code.chars().all(|letter| letter.is_ascii_lowercase() || "._".contains(letter)))
        .collect();
    let unknown: Vec<_> = named.iter().filter(|name| !settings.contains(name.as_str())).collect();
    // A file of the model folder looks like a setting.
    let unknown: Vec<_> = unknown.into_iter().filter(|name| !name.ends_with(".cwm")).collect();
    assert!(unknown.is_empty(), "docs/migrating.md names settings that do not exist: {unknown:?}");
    assert!(named.len() >= 25, "docs/migrating.md names only {} settings", named.len());
}
