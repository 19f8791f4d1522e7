//! Passes TCP connections on to a port of this machine, keeps what went through, and can cut one off.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What went over one connection.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// From the client.
    pub up: Vec<u8>,
    /// To the client.
    pub down: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    ended: AtomicBool,
    /// Bytes from clients until everything is cut; negative for never.
    cut_after: AtomicI64,
    conversations: Mutex<Vec<Conversation>>,
    open: Mutex<Vec<TcpStream>>,
}

/// A relay. Dropping it ends every connection.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Relay {
    /// Listens at an address and port, and passes everything on to another port on 127.0.0.1.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn start(address: Ipv4Addr, port: u16, target: u16) -> Self {
        let listener = TcpListener::bind((address, port)).expect("the port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            target,
            ended: AtomicBool::new(false),
            cut_after: AtomicI64::new(-1),
            conversations: Mutex::default(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener));
        Self { address, shared }
    }

    /// The port it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Once clients have sent so many more bytes, all connections end, the last byte delivered.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.cut_after.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Whether [`Self::cut_after`] has happened.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.cut_after.load(Ordering::SeqCst) < 0
    }

    /// What went through so far, in the order of the connections.
    #[must_use]
    pub fn conversations(&self) -> Vec<Conversation> {
        held(&self.shared.conversations).clone()
    }

    /// Forgets what went through before, but of connections that are open the next bytes still belong to the old.
    pub fn forget(&self) {
        held(&self.shared.conversations).iter_mut().for_each(|talk| *talk = Conversation::default());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the thread that accepts.
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let _ = TcpStream::connect((ip, self.address.port()));
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            // The broker may be gone: then the client finds its connection closed, as it would without us.
            let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target)) else { continue };
            let _ = (client.set_nodelay(true), broker.set_nodelay(true));
            let number = {
                let mut conversations = held(&self.conversations);
                conversations.push(Conversation::default());
                conversations.len() - 1
            };
            let copy = |stream: &TcpStream| stream.try_clone().expect("a socket can be cloned");
            held(&self.open).extend([copy(&client), copy(&broker)]);
            let (up, down) = ((copy(&client), copy(&broker)), (broker, client));
            let (ours, theirs) = (Arc::clone(self), Arc::clone(self));
            thread::spawn(move || ours.pass(up.0, up.1, number, true));
            thread::spawn(move || theirs.pass(down.0, down.1, number, false));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, number: usize, is_up: bool) {
        let mut buffer = [0; 16 << 10];
        while let Ok(mut length) = from.read(&mut buffer)
            && length > 0
        {
            let mut cuts = false;
            if is_up && self.cut_after.load(Ordering::SeqCst) >= 0 {
                let left = self.cut_after.fetch_sub(length as i64, Ordering::SeqCst) - length as i64;
                cuts = left < 0;
                if cuts {
                    length = usize::try_from(length as i64 + left).unwrap_or(0);
                }
            }
            if let Some(talk) = held(&self.conversations).get_mut(number) {
                let kept = if is_up { &mut talk.up } else { &mut talk.down };
                kept.extend(&buffer[..length]);
            }
            let passed = to.write_all(&buffer[..length]);
            if cuts {
                self.cut();
            }
            if passed.is_err() || cuts {
                break;
            }
        }
        let _ = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
    }

    fn cut(&self) {
        for stream in held(&self.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
