//! Who has which password: mosquitto's file of hashes, and a file with each password for whoever installs it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use data_encoding::BASE64URL_NOPAD;

use super::files::{FleetError, MARK, Place};
use super::hash::{self, SALT_BYTES};

/// The file of hashes.
pub(super) const FILE: &str = "passwd";
/// 192 bits, 32 characters.
const PASSWORD_BYTES: usize = 24;

/// Brings the passwords up to date: names that have one keep it, new ones get one, and the others lose theirs.
///
/// A password counts as had when either file knows it: the one for installing may be gone once it is installed, and
/// where it holds something else than was hashed, someone has chosen it.
pub(super) fn write<'a>(place: &Place, names: impl Iterator<Item = &'a str>) -> Result<(), FleetError> {
    let mut stored = parse(&place.read(FILE)?);
    let chosen = place.folder("passwords")?;
    // Mosquitto passes over lines that begin with `#`.
    let mut text = MARK.to_owned();
    for name in names {
        let had = stored.remove(name);
        let password = chosen.read(name)?;
        let hashed = match (password.trim_end(), had) {
            ("", Some(had)) => had,
            ("", None) => {
                let password = BASE64URL_NOPAD.encode(&random::<PASSWORD_BYTES>()?);
                chosen.write(name, &format!("{password}\n"))?;
                hash::hash(&password, &random::<SALT_BYTES>()?)
            }
            (password, Some(had)) if hash::is_of(&had, password) => had,
            (password, _) => hash::hash(password, &random::<SALT_BYTES>()?),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{hashed}");
    }
    place.write(FILE, &text)?;
    // Whoever comes back later gets a new password: the old one may be why they left.
    stored.keys().filter(|name| is_plain(name)).try_for_each(|name| chosen.remove(name))
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let entries = text.lines().filter_map(|line| line.split_once(':'));
    entries.map(|(name, hash)| (name.to_owned(), hash.to_owned())).collect()
}

/// Whether a name from a file can be a file's name and nothing else.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn random<const N: usize>() -> Result<[u8; N], FleetError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(FleetError::Random)?;
    Ok(bytes)
}
