//! A bar for long work; nothing unless stderr is a terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over so many steps. It goes to stderr and leaves nothing behind.
#[must_use]
pub fn bar(what: &'static str, steps: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {eta}");
    ProgressBar::new(steps)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}

/// Between two lines of long work where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Says when a line is due where there is no terminal.
pub(super) struct EverySoOften {
    last: Instant,
}

impl EverySoOften {
    /// The first is due after the first while.
    pub fn new() -> Self {
        Self { last: Instant::now() }
    }

    pub fn is_due(&mut self) -> bool {
        let is_due = self.last.elapsed() >= LINE_EVERY;
        if is_due {
            self.last = Instant::now();
        }
        is_due
    }
}
