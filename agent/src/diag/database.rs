//! Facts of the database: its files, its state, and how much of what it holds. Nothing of what is in it.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use cabinwatch_shared::time::UnixSeconds;

use super::page::Page;
use crate::store::{Examination, StoreError, TableFacts};

/// How long the check may read. The file has a few dozen megabytes at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// Describes the database, whatever state it is in.
pub(super) fn describe(path: &Path) -> Page {
    let mut page = Page::default();
    page.fact("path", path.display());
    files(path, &mut page);
    match Examination::of(path, PATIENCE) {
        Ok(found) => examined(found, &mut page),
        Err(error) => page.problems.push(format!("the database was not examined: {error}")),
    }
    page
}

fn examined(found: Examination, page: &mut Page) {
    told(page, "schema", Some(found.schema), |version| version.to_string());
    told(page, "log", found.journal_mode, Clone::clone);
    told(page, "pages", found.pages, |[size, pages, free]| format!("{pages} of {size} bytes, {free} free"));
    told(page, "check", found.check, |lines| lines.join("; "));
    for (table, facts) in found.tables {
        told(page, &format!("table {table}"), Some(facts), |TableFacts { rows, oldest, newest }| {
            let span = oldest
                .zip(*newest)
                .map(|(oldest, newest)| format!(", from {} to {}", UnixSeconds(oldest), UnixSeconds(newest)));
            format!("{rows} rows{}", span.unwrap_or_default())
        });
    }
}

/// A fact where there is one, and a problem where there is none.
fn told<T>(page: &mut Page, name: &str, found: Option<Result<T, StoreError>>, say: impl Fn(&T) -> String) {
    match found {
        Some(Ok(found)) => page.fact(name, say(&found)),
        Some(Err(error)) => {
            page.fact(name, "not known");
            page.problems.push(format!("database, {name}: {error}"));
        }
        None => {}
    }
}

/// The database, its log, and one that was set aside: sizes, and when they were written last.
fn files(path: &Path, page: &mut Page) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let name = name.to_string_lossy();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return page.problems.push(format!("{} can't be listed: {error}", folder.display())),
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let rest = entry.file_name().to_string_lossy().strip_prefix(&*name)?.to_owned();
            let facts = entry.metadata().ok()?;
            let written = facts.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs().cast_signed();
            Some((rest, facts.len(), UnixSeconds(written)))
        })
        .collect();
    found.sort();
    for (rest, bytes, written) in found {
        let ours = ["", "-wal", "-shm", ".lock"].contains(&rest.as_str()) || rest.starts_with(".corrupt-");
        let rest: &dyn Display = if ours { &rest } else { &"..." };
        page.fact(format!("file {name}{rest}"), format!("{bytes} bytes, written {written}"));
    }
}
