//! The line of keys a model folder's bundles were signed with, one after the other.
//!
//! `hand_overs.txt` has a line for each time that a key handed over to another: the old key, the new one, and the old
//! one's signature, in hexadecimal digits. There is no secret in it. Lost, it can be put together again from any bundle
//! that was published since.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cabinwatch_shared::model::{HandOver, MAX_HAND_OVERS, PublicKey, SIGNATURE_BYTES, statement};
use data_encoding::HEXLOWER_PERMISSIVE;

use super::keys::{SigningPair, public_hex};

/// The file in the model folder.
pub const HAND_OVERS_FILE: &str = "hand_overs.txt";

/// Why keys cannot hand over, or bundles not be signed.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// Cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a hand-over.
    #[error(
        "line {line} of {} is no hand-over: expected an old key, a new key and the old key's signature, in hexadecimal \
         digits",
        path.display()
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// Aircraft that followed the hand-over believe this key no more.
    #[error(
        "the signing key {} has handed over to {}: set model.signing_key to that key's file", public_hex(*old),
        public_hex(*new)
    )]
    SteppedDown {
        /// The key that was to sign.
        old: PublicKey,
        /// The one in its place.
        new: PublicKey,
    },
    /// What stepped down stays down.
    #[error("the key {} is in use or was once, and aircraft would not follow; make a fresh one with `keygen`", public_hex(*.0))]
    Used(PublicKey),
}

/// All hand-overs of a folder, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandOvers(Vec<HandOver>);

impl HandOvers {
    /// Reads them; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is none of ours.
    pub fn read(path: &Path) -> Result<Self, HandOverError> {
        let text = match fs::read_to_string(path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(|source| HandOverError::Read { path: path.to_owned(), source })?,
        };
        let hand_over = |(line, text): (usize, &str)| {
            parse(text).ok_or_else(|| HandOverError::Line { path: path.to_owned(), line: line + 1 })
        };
        text.lines().enumerate().map(hand_over).collect::<Result<_, _>>().map(Self)
    }

    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let line = |step: &HandOver| {
            let signature = HEXLOWER_PERMISSIVE.encode(&step.signature);
            format!("{} {} {signature}\n", public_hex(step.from), public_hex(step.to))
        };
        self.0.iter().map(line).collect()
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn all(&self) -> &[HandOver] {
        &self.0
    }

    /// The line that leads to a key, for a bundle that it signs: as much of it as a bundle holds.
    ///
    /// # Errors
    /// When the key has stepped down itself.
    pub fn line_to(&self, signer: PublicKey) -> Result<Vec<HandOver>, HandOverError> {
        if let Some(step) = self.0.iter().find(|step| step.from == signer) {
            return Err(HandOverError::SteppedDown { old: step.from, new: step.to });
        }
        let before = |step: &HandOver| self.0.iter().find(|earlier| earlier.to == step.from).copied();
        let last = self.0.iter().find(|step| step.to == signer).copied();
        let mut line: Vec<HandOver> = std::iter::successors(last, before).take(MAX_HAND_OVERS).collect();
        line.reverse();
        Ok(line)
    }

    /// Adds the word of one key that another takes its place.
    ///
    /// # Errors
    /// When the new key has been used before.
    pub fn hand_over(&mut self, from: &SigningPair, to: PublicKey) -> Result<(), HandOverError> {
        let used = self.0.iter().any(|step| step.from == to || step.to == to);
        if used || to == from.public() {
            return Err(HandOverError::Used(to));
        }
        let signature = from.sign(&statement(from.public(), to));
        self.0.push(HandOver { from: from.public(), to, signature });
        Ok(())
    }
}

fn parse(line: &str) -> Option<HandOver> {
    let mut words = line.split(' ').map(|word| HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok());
    let mut key = || Some(PublicKey(words.next()??.try_into().ok()?));
    let (from, to) = (key()?, key()?);
    let signature: [u8; SIGNATURE_BYTES] = words.next()??.try_into().ok()?;
    words.next().is_none().then_some(HandOver { from, to, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &tempfile::TempDir, name: &str) -> SigningPair {
        SigningPair::create(&folder.path().join(name)).expect("a key")
    }

    #[test]
    fn a_line_of_keys_is_read_back_and_leads_to_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second, third] = ["1", "2", "3"].map(|name| pair(&folder, name));
        let mut hand_overs = HandOvers::default();
        hand_overs.hand_over(&first, second.public()).expect("handed over");
        hand_overs.hand_over(&second, third.public()).expect("handed over");
        let path = folder.path().join(HAND_OVERS_FILE);
        fs::write(&path, hand_overs.to_text()).expect("written");
        let read = HandOvers::read(&path).expect("read");
        assert_eq!(read, hand_overs);
        assert_eq!(read.line_to(third.public()).expect("the last"), read.all());
        assert_eq!(read.line_to(PublicKey([9; 32])).expect("a stranger"), []);
    }

    #[test]
    fn a_key_that_stepped_down_signs_nothing_and_comes_never_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second] = ["1", "2"].map(|name| pair(&folder, name));
        let mut hand_overs = HandOvers::default();
        hand_overs.hand_over(&first, second.public()).expect("handed over");
        let refused = hand_overs.line_to(first.public()).expect_err("refused").to_string();
        assert!(
            refused.contains(&public_hex(second.public())) && refused.contains("model.signing_key"),
            "{refused}"
        );
        assert!(matches!(hand_overs.hand_over(&second, first.public()), Err(HandOverError::Used(_))));
        assert!(matches!(hand_overs.hand_over(&second, second.public()), Err(HandOverError::Used(_))));
    }

    #[test]
    fn what_is_no_hand_over_is_named_by_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(HAND_OVERS_FILE);
        fs::write(&path, "0a 0b 0c\n").expect("written");
        let error = HandOvers::read(&path).expect_err("refused").to_string();
        assert!(error.contains("line 1") && error.contains(HAND_OVERS_FILE), "{error}");
        assert_eq!(HandOvers::read(&folder.path().join("none")).expect("none"), HandOvers::default());
    }
}
