//! The log lines of a real gateway, re-stamped into the demo's hours and sent as syslog.

use std::time::Duration;

use cabinwatch_shared::time::UnixMillis;

use super::feed::Datagram;
use super::timeline::Timeline;

/// What hostapd, dnsmasq and radiusd really logged: one gateway's whole log, and two longer runs of single daemons.
const LOGS: [&str; 3] = [
    include_str!("../../../tests/gateway-logs/gateway-all.log"),
    include_str!("../../../tests/gateway-logs/dnsmasq.log"),
    include_str!("../../../tests/gateway-logs/freeradius.log"),
];
/// Between one log and the next.
const PAUSE_MILLIS: i64 = 5_000;
/// Longer silences of the captures are cut to this.
const LONGEST_SILENCE_MILLIS: i64 = 5_000;
/// Facility daemon, severity informational: severity says nothing in these logs anyway.
const PRIORITY: &str = "<30>1";
const HOST: &str = "gateway";

/// One line: how long after its log's first it was written, and the message in its parts.
struct Line {
    after: i64,
    program: String,
    process: String,
    message: &'static str,
}

/// How long all logs together last.
pub(super) fn round_length() -> Duration {
    Duration::from_millis(u64::try_from(length(&round())).unwrap_or(0))
}

/// The logs one after the other, again and again from the timeline's start, as RFC 5424 messages without end.
pub(super) fn messages(timeline: Timeline) -> impl Iterator<Item = Datagram> {
    let round = round();
    let length = length(&round);
    let start = timeline.start.millis().0;
    (0_i64..).flat_map(move |number| {
        let offset = start + number * length;
        round.iter().map(|line| message(line, UnixMillis(offset + line.after))).collect::<Vec<_>>()
    })
}

fn message(line: &Line, at: UnixMillis) -> Datagram {
    let Line { program, process, message, .. } = line;
    let text = format!("{PRIORITY} {at} {HOST} {program} {process} - - {message}");
    Datagram { at, bytes: text.into_bytes(), state: None }
}

fn length(round: &[Line]) -> i64 {
    round.last().map_or(0, |line| line.after) + PAUSE_MILLIS
}

fn round() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for log in LOGS {
        let mut after = if lines.is_empty() { 0 } else { length(&lines) };
        let mut before = None;
        for (at, program, process, message) in log.lines().filter_map(parse) {
            // A clock that was set meanwhile must not send the demo back.
            let silence = at.0 - before.replace(at.0).unwrap_or(at.0);
            after += silence.clamp(0, LONGEST_SILENCE_MILLIS);
            lines.push(Line { after, program, process, message });
        }
    }
    lines
}

/// `TIME HOST APP[PID]: MESSAGE`, where hostapd has no pid.
fn parse(line: &'static str) -> Option<(UnixMillis, String, String, &'static str)> {
    let (time, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once(' ')?;
    let (tag, message) = rest.split_once(": ")?;
    let (program, process) = match tag.strip_suffix(']').and_then(|tag| tag.split_once('[')) {
        Some((program, process)) => (program, process),
        None => (tag, "-"),
    };
    Some((UnixMillis::parse(time).ok()?, program.to_owned(), process.to_owned(), message))
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::time::UnixSeconds;

    use super::*;

    #[test]
    fn every_line_of_the_logs_is_sent_in_order() {
        let lines = round();
        let all: usize = LOGS.iter().map(|log| log.lines().count()).sum();
        assert_eq!(lines.len(), all);
        assert!(lines.is_sorted_by_key(|line| line.after));
    }

    #[test]
    fn a_message_is_rfc_5424_with_the_new_time() {
        let timeline = Timeline { start: UnixSeconds(1_795_248_600), end: UnixSeconds(1_795_252_200) };
        let first = messages(timeline).next().expect("a message");
        let text = String::from_utf8(first.bytes).expect("UTF-8");
        assert!(text.starts_with("<30>1 2026-11-21T08:10:00Z gateway rsyslogd - - - [origin "), "{text}");
    }

    #[test]
    fn the_rounds_follow_each_other() {
        let timeline = Timeline { start: UnixSeconds(0), end: UnixSeconds(7200) };
        let two_rounds: Vec<_> = messages(timeline).take(2 * round().len()).collect();
        assert!(two_rounds.is_sorted_by_key(|datagram| datagram.at));
        let minutes = round_length().as_secs() / 60;
        assert!(
            (2..10).contains(&minutes),
            "a round closes a window and does not reach the clock: {minutes} min"
        );
    }
}
