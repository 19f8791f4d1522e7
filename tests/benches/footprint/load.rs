//! Events at a steady rate.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_tests::event_line::write_event;

use super::Result;

/// How far before the present the events' dates begin, so that none lies in the future.
const HEAD_START: Duration = Duration::from_secs(600);
/// Dates run faster than time, so that each run closes windows.
const HASTE: u32 = 4;

/// A rate and how long it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Events a second.
    pub events_per_second: u64,
    /// Seconds.
    pub seconds: u64,
}

impl Load {
    /// How many events that makes.
    pub const fn events(self) -> u64 {
        self.events_per_second * self.seconds
    }

    /// Sends them, one datagram each; waits where the agent's queue is full, so that none is lost.
    ///
    /// # Errors
    /// When the agent is gone.
    pub fn send(self, socket: &Path) -> Result<()> {
        let sender = UnixDatagram::unbound()?;
        sender.connect(socket)?;
        let (started, base) = (Instant::now(), jiff::Timestamp::now() - HEAD_START);
        let mut line = String::new();
        for number in 0..self.events() {
            let due = Duration::from_micros(number * 1_000_000 / self.events_per_second);
            thread::sleep(due.saturating_sub(started.elapsed()));
            write_event(&mut line, number, format_args!("{:.3}", base + due * HASTE));
            sender.send(line.as_bytes())?;
        }
        Ok(())
    }
}
