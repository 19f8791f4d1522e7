//! The list of a fleet's tails: one a line; empty lines and what follows a `#` do not count.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cabinwatch_shared::tail::{NotATail, Tail};

use super::{INGEST, PUBLISH};

/// Names with another meaning: the ground's own at the broker, the fleet's in the tables, and the topic of the models.
const RESERVED: [&str; 4] = [INGEST, PUBLISH, "fleet", "models"];

/// Why a list can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TailsError {
    /// The file can't be read.
    #[error("cannot read the list of tails {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that can't stand.
    #[error("{}, line {line}: {text:?} {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Nobody to write a configuration for.
    #[error("{} names no aircraft; write one tail a line, e.g. TC-JJA", .0.display())]
    Empty(PathBuf),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No registration.
    #[error("is {0}")]
    NotATail(#[from] NotATail),
    /// A name that means something else.
    #[error("is a name with a meaning of its own and cannot be an aircraft's")]
    Reserved,
    /// Named twice; upper and lower case do not make two aircraft.
    #[error("is the same aircraft as in line {0}")]
    Twice(usize),
}

/// Reads a list, sorted.
///
/// # Errors
/// Names the file and the line.
pub fn read(path: &Path) -> Result<Vec<Tail>, TailsError> {
    let text = fs::read(path).map_err(|source| TailsError::Read { path: path.to_owned(), source })?;
    let mut tails = parse(&String::from_utf8_lossy(&text))
        .map_err(|(line, text, problem)| TailsError::Line { path: path.to_owned(), line, text, problem })?;
    tails.sort_unstable();
    if tails.is_empty() { Err(TailsError::Empty(path.to_owned())) } else { Ok(tails) }
}

fn parse(text: &str) -> Result<Vec<Tail>, (usize, String, Problem)> {
    let mut lines: HashMap<String, usize> = HashMap::new();
    let mut tails = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let name = line.split_once('#').map_or(line, |(name, _)| name).trim();
        if name.is_empty() {
            continue;
        }
        let wrong = |problem| (number, name.to_owned(), problem);
        let tail: Tail = name.parse().map_err(|error: NotATail| wrong(error.into()))?;
        let folded = name.to_ascii_lowercase();
        if RESERVED.contains(&folded.as_str()) {
            return Err(wrong(Problem::Reserved));
        }
        if let Some(first) = lines.insert(folded, number) {
            return Err(wrong(Problem::Twice(first)));
        }
        tails.push(tail);
    }
    Ok(tails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tail_a_line_with_comments_and_empty_lines() {
        let tails = parse("# our fleet\nTC-JJA\r\n\n  TC-JJB # since May\n").expect("a list");
        assert_eq!(tails.iter().map(Tail::as_str).collect::<Vec<_>>(), ["TC-JJA", "TC-JJB"]);
    }

    #[test]
    fn what_could_change_the_access_list_is_refused_by_line_and_name() {
        for name in ["TC/JJA", "+", "../x", "TC JJA", "TC-JJA:x", "%u", "A-VERY-LONG-REGISTRATION", "\u{0}"] {
            let (line, text, problem) = parse(&format!("TC-JJB\n{name}\n")).expect_err(name);
            assert_eq!((line, text.as_str(), problem), (2, name, Problem::NotATail(NotATail)));
        }
    }

    #[test]
    fn names_with_a_meaning_of_their_own_are_refused() {
        for name in ["ingest", "PUBLISH", "FLEET", "models"] {
            assert_eq!(parse(name), Err((1, name.to_owned(), Problem::Reserved)));
        }
    }

    #[test]
    fn the_same_aircraft_twice_is_refused_with_both_lines() {
        assert_eq!(parse("TC-JJA\n\ntc-jja"), Err((3, "tc-jja".to_owned(), Problem::Twice(1))));
    }

    #[test]
    fn an_empty_list_is_refused_by_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tails.txt");
        fs::write(&path, "# nobody\n").expect("written");
        let error = read(&path).expect_err("refused").to_string();
        assert!(error.contains("tails.txt") && error.contains("no aircraft"), "{error}");
    }
}
