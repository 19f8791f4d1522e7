//! `cabinwatch-ground broker-config`: what a mosquitto broker needs to know of a fleet.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{self, PathBuf};

use crate::broker::fleet::{self, FleetBroker, FleetError, Identity, TailsError, Written};

/// Flags of `broker-config`.
#[derive(Clone, Debug, clap::Args)]
pub struct BrokerConfigArgs {
    /// File with the aircraft's tails, one a line; `#` begins a comment
    #[arg(long, value_name = "FILE")]
    pub tails: PathBuf,
    /// Folder for mosquitto.conf, acl and passwords; made, or brought up to date if it was written before
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How aircraft and ground prove who they are
    #[arg(long, value_enum)]
    pub identity: Identity,
    /// Where aircraft connect
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8883")]
    pub listen: SocketAddr,
    /// Where ingest and publish connect; keep it out of the aircraft's reach
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8884")]
    pub ground_listen: SocketAddr,
    /// Where the files will lie on the broker's machine, if not in --out
    #[arg(long, value_name = "DIR")]
    pub installed_at: Option<PathBuf>,
    /// The broker's folder for what it must remember
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mosquitto")]
    pub data: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum BrokerConfigError {
    /// The list of tails.
    #[error(transparent)]
    Tails(#[from] TailsError),
    /// A folder that mosquitto could not read out of its file.
    #[error("{flag}: {} holds a line break or is no UTF-8, which mosquitto.conf cannot express", path.display())]
    Folder {
        /// The flag.
        flag: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// The files.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Output.
    #[error("cannot write the summary: {0}")]
    Output(#[from] io::Error),
}

impl BrokerConfigError {
    /// Whether it is the call that is wrong.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Tails(_) | Self::Folder { .. } | Self::Fleet(FleetError::Foreign(_)))
    }
}

/// Writes the configuration, and says what changed and what is left to do.
///
/// # Errors
/// When the list of tails can't be used or the files can't be written.
pub fn run(args: &BrokerConfigArgs, out: &mut dyn Write) -> Result<(), BrokerConfigError> {
    let tails = fleet::read_tails(&args.tails)?;
    let installed_at = args.installed_at.as_ref().unwrap_or(&args.out);
    let broker = FleetBroker {
        identity: args.identity,
        listen: args.listen,
        ground_listen: args.ground_listen,
        installed_at: expressible("--installed-at", path::absolute(installed_at)?)?,
        data: expressible("--data", path::absolute(&args.data)?)?,
        tails,
    };
    let written = broker.write(args.out.clone())?;
    report(&broker, &written, args, out)?;
    Ok(())
}

fn expressible(flag: &'static str, path: PathBuf) -> Result<PathBuf, BrokerConfigError> {
    let fits = path.to_str().is_some_and(|text| !text.contains(['\n', '\r']));
    if fits { Ok(path) } else { Err(BrokerConfigError::Folder { flag, path }) }
}

fn report(
    broker: &FleetBroker,
    written: &Written,
    args: &BrokerConfigArgs,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (folder, at) = (args.out.display(), broker.installed_at.display());
    writeln!(out, "{} aircraft in {folder}: mosquitto.conf and acl are up to date.", broker.tails.len())?;
    for (what, names) in [("new", &written.added), ("without rights from now on", &written.removed)] {
        if !names.is_empty() {
            writeln!(out, "{what}: {}", names.join(", "))?;
        }
    }
    writeln!(out, "\nLeft to do:")?;
    match broker.identity {
        Identity::Passwords => {
            writeln!(out, "- {at}/certs: broker.pem and broker.key, the broker's own certificate")?;
            writeln!(out, "- give each file of {folder}/passwords to its owner, and delete it here")?;
        }
        Identity::Certificates => {
            writeln!(
                out,
                "- {at}/certs: broker.pem and broker.key, the broker's own certificate, and ca.pem,"
            )?;
            writeln!(
                out,
                "  the authority that signs its clients' (common names: each tail, ingest, publish)"
            )?;
        }
    }
    writeln!(out, "- the broker's user must be able to read {at}: chown -R mosquitto {at}")?;
    writeln!(
        out,
        "- mosquitto -c {at}/mosquitto.conf; where it runs, kill -HUP makes it read acl and passwd anew"
    )
}
