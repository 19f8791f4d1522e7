//! The log: lines on stderr, in the journal's way where the journal reads them.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use nix::sys::stat::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogConfig;

/// Starts logging to stderr. The journal dates each line itself and keeps its priority, so it gets no date, and the
/// priority in front.
pub fn start(config: &LogConfig) {
    let stderr = std::io::stderr();
    let level = config.level.parse().unwrap_or(Level::INFO);
    let ansi = stderr.is_terminal();
    // Where stderr is a file on a full disk, the complaint about a line that can't be written would end the agent.
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .log_internal_errors(false);
    let to_journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| is_journal(&stream, &stderr));
    match (to_journal, config.json) {
        (true, true) => lines.json().without_time().map_event_format(WithPriority).init(),
        (true, false) => lines.without_time().with_level(false).map_event_format(WithPriority).init(),
        (false, true) => lines.json().init(),
        (false, false) => lines.init(),
    }
}

/// Writes a line to stderr, where there is no log yet or it is not for one. Where stderr can't be written, that is no reason
/// to end.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether this is the stream that `JOURNAL_STREAM` names by device and inode; a redirected one is not.
fn is_journal(stream: &str, file: &impl AsFd) -> bool {
    fstat(file).is_ok_and(|found| stream == format!("{}:{}", found.st_dev, found.st_ino))
}

/// Lines that begin with syslog's number for their level, as in `<4>`.
struct WithPriority<F>(F);

impl<S, N, F> FormatEvent<S, N> for WithPriority<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::fs::MetadataExt;

    use super::*;

    #[test]
    fn only_the_stream_that_the_journal_reads_is_the_journal() {
        let file = tempfile::tempfile().expect("a file");
        let found = file.metadata().expect("its number");
        let name = format!("{}:{}", found.st_dev(), found.st_ino());
        assert!(is_journal(&name, &file));
        assert!(!is_journal(&name, &tempfile::tempfile().expect("another file")));
        assert!(!is_journal("", &file));
    }

    #[test]
    fn errors_come_before_warnings() {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];
        assert_eq!(levels.map(priority), [3, 4, 6, 7]);
    }
}
