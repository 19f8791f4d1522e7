//! The configuration of a mosquitto broker for a fleet: who may connect, and who may read and write what.
//!
//! Every aircraft has a name of its own at the broker, its tail, and rights on its own topics only. The ground has two
//! names: [`INGEST`] and [`PUBLISH`]. Writing the configuration again for a changed list of tails keeps what aircraft
//! already have: `docs/broker.md` tells operators the same.

mod access;
mod files;
mod hash;
mod identity;
mod passwords;
mod tails;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use cabinwatch_shared::tail::Tail;
pub use files::FleetError;
use files::{MARK, Place};
pub use identity::Identity;
pub use tails::{TailsError, read as read_tails};

/// The name of the ingest processes at the broker.
pub const INGEST: &str = "ingest";
/// The name under which models are published.
pub const PUBLISH: &str = "publish";

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetBroker {
    /// The aircraft, in order.
    pub tails: Vec<Tail>,
    /// How clients prove who they are.
    pub identity: Identity,
    /// Where aircraft connect.
    pub listen: SocketAddr,
    /// Where the ground connects.
    pub ground_listen: SocketAddr,
    /// Where the files will lie on the broker's machine.
    pub installed_at: PathBuf,
    /// The broker's folder for what it must remember.
    pub data: PathBuf,
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Names that had no rights before.
    pub added: Vec<String>,
    /// Names that have none any more.
    pub removed: Vec<String>,
    /// How many names are as they were.
    pub kept: usize,
}

impl FleetBroker {
    /// Everyone with a name: the aircraft, then the ground.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.tails.iter().map(Tail::as_str).chain([INGEST, PUBLISH])
    }

    /// Writes the configuration into a folder, or brings one that was written before up to date.
    ///
    /// Passwords come before the access list, so that nobody is let in who has no password yet.
    ///
    /// # Errors
    /// When the folder holds files that were not written by this, or can't be written.
    pub fn write(&self, out: PathBuf) -> Result<Written, FleetError> {
        let place = Place::open(out)?;
        let (access, settings) = (place.read_ours("acl")?, place.read_ours("mosquitto.conf")?);
        // Beside files of ours it is ours: earlier releases did not mark it.
        if access.is_empty() && settings.is_empty() {
            place.read_ours(passwords::FILE)?;
        }
        let before = access::names(&access);
        if self.identity == Identity::Passwords {
            passwords::write(&place, self.names())?;
        }
        place.write("acl", &access::list(&self.tails))?;
        place.write("mosquitto.conf", &self.settings())?;
        let now: BTreeSet<String> = self.names().map(str::to_owned).collect();
        Ok(Written {
            added: now.difference(&before).cloned().collect(),
            removed: before.difference(&now).cloned().collect(),
            kept: now.intersection(&before).count(),
        })
    }

    /// The text of `mosquitto.conf`.
    fn settings(&self) -> String {
        let Self { installed_at, data, .. } = self;
        let (at, data) = (installed_at.display(), data.display());
        let passwords = match self.identity {
            Identity::Passwords => format!("password_file {at}/{}\n", passwords::FILE),
            Identity::Certificates => String::new(),
        };
        let (aircraft, ground) = (self.listener(self.listen), self.listener(self.ground_listen));
        format!(
            "{MARK}\
             # Run it again instead of editing this; `mosquitto -c` takes it as it is.\n\
             \n\
             allow_anonymous false\n\
             acl_file {at}/acl\n\
             {passwords}\
             \n\
             # Aircraft. The broker names each session after its user, so that none can take over another's.\n\
             {aircraft}\
             use_username_as_clientid true\n\
             \n\
             # The ground, where several processes share a user. Keep this port out of the aircraft's reach.\n\
             {ground}\
             \n\
             # What is kept over a restart. What came since the last save is lost with a crash, and sent again.\n\
             persistence true\n\
             persistence_location {data}/\n\
             autosave_interval 60\n\
             retain_available true\n\
             \n\
             {LIMITS}"
        )
    }

    fn listener(&self, address: SocketAddr) -> String {
        let at = self.installed_at.display();
        let (port, ip) = (address.port(), address.ip());
        // Without an address mosquitto listens on all of them, of both versions.
        let ip = if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) { String::new() } else { format!(" {ip}") };
        let identity = match self.identity {
            Identity::Passwords => String::new(),
            Identity::Certificates => {
                format!("cafile {at}/certs/ca.pem\nrequire_certificate true\nuse_identity_as_username true\n")
            }
        };
        format!(
            "listener {port}{ip}\n\
             certfile {at}/certs/broker.pem\n\
             keyfile {at}/certs/broker.key\n\
             {identity}"
        )
    }
}

/// A message of ours has at most 1 MiB, a model bundle as much as the agents' `model.max_bytes` allows (2 MiB).
const LIMITS: &str = "# Messages to one client: so many unacknowledged, and so many bytes queued. What does not fit is dropped for that\n\
# client, and sent again by its aircraft.\n\
message_size_limit 8388608\n\
max_inflight_messages 512\n\
max_queued_messages 0\n\
max_queued_bytes 268435456\n\
max_keepalive 3600\n";

#[cfg(test)]
mod tests;
