//! Who may ask: named keys, compared in constant time, and never shown.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use pbkdf2::sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Holds the one key of clients that know no names.
pub const KEY_VARIABLE: &str = "AIOPS_API_KEY";
/// What the key in the environment is called.
const DEFAULT_NAME: &str = "default";
/// A shorter key can be found by trying.
const SHORT_KEY_BYTES: usize = 16;
const MAX_KEY_BYTES: usize = 512;
const MAX_NAME_BYTES: usize = 64;
/// Each of them is compared with what a client presents.
const MAX_KEYS: usize = 1000;

/// Why there are no keys. No message holds one.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not a single key.
    #[error(
        "there is no API key, and no default one: put a long random one, such as `openssl rand -hex 32` \
         prints, into the environment variable AIOPS_API_KEY, or lines `name:key` into a file that \
         `api.keys_file` names"
    )]
    None,
    /// The key in the environment is none.
    #[error("environment variable AIOPS_API_KEY: {0}")]
    Environment(&'static str),
    /// The file can't be read.
    #[error("setting `api.keys_file`: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line of the file is no key.
    #[error("setting `api.keys_file`: line {line} of {}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, the first being 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What a key is called: in the audit log, in metrics and on pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName(Arc<str>);

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All keys that open the API. Of each only a digest is held: all have the same length, so that comparing tells
/// nothing about a key's own, and a dump of the memory shows none.
pub struct Keys(Vec<Key>);

struct Key {
    name: KeyName,
    digest: [u8; 32],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Keys {
    /// The keys of the file, if one is named, and the one that the environment held.
    ///
    /// # Errors
    /// When there is none, or one of them can't be one.
    pub fn load(file: &Path, environment: Option<&str>) -> Result<Self, KeysError> {
        let mut keys = Self(Vec::new());
        if let Some(key) = environment.filter(|key| !key.is_empty()) {
            keys.add(DEFAULT_NAME, key).map_err(KeysError::Environment)?;
        }
        if !file.as_os_str().is_empty() {
            keys.add_file(file)?;
        }
        if keys.0.is_empty() { Err(KeysError::None) } else { Ok(keys) }
    }

    /// Whose key this is. Takes the same time for every key of the same length, right or wrong.
    #[must_use]
    pub fn name_of(&self, presented: &[u8]) -> Option<&KeyName> {
        self.find(presented).map(|(_, name)| name)
    }

    /// The names of all keys, in their order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &KeyName> {
        self.0.iter().map(|key| &key.name)
    }

    /// The same, and its place among the keys.
    pub(super) fn find(&self, presented: &[u8]) -> Option<(usize, &KeyName)> {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        let mut found = None;
        for (index, key) in self.0.iter().enumerate() {
            // No two keys are the same, so that it does not matter that the search goes on.
            if bool::from(key.digest.ct_eq(&presented)) {
                found = Some((index, &key.name));
            }
        }
        found
    }

    fn add(&mut self, name: &str, key: &str) -> Result<(), &'static str> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a key has 1 to 512 printable ASCII characters and no space");
        }
        if self.find(key.as_bytes()).is_some() {
            return Err("this key has another name already");
        }
        if self.names().any(|known| known.as_str() == name) {
            return Err("this name has another key already");
        }
        if self.0.len() == MAX_KEYS {
            return Err("there can be at most 1000 keys");
        }
        if key.len() < SHORT_KEY_BYTES {
            tracing::warn!(
                key = name,
                "this API key is short enough to be guessed; `openssl rand -hex 32` makes a better one"
            );
        }
        self.0.push(Key { name: KeyName(name.into()), digest: Sha256::digest(key).into() });
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), KeysError> {
        let unreadable = |source| KeysError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        if fs::metadata(path).map_err(unreadable)?.mode() & 0o007 != 0 {
            tracing::warn!(
                file = %path.display(),
                "everybody on this machine can read the API keys; `chmod 640` keeps them to the service"
            );
        }
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let problem = |problem| KeysError::Line { path: path.to_owned(), line, problem };
            let (name, key) = text.split_once(':').ok_or_else(|| problem("expected name:key"))?;
            if !is_name(name) {
                return Err(problem("a name has 1 to 64 ASCII letters, digits, '-', '_' or '.'"));
            }
            self.add(name, key).map_err(problem)?;
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file
    }

    fn name(keys: &Keys, presented: &str) -> Option<String> {
        keys.name_of(presented.as_bytes()).map(ToString::to_string)
    }

    #[test]
    fn every_key_has_a_name_and_nothing_else_is_a_key() {
        let file = file("# who asks\n\nmonitoring:0123456789abcdef\r\nlab.2:with:colons:in:it\n");
        let keys = Keys::load(file.path(), Some("of the environment".replace(' ', "-").as_str()));
        let keys = keys.expect("three keys");
        assert_eq!(name(&keys, "0123456789abcdef").as_deref(), Some("monitoring"));
        assert_eq!(name(&keys, "with:colons:in:it").as_deref(), Some("lab.2"));
        assert_eq!(name(&keys, "of-the-environment").as_deref(), Some("default"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "monitoring", "monitoring:0123456789abcdef"]
        {
            assert_eq!(name(&keys, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_a_key_there_is_no_server_and_the_message_says_what_to_set() {
        for environment in [None, Some("")] {
            let error = Keys::load(Path::new(""), environment).expect_err("none").to_string();
            assert!(error.contains("AIOPS_API_KEY") && error.contains("api.keys_file"), "{error}");
        }
        let empty = file("# none yet\n");
        assert!(matches!(Keys::load(empty.path(), None), Err(KeysError::None)));
    }

    #[test]
    fn a_wrong_line_is_named_and_its_key_is_not() {
        for (text, problem) in [
            ("ok:0123456789abcdef\nhunter2", "line 2"),
            ("a b:hunter2", "a name has"),
            ("a:", "a key has"),
            ("a:hunter2 x", "a key has"),
            ("a:hunter2\nb:hunter2", "another name"),
            ("a:hunter2\na:other", "another key"),
        ] {
            let file = file(text);
            let error = Keys::load(file.path(), None).expect_err(text).to_string();
            assert!(error.contains(problem) && error.contains("api.keys_file"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = Keys::load(Path::new(""), Some("hunter2\n")).expect_err("no key").to_string();
        assert!(error.contains(KEY_VARIABLE) && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn printing_keys_prints_their_names() {
        let keys = Keys::load(Path::new(""), Some("hunter2hunter2hunter2")).expect("a key");
        assert_eq!(format!("{keys:?}"), "[KeyName(\"default\")]");
    }
}
