//! What the demo says while it runs, on stderr: a line for each stage, and a bar on a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines of a long stage where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The stages' teller.
pub(super) struct Progress {
    is_terminal: bool,
    stage: u32,
    stages: u32,
}

/// One stage under way.
pub(super) struct Stage {
    bar: Option<ProgressBar>,
    heading: String,
    started: Instant,
    last_line: Instant,
}

impl Progress {
    pub fn new(stages: u32) -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), stage: 0, stages }
    }

    /// Begins the next stage. `steps` is how far its bar goes; none for a stage without a measure.
    pub fn stage(&mut self, what: &str, steps: Option<u64>) -> Stage {
        self.stage += 1;
        let heading = format!("[{}/{}] {what}", self.stage, self.stages);
        let bar = self.is_terminal.then(|| bar(&heading, steps));
        Stage { bar, heading, started: Instant::now(), last_line: Instant::now() }
    }
}

impl Stage {
    /// Says how far it is.
    pub fn at(&mut self, position: u64, detail: &dyn fmt::Display) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            bar.set_message(detail.to_string());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            eprintln!("{}: {detail}", self.heading);
        }
    }

    /// Ends with what came of it.
    pub fn done(self, result: &dyn fmt::Display) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {result} ({:.1} s)", self.heading, self.started.elapsed().as_secs_f64());
    }
}

fn bar(heading: &str, steps: Option<u64>) -> ProgressBar {
    let (bar, template) = match steps {
        Some(steps) => (ProgressBar::new(steps), "{prefix} [{bar:24}] {msg}"),
        None => (ProgressBar::new_spinner(), "{prefix} {spinner} {msg}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style);
    bar.set_prefix(heading.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
