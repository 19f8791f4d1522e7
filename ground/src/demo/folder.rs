//! Where the demo leaves everything.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::DemoError;

/// The last file a demo writes, and by which the next one knows the folder.
const SUMMARY: &str = "summary.json";
/// Written first, so that a demo that was broken off can be run again too.
const MARKER: &str = ".cabinwatch-demo";
/// All a demo makes, but for the marker.
const ENTRIES: [&str; 10] = [
    "history",
    "model",
    "telemetry",
    "agents",
    "archive",
    "mail",
    "tables.db",
    "tables.db-wal",
    "tables.db-shm",
    SUMMARY,
];

/// The demo's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, or clears what an earlier demo left in it; any other folder is left alone.
    pub fn prepare(path: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(path).map_err(DemoError::file(path))?;
        let path = fs::canonicalize(path).map_err(DemoError::file(path))?;
        let is_empty = fs::read_dir(&path).map_err(DemoError::file(&path))?.next().is_none();
        if !is_empty && !path.join(MARKER).exists() {
            return Err(DemoError::Foreign(path));
        }
        for entry in ENTRIES {
            let entry = path.join(entry);
            remove(&entry).map_err(DemoError::file(&entry))?;
        }
        let marker = path.join(MARKER);
        fs::write(&marker, "made by `cabinwatch-ground demo`, which replaces what it finds here\n")
            .map_err(DemoError::file(&marker))?;
        Ok(Self(path))
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    pub fn model(&self) -> PathBuf {
        self.0.join("model")
    }

    pub fn telemetry(&self) -> PathBuf {
        self.0.join("telemetry")
    }

    pub fn agent(&self, tail: &str) -> PathBuf {
        self.0.join("agents").join(tail)
    }

    pub fn tables_url(&self) -> String {
        format!("sqlite://{}", self.0.join("tables.db").display())
    }

    pub fn archive_url(&self) -> String {
        file_url(&self.0.join("archive"))
    }

    pub fn mail_url(&self) -> String {
        file_url(&self.0.join("mail"))
    }

    pub fn summary(&self) -> PathBuf {
        self.0.join(SUMMARY)
    }
}

/// The URL of an absolute folder.
pub(super) fn file_url(path: &Path) -> String {
    url::Url::from_file_path(path).map_or_else(|()| format!("file://{}", path.display()), String::from)
}

fn remove(entry: &Path) -> io::Result<()> {
    let removed = if entry.is_dir() { fs::remove_dir_all(entry) } else { fs::remove_file(entry) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demos_own_folder_is_cleared_and_anyone_elses_is_left_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("demo");
        let folder = Folder::prepare(&path).expect("a new folder");
        fs::write(folder.summary(), "{}").expect("written");
        fs::create_dir(folder.history()).expect("made");
        let folder = Folder::prepare(&path).expect("a demo's folder");
        assert!(!folder.summary().exists() && !folder.history().exists());

        let foreign = parent.path().join("photos");
        fs::create_dir(&foreign).expect("made");
        fs::write(foreign.join("summary.json"), "precious").expect("written");
        assert!(matches!(Folder::prepare(&foreign), Err(DemoError::Foreign(_))));
        assert!(foreign.join("summary.json").exists());
    }
}
