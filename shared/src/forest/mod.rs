//! Isolation forest on flat memory: the scores of scikit-learn's `IsolationForest`, without recursion, copies or
//! allocation.
//!
//! A tree is a run of eight-byte [`Node`]s; a walk starts at its first and leaves by a branch marked "leaf", which
//! names the length of the whole path in a table shared by all trees. The table holds what scikit-learn adds up
//! for a leaf: the splits on the way plus the average path length `c(n)` of the `n` training rows that ended there.
//!
//! Score, as in Liu, Ting, Zhou: *Isolation Forest* (ICDM 2008), with scikit-learn's sign:
//! `score(x) = -2^(-sum of path lengths / (trees * c(max_samples)))`.

mod checked;
mod contributions;
mod node;

pub use checked::CheckedForest;
pub use node::{Child, MAX_FEATURES, MAX_LEAF_LENGTHS, MAX_TREE_NODES, NODE_BYTES, Node, round_down};

use node::{Branch, SplitKey};
use serde::{Deserialize, Serialize};

use crate::bytes::take_chunks;

/// Trees walked side by side, so that the processor works on one while it waits for the memory of another.
const LANES: usize = 10;

/// The offset for contamination "auto".
pub const AUTO_OFFSET: f64 = -0.5;

/// `score_samples` of one row: between -1 (surely an anomaly) and 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct ForestScore(pub f64);

impl ForestScore {
    /// `predict(x) == -1`: strictly below the offset.
    #[must_use]
    pub fn is_anomaly(self, offset: f64) -> bool {
        self.0 < offset
    }
}

/// How large a forest is. Part of the model bundle's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForestShape {
    /// Values in a row.
    pub features: u8,
    /// Rows each tree was grown from; the score's scale is `c(max_samples)`.
    pub max_samples: u32,
    /// Trees.
    pub trees: u16,
    /// Splits in all trees together.
    pub nodes: u32,
    /// Distinct path lengths.
    pub lengths: u16,
}

/// Why bytes are no forest. None of these can come from our own trainer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForestError {
    /// The shape claims more than the format can hold.
    #[error("the forest's shape is out of range: {0}")]
    Shape(&'static str),
    /// Fewer bytes than the shape promises.
    #[error("the forest is cut short")]
    Truncated,
    /// Trees must follow each other from the first node on.
    #[error("tree {tree} does not start where the tree before it ends")]
    TreeOrder {
        /// Which tree.
        tree: u16,
    },
    /// A branch must lead forward within its tree, or to a length in the table.
    #[error("node {node} of tree {tree} has a branch to nowhere, or splits on a missing feature")]
    Branch {
        /// Which tree.
        tree: u16,
        /// Which node of the tree.
        node: u32,
    },
    /// Path lengths are finite and not negative.
    #[error("the forest holds a path length that is no length")]
    Value,
}

/// A forest on borrowed bytes, checked once when it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Forest<'a> {
    shape: ForestShape,
    /// First node of each tree.
    starts: &'a [[u8; 4]],
    nodes: &'a [[u8; NODE_BYTES]],
    lengths: &'a [[u8; 8]],
    /// `trees * c(max_samples)`.
    scale: f64,
}

impl<'a> Forest<'a> {
    /// Opens a forest and checks every branch, so that no walk can leave its tree or fail to end.
    /// Returns the forest and the bytes behind it.
    ///
    /// # Errors
    /// Says what about the bytes is no forest.
    pub fn open(shape: ForestShape, bytes: &'a [u8]) -> Result<(Self, &'a [u8]), ForestError> {
        check_shape(&shape)?;
        let (starts, nodes, lengths, rest) = slices(&shape, bytes).ok_or(ForestError::Truncated)?;
        let scale = f64::from(shape.trees) * average_path_length(u64::from(shape.max_samples));
        let forest = Self { shape, starts, nodes, lengths, scale };
        forest.check_values()?;
        forest.check_trees()?;
        Ok((forest, rest))
    }

    /// The forest's size.
    #[must_use]
    pub const fn shape(&self) -> ForestShape {
        self.shape
    }

    /// `score_samples` of one row. Values beyond the forest's features are ignored; missing ones read as no number,
    /// which always goes right, so a caller's mistake changes a score but never stops the agent.
    #[must_use]
    pub fn score(&self, row: &[f32]) -> ForestScore {
        // Rates have one feature, and then there is nothing to look up at a split.
        let sum = if self.shape.features == 1 { self.sum::<true>(row) } else { self.sum::<false>(row) };
        self.score_of_sum(sum)
    }

    /// Path lengths of all trees, added in the order of the trees: floating-point sums depend on it, and
    /// scikit-learn's is this one.
    fn sum<const ONE_FEATURE: bool>(&self, row: &[f32]) -> f64 {
        let values = split_keys(row);
        let mut sum = 0.0;
        let (groups, rest) = self.starts.as_chunks::<LANES>();
        for group in groups {
            for length in self.path_lengths::<LANES, ONE_FEATURE>(group, &values) {
                sum += length;
            }
        }
        for start in rest {
            sum += self.path_lengths::<1, ONE_FEATURE>(&[*start], &values)[0];
        }
        sum
    }

    fn score_of_sum(&self, sum: f64) -> ForestScore {
        // With one training row a path says nothing: scikit-learn calls every such row average.
        if self.scale == 0.0 { ForestScore(-0.5) } else { ForestScore(-libm::exp2(-sum / self.scale)) }
    }

    /// Walks `N` trees in step. A lane that has arrived stays where it is until the slowest has.
    #[inline(always)]
    fn path_lengths<const N: usize, const ONE_FEATURE: bool>(
        &self,
        starts: &[[u8; 4]; N],
        values: &[SplitKey; MAX_FEATURES],
    ) -> [f64; N] {
        let starts = starts.map(|start| u32::from_le_bytes(start) as usize);
        let mut at = [Branch::ROOT; N];
        loop {
            let mut arrived = true;
            for (lane, start) in at.iter_mut().zip(starts) {
                let node = self.node(start + lane.index());
                let value = if ONE_FEATURE { values[0] } else { values[node.feature() % MAX_FEATURES] };
                *lane = lane.or_if_node(node.branch(value));
                arrived &= lane.is_leaf();
            }
            if arrived {
                return at.map(|branch| self.length(branch.index()));
            }
        }
    }

    #[inline(always)]
    fn node(&self, index: usize) -> Node {
        // An arrived lane still reads, at a place that means nothing; past the end it reads a zero.
        self.nodes.get(index).map_or(Node::from_bytes([0; NODE_BYTES]), |bytes| Node::from_bytes(*bytes))
    }

    fn length(&self, index: usize) -> f64 {
        self.lengths.get(index).map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
    }

    fn check_values(&self) -> Result<(), ForestError> {
        let lengths_ok = self.lengths.iter().all(|bytes| {
            let length = f64::from_le_bytes(*bytes);
            length.is_finite() && length >= 0.0
        });
        if lengths_ok { Ok(()) } else { Err(ForestError::Value) }
    }

    fn check_trees(&self) -> Result<(), ForestError> {
        for (tree, start) in (0..self.shape.trees).zip(self.starts) {
            let start = u32::from_le_bytes(*start);
            let end = match self.starts.get(usize::from(tree) + 1) {
                Some(next) => u32::from_le_bytes(*next),
                None => self.shape.nodes,
            };
            let in_order = (tree > 0 || start == 0) && start < end && end <= self.shape.nodes;
            if !in_order || (end - start) as usize > MAX_TREE_NODES {
                return Err(ForestError::TreeOrder { tree });
            }
            self.check_tree(tree, start, end - start)?;
        }
        Ok(())
    }

    fn check_tree(&self, tree: u16, start: u32, nodes: u32) -> Result<(), ForestError> {
        for index in 0..nodes {
            let node = self.node((start + index) as usize);
            let leads_on = |branch: Branch| {
                if branch.is_leaf() {
                    branch.index() < self.lengths.len()
                } else {
                    // Forward only: that is why every walk ends.
                    index < branch.index() as u32 && (branch.index() as u32) < nodes
                }
            };
            let feature_ok = node.feature() < usize::from(self.shape.features);
            if !(feature_ok && leads_on(node.left()) && leads_on(node.right())) {
                return Err(ForestError::Branch { tree, node: index });
            }
        }
        Ok(())
    }
}

/// Starts, nodes and lengths, and the bytes behind them.
type Slices<'a> = (&'a [[u8; 4]], &'a [[u8; NODE_BYTES]], &'a [[u8; 8]], &'a [u8]);

fn slices<'a>(shape: &ForestShape, bytes: &'a [u8]) -> Option<Slices<'a>> {
    let (starts, rest) = take_chunks(bytes, usize::from(shape.trees))?;
    let (nodes, rest) = take_chunks(rest, shape.nodes as usize)?;
    let (lengths, rest) = take_chunks(rest, usize::from(shape.lengths))?;
    Some((starts, nodes, lengths, rest))
}

/// The row as splits compare it.
fn split_keys(row: &[f32]) -> [SplitKey; MAX_FEATURES] {
    let mut keys = [SplitKey::NOT_A_NUMBER; MAX_FEATURES];
    keys.iter_mut().zip(row).for_each(|(key, value)| *key = SplitKey::of(*value));
    keys
}

fn check_shape(shape: &ForestShape) -> Result<(), ForestError> {
    if shape.features == 0 || usize::from(shape.features) > MAX_FEATURES {
        return Err(ForestError::Shape("features"));
    }
    if shape.trees == 0 {
        return Err(ForestError::Shape("trees"));
    }
    if shape.lengths == 0 || usize::from(shape.lengths) > MAX_LEAF_LENGTHS {
        return Err(ForestError::Shape("lengths"));
    }
    if shape.max_samples == 0 {
        return Err(ForestError::Shape("max_samples"));
    }
    Ok(())
}

/// `c(n)`: the average length of an unsuccessful search in a binary search tree of `n` rows, as scikit-learn
/// computes it (Liu, Ting, Zhou 2008, equation 1, with the harmonic number as `ln(n - 1)` + Euler's constant).
#[must_use]
pub fn average_path_length(rows: u64) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = rows as f64;
            2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

/// The length of a path that took `splits` splits and ended among `rows` training rows, added up in scikit-learn's
/// order (it counts the nodes on the way, leaf included, and takes one off last).
#[must_use]
pub fn path_length(splits: u32, rows: u64) -> f64 {
    (f64::from(splits + 1) + average_path_length(rows)) - 1.0
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Two trees over two features: `x0 <= 1` leaves at once, else `x1 <= 5`; and one that splits once on x1.
    pub(super) fn small() -> (ForestShape, Vec<u8>) {
        let shape = ForestShape { features: 2, max_samples: 4, trees: 2, nodes: 3, lengths: 3 };
        let nodes = [
            Node::pack(0, 1.0, Child::Leaf(0), Child::Node(1)),
            Node::pack(1, 5.0, Child::Leaf(1), Child::Leaf(2)),
            Node::pack(1, 0.0, Child::Leaf(0), Child::Leaf(2)),
        ];
        let mut bytes = Vec::new();
        [0_u32, 2].iter().for_each(|start| bytes.extend(start.to_le_bytes()));
        nodes.iter().for_each(|node| bytes.extend(node.expect("in range").to_bytes()));
        [path_length(1, 1), path_length(2, 1), path_length(2, 2)]
            .iter()
            .for_each(|l| bytes.extend(l.to_le_bytes()));
        (shape, bytes)
    }

    fn open(shape: ForestShape, bytes: &[u8]) -> Result<Forest<'_>, ForestError> {
        Forest::open(shape, bytes).map(|(forest, _)| forest)
    }

    #[test]
    fn a_score_is_two_to_the_mean_path_over_its_scale() {
        let (shape, bytes) = small();
        let forest = open(shape, &bytes).expect("a forest");
        let scale = 2.0 * average_path_length(4);
        assert_eq!(forest.score(&[0.5, 9.0]), ForestScore(-libm::exp2(-(1.0 + 3.0) / scale)));
        assert_eq!(forest.score(&[2.0, 5.0]), ForestScore(-libm::exp2(-(2.0 + 3.0) / scale)));
        assert_eq!(forest.score(&[2.0, -1.0]), ForestScore(-libm::exp2(-(2.0 + 1.0) / scale)));
    }

    #[test]
    fn average_path_lengths_are_scikit_learns() {
        assert_eq!([0, 1, 2].map(average_path_length), [0.0, 0.0, 1.0]);
        assert_eq!(average_path_length(3), 1.207_392_357_589_623);
        assert_eq!(average_path_length(256), 10.244_770_920_119_917);
    }

    #[test]
    fn a_branch_backwards_or_to_nowhere_is_refused() {
        let (shape, bytes) = small();
        let replace = |node: Option<Node>| {
            let mut bytes = bytes.clone();
            bytes[8..16].copy_from_slice(&node.expect("in range").to_bytes());
            bytes
        };
        let refused = ForestError::Branch { tree: 0, node: 0 };
        let backwards = replace(Node::pack(0, 1.0, Child::Node(0), Child::Leaf(0)));
        assert_eq!(open(shape, &backwards).err(), Some(refused));
        let to_another_tree = replace(Node::pack(0, 1.0, Child::Node(2), Child::Leaf(0)));
        assert_eq!(open(shape, &to_another_tree).err(), Some(refused));
        let to_no_length = replace(Node::pack(0, 1.0, Child::Leaf(3), Child::Leaf(0)));
        assert_eq!(open(shape, &to_no_length).err(), Some(refused));
        let on_no_feature = replace(Node::pack(2, 1.0, Child::Leaf(0), Child::Leaf(0)));
        assert_eq!(open(shape, &on_no_feature).err(), Some(refused));
    }

    #[test]
    fn a_short_forest_is_refused_wherever_it_is_cut() {
        let (shape, bytes) = small();
        for end in 0..bytes.len() {
            assert_eq!(open(shape, &bytes[..end]).err(), Some(ForestError::Truncated), "cut at {end}");
        }
    }

    #[test]
    fn a_row_of_the_wrong_width_does_no_harm() {
        let (shape, bytes) = small();
        let forest = open(shape, &bytes).expect("a forest");
        assert!(forest.score(&[]).0 < 0.0);
        assert!(forest.score(&[1.0; 40]).0 < 0.0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_forest_that_ends_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), trees in 0_u16..4, nodes in 0_u32..20, lengths in 0_u16..6) {
            let shape = ForestShape { features: 3, max_samples: 8, trees, nodes, lengths };
            if let Ok(forest) = open(shape, &bytes) {
                let _ = forest.score(&[1.0, f32::NAN, -3.0]);
            }
        }
    }
}
