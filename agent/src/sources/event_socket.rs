//! The unix datagram socket that takes JSON events, one a datagram.
//!
//! Plain `recv` calls, no `recvmmsg`: a unix datagram socket queues `net.unix.max_dgram_qlen` datagrams, ten by default,
//! so a call for many would find few, and needs memory for all. The cost of an event lies behind the socket.

use std::io;
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cabinwatch_shared::wire::LossReason;

use super::DatedBy;
use super::clock::now;
use super::outlet::{BATCH_EVENTS, Fault, LINGER, Leaving, Outlet, STOP_CHECK};
use super::producers::Producers;
use super::socket::{bind_unix, wait_readable};
use super::taker::{Receipt, Taker};

/// One producer's address, and a run of its numbers in the batch. A number that the socket lost (the agent died with
/// it unread) is in no run: one that came after it must not speak for it.
struct Reply {
    to: SocketAddr,
    producer: String,
    numbers: RangeInclusive<u64>,
}

/// Reads events until the agent stops.
pub(super) fn run(
    path: &Path,
    max_bytes: usize,
    producers: &Mutex<Producers>,
    outlet: &Outlet,
) -> Result<(), Fault> {
    let fault = |what: &str| Fault::io(format!("{what} the event socket {}", path.display()));
    let socket = Arc::new(bind_unix(path).map_err(fault("cannot open"))?);
    let mut taker = Taker::new(outlet, producers, DatedBy::Machine);
    let mut replies = Vec::new();
    let mut since: Option<Instant> = None;
    let mut leaving = Leaving::new(outlet);
    // One byte more than allowed, to tell a datagram that just fits from one that was cut.
    let mut buffer = vec![0; max_bytes + 1];
    loop {
        let waited = since.map(|since| since.elapsed());
        if taker.taken() >= BATCH_EVENTS || waited.is_some_and(|waited| waited >= LINGER) {
            promise_replies(&mut taker, &socket, &mut replies);
            taker.hand_over(None)?;
            since = None;
        }
        if since.is_none() {
            leaving.look()?;
        }
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                since.get_or_insert_with(Instant::now);
                match buffer.get(..length).filter(|_| length <= max_bytes) {
                    Some(text) => note(&mut replies, taker.take(text, now()), from),
                    None => taker.lose(LossReason::TooLong),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if since.is_none() {
                    leaving.found_empty()?;
                }
                let longest = waited.map_or(STOP_CHECK, |waited| LINGER.saturating_sub(waited));
                wait_readable(&*socket, longest).map_err(fault("cannot wait for"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fault("cannot read from")(error)),
        }
    }
}

/// Keeps one reply for each unbroken run of numbers of a sender and producer.
fn note(replies: &mut Vec<Reply>, receipt: Option<Receipt>, from: SocketAddr) {
    let Some(Receipt { producer, seq }) = receipt.filter(|_| !from.is_unnamed()) else { return };
    let same = |reply: &&mut Reply| {
        reply.producer == producer
            && reply.to.as_pathname() == from.as_pathname()
            && reply.to.as_abstract_name() == from.as_abstract_name()
    };
    if let Some(reply) = replies.iter_mut().rev().find(same) {
        if reply.numbers.contains(&seq) {
            return;
        }
        if reply.numbers.end().checked_add(1) == Some(seq) {
            reply.numbers = *reply.numbers.start()..=seq;
            return;
        }
    }
    replies.push(Reply { to: from, producer, numbers: seq..=seq });
}

/// Once the batch is stored, each sender is told. The engine runs this, so it must not wait: a sender that doesn't
/// read its replies misses them, and learns the same when it sends again.
fn promise_replies(taker: &mut Taker<'_>, socket: &Arc<UnixDatagram>, replies: &mut Vec<Reply>) {
    if replies.is_empty() {
        return;
    }
    let (socket, replies) = (Arc::clone(socket), std::mem::take(replies));
    taker.batch.on_stored = Some(Box::new(move || {
        for Reply { to, producer, numbers } in replies {
            let (first, last) = numbers.into_inner();
            let text = format!(r#"{{"producer":"{producer}","first":{first},"stored":{last}}}"#);
            if let Err(error) = socket.send_to_addr(text.as_bytes(), &to) {
                tracing::debug!(producer, first, last, "the producer did not take its receipt: {error}");
            }
        }
    }));
}
