//! What a report is about: some windows of the tables.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::window::Window;

use super::ReportError;
use crate::tables::{Query, Tables};

/// A time without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first second.
    pub from: UnixSeconds,
    /// The first second after it.
    pub until: UnixSeconds,
}

impl Stretch {
    /// The stretches that some windows fill, in the order of time.
    #[must_use]
    pub fn of(windows: impl IntoIterator<Item = Window>) -> Vec<Self> {
        let mut windows: Vec<Window> = windows.into_iter().collect();
        windows.sort_by_key(|window| window.start());
        let mut stretches: Vec<Self> = Vec::new();
        for window in windows {
            match stretches.last_mut() {
                Some(last) if window.start() <= last.until => last.until = last.until.max(window.end()),
                _ => stretches.push(Self { from: window.start(), until: window.end() }),
            }
        }
        stretches
    }
}

/// One run of detection, or one period of ingest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What is reported, in the order of time. A single row with a wrong date lies decades before all others; what the
    /// tables hold between them is not this run's.
    pub stretches: Vec<Stretch>,
    /// The model that scored; the newest one where there were several, 0 for none.
    pub model: ModelVersion,
    /// Windows of aircraft with at least one failure.
    pub windows: u64,
    /// Scored rows of these windows.
    pub rows: u64,
    /// When the report is made.
    pub generated_at: UnixSeconds,
}

impl Run {
    /// First second of all.
    #[must_use]
    pub fn from(&self) -> UnixSeconds {
        self.stretches.first().map_or(self.generated_at, |first| first.from)
    }

    /// First second after all.
    #[must_use]
    pub fn until(&self) -> UnixSeconds {
        self.stretches.last().map_or(self.generated_at, |last| last.until)
    }

    /// The run over everything the tables hold between two instants; where one is missing, from the first row, or to
    /// the end of the last.
    ///
    /// # Errors
    /// When the tables can't be read, or the period ends before it begins.
    pub fn of_tables(
        tables: &dyn Tables,
        since: Option<UnixSeconds>,
        until: Option<UnixSeconds>,
        generated_at: UnixSeconds,
    ) -> Result<Self, ReportError> {
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            return Err(ReportError::Period { from: since.to_string(), until: until.to_string() });
        }
        let totals = tables.totals(None, &Query { since, until, ..Query::default() })?;
        let until = until.or(totals.until).unwrap_or(generated_at);
        let from = since.or(totals.from).unwrap_or(until).min(until);
        Ok(Self {
            stretches: vec![Stretch { from, until }],
            model: totals.model,
            windows: totals.windows,
            rows: totals.rows,
            generated_at,
        })
    }
}
