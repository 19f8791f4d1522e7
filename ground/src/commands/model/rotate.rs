//! `cabinwatch-ground model rotate`: another key signs from now on.

use std::io::Write;
use std::path::PathBuf;

use cabinwatch_shared::model::MAX_HAND_OVERS;

use super::ModelCommandError;
use crate::config::Config;
use crate::train::SigningPair;
use crate::train::folder::ModelFolder;
use crate::train::keys::public_hex;

/// Flags of `model rotate`.
#[derive(Clone, Debug, clap::Args)]
pub struct RotateArgs {
    /// The private key that signs from now on, as `keygen --out FILE` makes it
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// The model folder
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
}

pub(super) fn run(config: &Config, args: &RotateArgs, out: &mut dyn Write) -> Result<(), ModelCommandError> {
    let folder = ModelFolder::of(&config.model)?;
    let (old, _) = folder.signing_pair()?;
    let new = SigningPair::read(&args.to)?;
    let new_public = new.public();
    let (_, version) = folder.hand_over_to(new)?;
    writeln!(out, "old key: {} (signs nothing more)", public_hex(old.public()))?;
    writeln!(out, "new key: {}", public_hex(new_public))?;
    writeln!(out, "The bundle is model {} now, signed by the new key. To finish:", version.0)?;
    writeln!(out, "  1. set model.signing_key = \"{}\"", args.to.display())?;
    writeln!(out, "  2. publish: aircraft that take a bundle of the new key believe the old one no more")?;
    writeln!(out, "  3. pin the new key in the configuration of aircraft that are installed from now on")?;
    let steps = folder.hand_overs()?.all().len();
    if steps > MAX_HAND_OVERS {
        writeln!(
            out,
            "A bundle tells of {MAX_HAND_OVERS} hand-overs and there were {steps}: aircraft that believe an older key \
             must be given a newer one in their configuration."
        )?;
    }
    Ok(())
}
