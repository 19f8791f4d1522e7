//! A forest that keeps its bytes, for scorers that live as long as a service.

use super::{Forest, ForestError, ForestShape, slices};

/// Bytes that were checked once to be a forest. Looking at them again is a matter of a few instructions.
#[derive(Clone, Debug)]
pub struct CheckedForest<B> {
    shape: ForestShape,
    bytes: B,
    scale: f64,
}

impl<B: AsRef<[u8]>> CheckedForest<B> {
    /// Takes bytes and checks every branch, as [`Forest::open`] does. Bytes behind the forest are kept and never read.
    ///
    /// # Errors
    /// Says what about the bytes is no forest.
    pub fn open(shape: ForestShape, bytes: B) -> Result<Self, ForestError> {
        let scale = Forest::open(shape, bytes.as_ref())?.0.scale;
        Ok(Self { shape, bytes, scale })
    }

    /// The forest.
    #[must_use]
    pub fn forest(&self) -> Forest<'_> {
        // They were there when it was opened.
        let (starts, nodes, lengths, _) = slices(&self.shape, self.bytes.as_ref()).unwrap_or_default();
        Forest { shape: self.shape, starts, nodes, lengths, scale: self.scale }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;

    #[test]
    fn a_kept_forest_scores_as_a_borrowed_one() {
        let (shape, bytes) = small();
        let kept = CheckedForest::open(shape, bytes.clone()).expect("a forest");
        let (forest, _) = Forest::open(shape, &bytes).expect("a forest");
        for row in [[0.5, 9.0], [2.0, 5.0], [2.0, -1.0]] {
            assert_eq!(kept.forest().score(&row), forest.score(&row));
            assert_eq!(kept.forest().contributions(&row), forest.contributions(&row));
        }
    }

    #[test]
    fn what_is_no_forest_is_not_kept() {
        let (shape, bytes) = small();
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(CheckedForest::open(shape, cut).err(), Some(ForestError::Truncated));
    }
}
