//! A UDP socket that knows what found no room in it.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};

/// UDP drops what finds no room, so there is room for a burst.
const BUFFER_BYTES: usize = 1 << 20;

/// A datagram that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// Its bytes, as far as the buffer holds them.
    pub(super) length: usize,
    /// Datagrams that the kernel has dropped since the one before it.
    pub(super) dropped: u64,
}

/// Does not block. The kernel puts its count of dropped datagrams beside each that it delivers: what it drops last is known
/// when the next one comes.
pub(super) struct UdpReceiver {
    socket: UdpSocket,
    control: Vec<u8>,
    /// The kernel's count, which wraps.
    dropped: u32,
}

impl UdpReceiver {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        // The kernel may grant less; less is what there is then.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &BUFFER_BYTES);
        setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        Ok(Self { socket, control: cmsg_space!(u32), dropped: 0 })
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let mut parts = [IoSliceMut::new(buffer)];
        let message =
            recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut self.control), MsgFlags::empty())?;
        let told = message.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::RxqOvfl(count) => Some(count),
            _ => None,
        });
        // The kernel says nothing for as long as it has dropped none.
        let count = told.unwrap_or(self.dropped);
        let dropped = u64::from(count.wrapping_sub(self.dropped));
        self.dropped = count;
        Ok(Received { length: message.bytes, dropped })
    }
}

impl AsFd for UdpReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::socket::wait_readable;
    use super::*;

    fn pair() -> (UdpReceiver, UdpSocket) {
        let receiver = UdpReceiver::bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        sender.connect(receiver.socket.local_addr().expect("bound")).expect("connected");
        (receiver, sender)
    }

    #[test]
    fn what_finds_no_room_is_told_with_what_comes_after_it() {
        let (mut receiver, sender) = pair();
        let (mut sent, mut taken, mut dropped) = (0, 0, 0);
        let mut buffer = [0; 2048];
        for _ in 0..3 {
            for _ in 0..4000 {
                sender.send(&[b'x'; 1000]).expect("UDP never waits");
                sent += 1;
            }
            // What was dropped last shows with one more.
            for _ in 0..100 {
                while let Ok(received) = receiver.receive(&mut buffer) {
                    assert_eq!(received.length, 1000);
                    taken += 1;
                    dropped += received.dropped;
                }
                if taken + dropped == sent {
                    break;
                }
                sender.send(&[b'x'; 1000]).expect("UDP never waits");
                sent += 1;
                wait_readable(&receiver, Duration::from_secs(1)).expect("waited");
            }
            assert_eq!(taken + dropped, sent, "{taken} taken and {dropped} dropped");
        }
        assert!(dropped > 0, "4 MB find no room");
    }

    #[test]
    fn where_nothing_is_dropped_nothing_is_told() {
        let (mut receiver, sender) = pair();
        let mut buffer = [0; 16];
        for length in [3, 0, 16, 40] {
            sender.send(&vec![b'x'; length]).expect("sent");
            wait_readable(&receiver, Duration::from_secs(10)).expect("waited");
            let received = receiver.receive(&mut buffer).expect("received");
            assert_eq!(received, Received { length: length.min(16), dropped: 0 });
        }
        let empty = receiver.receive(&mut buffer).expect_err("nothing is there");
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }
}
