//! Driving agents: each aircraft's events, as its agent's event socket takes them, when their time has come.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use cabinwatch_shared::event::{Event, State};
use serde::Serialize;

use super::{Fleet, SimulateError};

/// How many times faster than it happened a simulation is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

/// The number is no speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a number from 0.001 on: 1 for real time, 60 for an hour a minute")]
pub struct NotASpeed;

/// Far slower, and a clock could not hold when the last event is due.
const SLOWEST: f64 = 0.001;

impl Speed {
    /// A speed from 0.001 on.
    ///
    /// # Errors
    /// [`NotASpeed`] for anything else.
    pub fn times(times: f64) -> Result<Self, NotASpeed> {
        if times.is_finite() && times >= SLOWEST { Ok(Self(times)) } else { Err(NotASpeed) }
    }
}

/// An event as the event socket takes it.
#[derive(Serialize)]
struct Json<'a> {
    edr_date: String,
    edr_point: &'a str,
    description: &'a str,
    state: State,
}

/// One event as one datagram.
///
/// # Errors
/// When JSON refuses, which no event makes it do.
pub fn datagram(event: &Event<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let Event { at, key, state } = *event;
    let json =
        Json { edr_date: at.to_string(), edr_point: key.edr_point, description: key.description, state };
    serde_json::to_vec(&json)
}

/// Plays the fleet's events to agents' sockets, the first aircraft's to the first, all at once. Returns how many were
/// sent. A full socket makes its aircraft wait, so nothing is dropped.
///
/// # Errors
/// When there are more sockets than aircraft, or a socket can't be reached any more.
pub fn drive(fleet: &Fleet, sockets: &[PathBuf], speed: Speed) -> Result<u64, SimulateError> {
    if sockets.len() > fleet.aircraft().len() {
        return Err(SimulateError::TooFewAircraft {
            aircraft: fleet.aircraft().len(),
            sockets: sockets.len(),
        });
    }
    let begins = Instant::now();
    thread::scope(|scope| {
        let players: Vec<_> = (0..)
            .zip(sockets)
            .map(|(aircraft, socket)| scope.spawn(move || play(fleet, aircraft, socket, begins, speed)))
            .collect();
        players.into_iter().zip(sockets).try_fold(0, |sent, (player, socket)| {
            let played = player.join().unwrap_or_else(|_| Err(io::Error::other("the player broke off")));
            let failed = |source| SimulateError::Socket { path: socket.clone(), source };
            Ok(sent + played.map_err(failed)?)
        })
    })
}

fn play(fleet: &Fleet, aircraft: usize, socket: &Path, begins: Instant, speed: Speed) -> io::Result<u64> {
    let sender = UnixDatagram::unbound()?;
    sender.connect(socket)?;
    let start = fleet.period().0.millis().0;
    let mut sent = 0;
    for simulated in fleet.events(aircraft) {
        let millis = simulated.event.at.0.saturating_sub(start).max(0) as f64;
        let due = begins + Duration::from_secs_f64(millis / 1000.0 / speed.0);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        sender.send(&datagram(&simulated.event)?)?;
        sent += 1;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::time::UnixSeconds;

    use super::*;
    use crate::simulate::FleetPlan;

    fn fleet() -> Fleet {
        let start = UnixSeconds(1_795_000_000);
        Fleet::new(FleetPlan { seed: 1, aircraft: 2, start, seconds: 21_600, events: Some(400), faults: 1 })
    }

    #[test]
    fn each_agent_gets_its_aircrafts_events_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["a.sock", "b.sock"].map(|name| folder.path().join(name));
        let fleet = fleet();
        let received = thread::scope(|scope| {
            let agents = paths.each_ref().map(|path| UnixDatagram::bind(path).expect("a socket"));
            let readers: Vec<_> = (0..)
                .zip(agents)
                .map(|(aircraft, agent)| {
                    let events = fleet.events(aircraft).count();
                    scope.spawn(move || {
                        // A datagram that never comes fails the test instead of holding it up.
                        agent.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit");
                        let mut buffer = [0; 512];
                        let mut next = || {
                            let length = agent.recv(&mut buffer).expect("a datagram");
                            buffer[..length].to_vec()
                        };
                        (0..events).map(|_| next()).collect::<Vec<_>>()
                    })
                })
                .collect();
            let speed = Speed::times(1e6).expect("a speed");
            let sent = drive(&fleet, &paths, speed).expect("both listen");
            let received: Vec<_> = readers.into_iter().map(|reader| reader.join().expect("read")).collect();
            assert_eq!(sent as usize, received.iter().map(Vec::len).sum::<usize>());
            received
        });
        for (aircraft, datagrams) in received.iter().enumerate() {
            let expected: Vec<_> =
                fleet.events(aircraft).map(|event| datagram(&event.event).expect("JSON")).collect();
            assert_eq!(*datagrams, expected);
        }
        assert!(received.iter().all(|datagrams| !datagrams.is_empty()));
    }

    #[test]
    fn a_socket_nobody_listens_at_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("nobody.sock");
        let error =
            drive(&fleet(), std::slice::from_ref(&path), Speed(1e6)).expect_err("refused").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }

    #[test]
    fn every_socket_needs_an_aircraft() {
        let sockets = vec![PathBuf::from("a"); 3];
        assert!(matches!(drive(&fleet(), &sockets, Speed(1.0)), Err(SimulateError::TooFewAircraft { .. })));
    }

    #[test]
    fn standing_still_and_going_back_are_no_speeds() {
        for times in [0.0, 1e-300, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Speed::times(times), Err(NotASpeed));
        }
    }
}
