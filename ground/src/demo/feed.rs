//! The datagrams one agent gets, and sending them at the demo's pace.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cabinwatch_shared::event::{Event, State};
use cabinwatch_shared::time::{UnixMillis, UnixSeconds};
use tokio::net::UnixDatagram;
use tokio::time::{Instant, sleep_until};

use super::DemoError;
use super::timeline::{Stretch, Timeline};
use crate::simulate::{self, SimulatedEvent};

/// One datagram, and when what it tells happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub at: UnixMillis,
    pub bytes: Vec<u8>,
    /// How the event ended; not known of a log line.
    pub state: Option<State>,
}

/// Cuts what lies on the timeline out of a feed, and goes on until the first datagram that is so much later that it
/// closes the last window.
pub(super) fn on_timeline(
    timeline: Timeline,
    behind_end: Duration,
    datagrams: impl Iterator<Item = Datagram>,
) -> Vec<Datagram> {
    let closing = timeline.end.millis().0 + i64::try_from(behind_end.as_millis()).unwrap_or(i64::MAX);
    let mut closed = false;
    datagrams
        .skip_while(|datagram| datagram.at < timeline.start.millis())
        .take_while(|datagram| {
            let goes_on = !closed;
            closed = closed || datagram.at.0 >= closing;
            goes_on
        })
        .collect()
}

/// The events of a simulated aircraft as JSON datagrams.
pub(super) fn simulated(stretch: &Stretch) -> Result<Vec<Datagram>, DemoError> {
    let first = stretch.fault.start.0 - stretch.shift - 86_400;
    let events = stretch
        .fleet
        .events(stretch.aircraft)
        .skip_while(|event| event.event.at < UnixSeconds(first).millis());
    events.map(|event| datagram(&event, stretch.shift)).collect()
}

fn datagram(SimulatedEvent { event, .. }: &SimulatedEvent, shift: i64) -> Result<Datagram, DemoError> {
    let event = Event { at: UnixMillis(event.at.0 + shift * 1000), ..*event };
    let bytes = simulate::datagram(&event)
        .map_err(|error| DemoError::Encode { what: "an event", message: error.to_string() })?;
    Ok(Datagram { at: event.at, bytes, state: Some(event.state) })
}

/// How event time passes while the demo runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Event time at which this part begins.
    pub from: UnixSeconds,
    /// When it begins.
    pub begins: Instant,
    /// How many seconds of event time a second takes.
    pub speed: f64,
}

impl Pace {
    fn instant(&self, at: UnixMillis) -> Instant {
        let millis = (at.0 - self.from.millis().0).max(0) as f64;
        self.begins + Duration::from_secs_f64(millis / 1000.0 / self.speed)
    }
}

/// Sends datagrams when their time has come. A full socket makes the sender wait, so none is lost.
pub(super) async fn send(
    datagrams: &[Datagram],
    socket: &Path,
    pace: Pace,
    sent: &AtomicU64,
) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    sender.connect(socket)?;
    for datagram in datagrams {
        sleep_until(pace.instant(datagram.at)).await;
        sender.send(&datagram.bytes).await?;
        sent.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Datagram {
        Datagram { at: UnixSeconds(seconds).millis(), bytes: Vec::new(), state: None }
    }

    #[test]
    fn a_feed_ends_with_the_first_datagram_that_closes_the_last_window() {
        let timeline = Timeline { start: UnixSeconds(300), end: UnixSeconds(600) };
        let feed = [0, 299, 300, 599, 610, 629, 630, 700].map(at);
        let cut = on_timeline(timeline, Duration::from_secs(30), feed.into_iter());
        let seconds: Vec<i64> = cut.iter().map(|datagram| datagram.at.seconds().0).collect();
        assert_eq!(seconds, [300, 599, 610, 629, 630]);
    }

    #[test]
    fn simulated_events_lie_on_the_timeline_in_order() {
        let timeline = Timeline::before(UnixSeconds(1_795_250_123));
        let [stretch, _] = timeline.stretches(1).expect("long flights");
        let feed =
            on_timeline(timeline, Duration::from_secs(30), simulated(&stretch).expect("events").into_iter());
        assert!(feed.len() > 1000);
        assert!(feed.is_sorted_by_key(|datagram| datagram.at));
        assert!(feed.last().is_some_and(|last| last.at >= timeline.end.millis()));
        let text = String::from_utf8(feed[0].bytes.clone()).expect("UTF-8");
        assert!(text.starts_with(r#"{"edr_date":"20"#) && text.contains(r#""state":""#), "{text}");
    }
}
