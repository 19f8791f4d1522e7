//! What the service manager is told: datagrams of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};

use super::logging::say;

/// The name under which systemd keeps one descriptor for each start.
pub(super) const START: &str = "start";

/// The way to the service manager, if there is one.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    way: Option<Arc<Way>>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Way {
    socket: UnixDatagram,
    manager: UnixAddr,
}

impl Notifier {
    /// The way that the environment names; none for a process that was started by hand.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::new(env::var_os("NOTIFY_SOCKET"), |name| env::var(name).ok()).unwrap_or_else(|error| {
            say(format_args!("NOTIFY_SOCKET can't be used: {error}; the service manager is told nothing"));
            Self::default()
        })
    }

    fn new(socket: Option<OsString>, variable: impl Fn(&str) -> Option<String>) -> io::Result<Self> {
        let Some(name) = socket.filter(|name| !name.is_empty()) else { return Ok(Self::default()) };
        let way = Way { manager: address(&name)?, socket: UnixDatagram::unbound()? };
        Ok(Self { way: Some(Arc::new(way)), watchdog: watchdog(variable) })
    }

    /// How long the service manager waits for a sign of life; none if it doesn't.
    #[must_use]
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The agent counts.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=the agent counts");
    }

    /// The agent leaves. It does so on purpose, so none of its starts counts as one that did not last.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=the agent stores what it has counted, and leaves");
        self.forget_starts();
    }

    /// One line for people, as `systemctl status` shows it.
    pub fn status(&self, line: &str) {
        self.tell(&format!("STATUS={}", line.replace('\n', " ")));
    }

    /// A sign of life.
    pub fn feed_watchdog(&self) {
        self.tell("WATCHDOG=1");
    }

    /// Leaves a descriptor with the service manager, which hands it to the next process if this one dies. What it is
    /// of does not matter: they are counted.
    pub(super) fn remember_start(&self) {
        let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={START}");
        let Some(way) = &self.way else { return };
        let sent = UnixDatagram::unbound().and_then(|token| {
            let descriptors = [token.as_raw_fd()];
            let rights = [ControlMessage::ScmRights(&descriptors)];
            let text = [IoSlice::new(text.as_bytes())];
            Ok(sendmsg(way.socket.as_raw_fd(), &text, &rights, MsgFlags::empty(), Some(&way.manager))?)
        });
        if let Err(error) = sent {
            tracing::debug!("the service manager does not remember this start: {error}");
        }
    }

    /// The starts until now are of no more interest.
    pub(super) fn forget_starts(&self) {
        self.tell(&format!("FDSTOREREMOVE=1\nFDNAME={START}"));
    }

    fn tell(&self, text: &str) {
        let Some(way) = &self.way else { return };
        let sent = sendmsg(
            way.socket.as_raw_fd(),
            &[IoSlice::new(text.as_bytes())],
            &[],
            MsgFlags::empty(),
            Some(&way.manager),
        );
        if let Err(error) = sent {
            tracing::debug!("the service manager was not told: {error}");
        }
    }
}

/// A path, or with `@` in front a name that is no file.
fn address(name: &OsStr) -> nix::Result<UnixAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => UnixAddr::new_abstract(name),
        path => UnixAddr::new(path),
    }
}

/// The watchdog's patience, where it is this process that it watches.
fn watchdog(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let of_another = variable("WATCHDOG_PID").is_some_and(|pid| pid != std::process::id().to_string());
    let micros: u64 = variable("WATCHDOG_USEC").filter(|_| !of_another)?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use super::*;

    /// A service manager that only listens.
    pub(in crate::service) struct Manager {
        folder: tempfile::TempDir,
        socket: UnixDatagram,
    }

    impl Manager {
        pub(in crate::service) fn start() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let socket = UnixDatagram::bind(folder.path().join("notify")).expect("bound");
            Self { folder, socket }
        }

        pub(in crate::service) fn notifier(&self, watchdog: Option<&str>) -> Notifier {
            let variable = |name: &str| watchdog.filter(|_| name == "WATCHDOG_USEC").map(ToOwned::to_owned);
            Notifier::new(Some(self.folder.path().join("notify").into()), variable).expect("an address")
        }

        pub(in crate::service) fn hears(&self) -> String {
            received(&self.socket)
        }
    }

    fn received(socket: &UnixDatagram) -> String {
        let mut text = [0; 1024];
        let length = socket.recv(&mut text).expect("told");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    #[test]
    fn the_manager_hears_how_the_agent_fares() {
        let manager = Manager::start();
        let notifier = manager.notifier(None);
        notifier.ready();
        assert!(manager.hears().starts_with("READY=1\nSTATUS="));
        notifier.feed_watchdog();
        assert_eq!(manager.hears(), "WATCHDOG=1");
        notifier.status("two\nlines");
        assert_eq!(manager.hears(), "STATUS=two lines");
        notifier.stopping();
        assert!(manager.hears().starts_with("STOPPING=1\n"));
        assert_eq!(manager.hears(), "FDSTOREREMOVE=1\nFDNAME=start");
        notifier.remember_start();
        assert_eq!(manager.hears(), "FDSTORE=1\nFDPOLL=0\nFDNAME=start");
    }

    #[test]
    fn a_name_with_an_at_sign_is_no_file() {
        let name = format!("cabinwatch-test-{}", getrandom::u64().expect("random"));
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("bound");
        let notifier = Notifier::new(Some(format!("@{name}").into()), |_| None).expect("an address");
        notifier.feed_watchdog();
        assert_eq!(received(&socket), "WATCHDOG=1");
    }

    #[test]
    fn without_a_manager_nothing_is_told_and_nothing_fails() {
        Notifier::default().ready();
        let gone = Notifier::new(Some("/nowhere/notify".into()), |_| None).expect("an address");
        gone.ready();
        gone.remember_start();
    }

    #[test]
    fn the_watchdog_is_ours_only_if_it_names_no_other_process() {
        let variables = |pid: Option<String>, micros: &'static str| {
            move |name: &str| if name == "WATCHDOG_PID" { pid.clone() } else { Some(micros.to_owned()) }
        };
        let own = std::process::id().to_string();
        assert_eq!(watchdog(variables(None, "2000000")), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(variables(Some(own), "2000000")), Some(Duration::from_secs(2)));
        assert_eq!(watchdog(variables(Some("1".to_owned()), "2000000")), None);
        assert_eq!(watchdog(variables(None, "0")), None);
        assert_eq!(watchdog(variables(None, "soon")), None);
    }
}
