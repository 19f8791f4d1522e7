//! Datagram sockets: made, and waited for.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The owner and the group may write: daemons get the group.
const SOCKET_MODE: u32 = 0o660;

/// Makes a unix datagram socket that does not block. A socket file that nobody listens to, left by a crash, gives way.
pub(super) fn bind_unix(path: &Path) -> io::Result<UnixDatagram> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    remove_stale(path)?;
    let socket = UnixDatagram::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is no socket is in its place",
            ));
        }
        Ok(_) => {}
    }
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

/// Waits until there is something to read, or the time is up.
pub(super) fn wait_readable(socket: &impl AsFd, longest: Duration) -> io::Result<()> {
    let millis = u16::try_from(longest.as_millis()).unwrap_or(u16::MAX).max(1);
    let mut descriptors = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut descriptors, PollTimeout::from(millis)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_socket_gives_way_and_one_in_use_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/events.sock");
        let first = bind_unix(&path).expect("bound, folder made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, SOCKET_MODE);
        assert_eq!(bind_unix(&path).expect_err("in use").kind(), io::ErrorKind::AddrInUse);
        drop(first);
        bind_unix(&path).expect("the left-over is removed");
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("precious");
        fs::write(&path, "data").expect("written");
        assert_eq!(bind_unix(&path).expect_err("refused").kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("still there"), b"data");
    }
}
