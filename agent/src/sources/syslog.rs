//! Syslog datagrams, RFC 5424 and RFC 3164, on unix sockets and on UDP of the loopback interface.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Instant;

use cabinwatch_shared::wire::LossReason;

use super::EventBatch;
use super::clock::now;
use super::lines;
use super::log_lines::{SharedInterpreter, take_line};
use super::outlet::{BATCH_EVENTS, Fault, LINGER, Leaving, Outlet, STOP_CHECK};
use super::socket::{bind_unix, wait_readable};
use super::udp::{Received, UdpReceiver};

/// Where syslog messages come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SyslogAddress {
    Unix(PathBuf),
    Udp(SocketAddr),
}

impl SyslogAddress {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Unix(path) => format!("syslog socket {}", path.display()),
            Self::Udp(address) => format!("syslog UDP {address}"),
        }
    }

    fn open(&self) -> io::Result<SyslogSocket> {
        match self {
            Self::Unix(path) => Ok(SyslogSocket::Unix(bind_unix(path)?)),
            Self::Udp(address) => Ok(SyslogSocket::Udp(UdpReceiver::bind(*address)?)),
        }
    }
}

enum SyslogSocket {
    Unix(UnixDatagram),
    Udp(UdpReceiver),
}

impl SyslogSocket {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        match self {
            // The sender waits where there is no room.
            Self::Unix(socket) => Ok(Received { length: socket.recv(buffer)?, dropped: 0 }),
            Self::Udp(socket) => socket.receive(buffer),
        }
    }
}

impl AsFd for SyslogSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
        }
    }
}

/// Reads messages until the agent stops.
pub(super) fn run(
    address: &SyslogAddress,
    max_bytes: usize,
    interpreter: &SharedInterpreter,
    outlet: &Outlet,
) -> Result<(), Fault> {
    let fault = |what: &str| Fault::io(format!("{what} it"));
    let mut socket = address.open().map_err(fault("cannot open"))?;
    let mut batch = EventBatch::default();
    let mut since: Option<Instant> = None;
    let mut leaving = Leaving::new(outlet);
    let mut taken = 0;
    let mut buffer = vec![0; max_bytes + 1];
    loop {
        let waited = since.map(|since| since.elapsed());
        if taken >= BATCH_EVENTS || waited.is_some_and(|waited| waited >= LINGER) {
            outlet.send(&mut batch)?;
            (since, taken) = (None, 0);
        }
        if since.is_none() {
            leaving.look()?;
        }
        match socket.receive(&mut buffer) {
            Ok(Received { length, dropped }) => {
                since.get_or_insert_with(Instant::now);
                taken += 1;
                if dropped > 0 {
                    batch.lose(LossReason::QueueFull, dropped);
                }
                let message = buffer.get(..length).filter(|_| length <= max_bytes);
                let line =
                    message.ok_or(LossReason::TooLong).and_then(|message| lines::text(unframed(message)));
                take_line(interpreter, line, now(), &mut batch);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if since.is_none() {
                    leaving.found_empty()?;
                }
                let longest = waited.map_or(STOP_CHECK, |waited| LINGER.saturating_sub(waited));
                wait_readable(&socket, longest).map_err(fault("cannot wait for"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault("cannot read from")(error)),
        }
    }
}

/// Some senders end a message as a line or as a C string.
fn unframed(mut message: &[u8]) -> &[u8] {
    while let [rest @ .., b'\n' | b'\0' | b'\r'] = message {
        message = rest;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_lines_and_strings_are_no_part_of_a_message() {
        assert_eq!(unframed(b"<30>a: b\n\0"), b"<30>a: b");
        assert_eq!(unframed(b"\0\n"), b"");
    }
}
