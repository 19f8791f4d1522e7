//! The model in use, and how a new one takes its place while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::monitor::Monitor;
use super::stamp::Stamp;
use crate::telemetry::{MODEL_FILE, Scorer};

/// The model in use.
#[derive(Debug)]
pub(super) struct Models {
    dir: PathBuf,
    current: RwLock<Option<Arc<Scorer>>>,
    /// The file that was last tried, whether it was a model or not.
    tried: Mutex<Option<Result<Stamp, io::ErrorKind>>>,
}

impl Models {
    /// Opens the folder's model, if it has one.
    pub(super) fn open(dir: &Path, monitor: &Monitor) -> Self {
        let models = Self { dir: dir.to_owned(), current: RwLock::default(), tried: Mutex::default() };
        models.refresh(monitor);
        models
    }

    /// The model to score with now. Whoever has begun with one ends with it.
    pub(super) fn current(&self) -> Option<Arc<Scorer>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the folder's model if it is another one than before. One that is broken or gone changes nothing but the
    /// log: the server goes on with what it has.
    pub(super) fn refresh(&self, monitor: &Monitor) {
        let path = self.dir.join(MODEL_FILE);
        let found = Stamp::of(&path);
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if tried.replace(found) == Some(found) {
            return;
        }
        let has_one = self.current().is_some();
        let instead =
            if has_one { "the model before stays in use" } else { "POST /event answers 503 until then" };
        if found == Err(io::ErrorKind::NotFound) {
            tracing::warn!(file = %path.display(), "there is no model; {instead}");
            return;
        }
        match Scorer::open(&self.dir) {
            Ok(scorer) => {
                let (model, trained) = (scorer.id(), scorer.trained());
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(scorer));
                monitor.loaded();
                tracing::info!(%model, %trained, file = %path.display(), "model loaded");
            }
            Err(error) => {
                monitor.not_loaded();
                tracing::error!(%error, "the model cannot be used; {instead}");
            }
        }
    }
}
