//! The ed25519 keys bundles are signed with.
//!
//! A private key is a file of 64 hexadecimal digits that only its owner may read; the public key lies beside it,
//! under the same name with the extension `pub`, in the same form. That is the text an agent's configuration pins.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cabinwatch_shared::model::{HandOver, PublicKey, SIGNATURE_BYTES};
use data_encoding::HEXLOWER_PERMISSIVE;
use ed25519_dalek::{Signer, SigningKey};

/// A private key with its public half, and how trust came to it.
pub struct SigningPair {
    key: SigningKey,
    line: Vec<HandOver>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Never overwritten: what an old key signed could no longer be replaced.
    #[error("{} exists already and is not overwritten; move it away or choose another name", .0.display())]
    Exists(PathBuf),
    /// The private key would have the public key's name.
    #[error("{} cannot name a private key: the extension `pub` is the public key's", .0.display())]
    Name(PathBuf),
    /// Cannot be read.
    #[error("cannot read the key {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Cannot be written.
    #[error("cannot write the key {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a key.
    #[error("{} holds no key: expected 64 hexadecimal digits", .0.display())]
    NotAKey(PathBuf),
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Where the public key of a private key lies.
#[must_use]
pub fn public_path(private: &Path) -> PathBuf {
    private.with_extension("pub")
}

/// Reads a public key.
///
/// # Errors
/// When the file cannot be read or holds no key.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyError> {
    read_hex(path).map(PublicKey)
}

/// The text of a public key, as agents pin it.
#[must_use]
pub fn public_hex(key: PublicKey) -> String {
    HEXLOWER_PERMISSIVE.encode(&key.0)
}

impl SigningPair {
    /// Makes a new pair and writes both halves.
    ///
    /// # Errors
    /// When either file exists already or cannot be written.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let public = public_path(path);
        if public == path {
            return Err(KeyError::Name(path.to_owned()));
        }
        if let Some(taken) = [path, &public].into_iter().find(|path| path.exists()) {
            return Err(KeyError::Exists(taken.to_owned()));
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(KeyError::Random)?;
        let pair = Self::of(secret);
        write_new(path, &HEXLOWER_PERMISSIVE.encode(&secret), 0o600)?;
        write_new(&public, &public_hex(pair.public()), 0o644).inspect_err(|_| {
            // Nobody knows its public half, and it would be in the way of the next try.
            let _ = fs::remove_file(path);
        })?;
        Ok(pair)
    }

    /// Reads a private key. A file that others may read still works, with a warning.
    ///
    /// # Errors
    /// When the file cannot be read or holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        if fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
            tracing::warn!(key = %path.display(), "others than its owner may read this private key; chmod 600 it");
        }
        read_hex(path).map(Self::of)
    }

    fn of(secret: [u8; 32]) -> Self {
        Self { key: SigningKey::from_bytes(&secret), line: Vec::new() }
    }

    /// The same key, whose bundles tell of these hand-overs, which lead to it.
    #[must_use]
    pub fn with_line(self, line: Vec<HandOver>) -> Self {
        Self { line, ..self }
    }

    /// The hand-overs that lead to this key, oldest first.
    #[must_use]
    pub fn line(&self) -> &[HandOver] {
        &self.line
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(bytes).to_bytes()
    }
}

fn read_hex(path: &Path) -> Result<[u8; 32], KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| KeyError::NotAKey(path.to_owned()))
}

fn write_new(path: &Path, hex: &str, mode: u32) -> Result<(), KeyError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => KeyError::Write { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
    writeln!(file, "{hex}").and_then(|()| file.sync_all()).map_err(|error| {
        // Half a key would be taken for one that is damaged.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fleet.key");
        let made = SigningPair::create(&path).expect("made");
        let read = SigningPair::read(&path).expect("read");
        assert_eq!(made.public(), read.public());
        assert_eq!(made.sign(b"x"), read.sign(b"x"));
        assert_eq!(read_public(&folder.path().join("fleet.pub")).expect("read"), made.public());
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    }

    #[test]
    fn keys_are_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fleet.key");
        let first = SigningPair::create(&path).expect("made").public();
        assert!(matches!(SigningPair::create(&path), Err(KeyError::Exists(_))));
        fs::remove_file(&path).expect("removed");
        assert!(matches!(SigningPair::create(&path), Err(KeyError::Exists(_))));
        assert_eq!(read_public(&public_path(&path)).expect("read"), first);
        assert!(matches!(SigningPair::create(&folder.path().join("a.pub")), Err(KeyError::Name(_))));
    }

    #[test]
    fn what_is_no_key_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("short.key");
        fs::write(&path, "abc123\n").expect("written");
        let error = SigningPair::read(&path).err().expect("refused").to_string();
        assert!(error.contains("short.key") && error.contains("64"), "{error}");
    }
}
