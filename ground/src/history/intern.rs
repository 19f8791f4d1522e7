//! Numbers for texts that come again and again: points, and the fault keys of points.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A number per pair of (parent, text), in the order they were first seen.
#[derive(Debug, Default)]
pub(super) struct Interner {
    table: HashTable<u32>,
    texts: Vec<(u32, Box<str>)>,
    hasher: FixedState,
}

/// The text is not UTF-8, so it gets no number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotUtf8;

impl Interner {
    /// The number of a pair. Texts are checked to be UTF-8 when first seen; equal bytes need no second check.
    pub(super) fn number(&mut self, parent: u32, text: &[u8]) -> Result<u32, NotUtf8> {
        let hash = hash(&self.hasher, parent, text);
        let texts = &self.texts;
        let same = |&number: &u32| {
            texts.get(number as usize).is_some_and(|(of, known)| *of == parent && known.as_bytes() == text)
        };
        if let Some(&number) = self.table.find(hash, same) {
            return Ok(number);
        }
        let text = std::str::from_utf8(text).map_err(|_| NotUtf8)?;
        let number = self.texts.len() as u32;
        self.texts.push((parent, text.into()));
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.table.insert_unique(hash, number, |&number| {
            texts
                .get(number as usize)
                .map_or(0, |(parent, text)| self::hash(hasher, *parent, text.as_bytes()))
        });
        Ok(number)
    }

    /// All pairs, by number.
    pub(super) fn texts(&self) -> &[(u32, Box<str>)] {
        &self.texts
    }
}

fn hash(state: &FixedState, parent: u32, text: &[u8]) -> u64 {
    let mut hasher = state.build_hasher();
    hasher.write(text);
    hasher.write_u32(parent);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_keeps_its_number() {
        let mut interner = Interner::default();
        let numbers: Vec<_> = [(0, "a"), (1, "a"), (0, "b"), (0, "a"), (1, "a")]
            .map(|(parent, text)| interner.number(parent, text.as_bytes()).expect("UTF-8"))
            .into();
        assert_eq!(numbers, [0, 1, 2, 0, 1]);
        assert_eq!(interner.number(0, b"\xff"), Err(NotUtf8));
        for round in 0..2 {
            for text in 0..5000_u32 {
                let number = interner.number(7, text.to_string().as_bytes());
                assert_eq!(number, Ok(text + 3), "round {round}");
            }
        }
    }
}
