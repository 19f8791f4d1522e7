//! Packs grown trees into the flat layout that is scored.

use std::collections::HashMap;

use cabinwatch_shared::forest::{
    Child, Forest, ForestError, ForestShape, MAX_LEAF_LENGTHS, MAX_TREE_NODES, Node, path_length, round_down,
};

/// A forest's shape and bytes, as [`Forest::open`] reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForestParts {
    /// How large it is.
    pub shape: ForestShape,
    /// Starts, nodes, lengths.
    pub bytes: Vec<u8>,
}

/// A node of a tree as it was grown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Grown {
    /// Rows with `feature <= threshold` go left. The children's places in the tree.
    Split { feature: usize, threshold: f64, left: usize, right: usize },
    /// So many training rows ended here.
    Leaf { rows: u64 },
}

/// A tree as it was grown; the first node is its root.
pub(super) type Tree = Vec<Grown>;

/// Why trees do not fit the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A tree too large.
    #[error("tree {0} has more than {MAX_TREE_NODES} splits; choose a smaller max_samples")]
    TreeTooLarge(usize),
    /// Too many kinds of leaves.
    #[error(
        "the trees have more than {MAX_LEAF_LENGTHS} different path lengths; choose a smaller max_samples"
    )]
    TooManyLengths,
    /// Too many trees or splits.
    #[error("the forest has too many {0}")]
    TooMany(&'static str),
    /// A node that is not one.
    #[error("node {node} of tree {tree} leads nowhere, is led to twice, or splits on a missing feature")]
    Node {
        /// Which tree.
        tree: usize,
        /// Which node.
        node: usize,
    },
    /// The packed forest is none.
    #[error("the packed forest is unusable: {0}")]
    Forest(#[from] ForestError),
}

/// Packs trees grown from `max_samples` rows each.
pub(super) fn pack(trees: &[Tree], features: usize, max_samples: u32) -> Result<ForestParts, PackError> {
    let mut packer = Packer::default();
    for (place, tree) in trees.iter().enumerate() {
        packer.tree(place, tree)?;
    }
    let shape = ForestShape {
        features: u8::try_from(features).map_err(|_| PackError::TooMany("features"))?,
        max_samples,
        trees: u16::try_from(trees.len()).map_err(|_| PackError::TooMany("trees"))?,
        nodes: u32::try_from(packer.nodes.len()).map_err(|_| PackError::TooMany("splits"))?,
        lengths: u16::try_from(packer.lengths.len()).map_err(|_| PackError::TooManyLengths)?,
    };
    let mut bytes = Vec::new();
    packer.starts.iter().for_each(|start| bytes.extend(start.to_le_bytes()));
    packer.nodes.iter().for_each(|node| bytes.extend(node.to_bytes()));
    packer.lengths.iter().for_each(|length| bytes.extend(length.to_le_bytes()));
    Forest::open(shape, &bytes)?;
    Ok(ForestParts { shape, bytes })
}

#[derive(Default)]
struct Packer {
    starts: Vec<u32>,
    nodes: Vec<Node>,
    lengths: Vec<f64>,
    /// Place of each length, by its bits.
    length_places: HashMap<u64, u16>,
}

/// A split on its way into the layout.
struct Waiting {
    node: usize,
    depth: u32,
    /// Its number among the tree's splits.
    number: u16,
}

impl Packer {
    fn tree(&mut self, place: usize, tree: &Tree) -> Result<(), PackError> {
        let start = self.nodes.len();
        self.starts.push(u32::try_from(start).map_err(|_| PackError::TooMany("splits"))?);
        if let Some(Grown::Leaf { rows }) = tree.first() {
            // A walk begins at a split, so a tree without one becomes a split whose branches lead to the same leaf.
            let leaf = self.leaf(0, *rows)?;
            self.nodes.push(Node::pack(0, 0.0, leaf, leaf).ok_or(PackError::Node { tree: place, node: 0 })?);
            return Ok(());
        }
        let mut splits: u16 = 1;
        let mut waiting = vec![Waiting { node: 0, depth: 0, number: 0 }];
        // Numbers are given out from parent to child, so every branch leads forward.
        while let Some(Waiting { node, depth, number }) = waiting.pop() {
            let nowhere = PackError::Node { tree: place, node };
            let Some(&Grown::Split { feature, threshold, left, right }) = tree.get(node) else {
                return Err(nowhere);
            };
            let mut branch = |child: usize| match tree.get(child) {
                Some(Grown::Leaf { rows }) => self.leaf(depth + 1, *rows),
                Some(Grown::Split { .. }) => {
                    let number = splits;
                    splits += 1;
                    if usize::from(number) >= MAX_TREE_NODES {
                        return Err(PackError::TreeTooLarge(place));
                    }
                    waiting.push(Waiting { node: child, depth: depth + 1, number });
                    Ok(Child::Node(number))
                }
                None => Err(nowhere.clone()),
            };
            let (left, right) = (branch(left)?, branch(right)?);
            let packed = Node::pack(feature as u8, round_down(threshold), left, right).ok_or(nowhere)?;
            let at = start + usize::from(number);
            if self.nodes.len() <= at {
                self.nodes.resize(at + 1, packed);
            }
            self.nodes[at] = packed;
        }
        Ok(())
    }

    fn leaf(&mut self, splits: u32, rows: u64) -> Result<Child, PackError> {
        let length = path_length(splits, rows);
        if let Some(&place) = self.length_places.get(&length.to_bits()) {
            return Ok(Child::Leaf(place));
        }
        let place =
            u16::try_from(self.lengths.len()).ok().filter(|place| usize::from(*place) < MAX_LEAF_LENGTHS);
        let place = place.ok_or(PackError::TooManyLengths)?;
        self.lengths.push(length);
        self.length_places.insert(length.to_bits(), place);
        Ok(Child::Leaf(place))
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::forest::ForestScore;
    use cabinwatch_shared::forest::average_path_length;

    use super::*;

    fn score(trees: &[Tree], max_samples: u32, row: &[f32]) -> ForestScore {
        let parts = pack(trees, row.len(), max_samples).expect("packed");
        Forest::open(parts.shape, &parts.bytes).expect("a forest").0.score(row)
    }

    #[test]
    fn a_row_ends_in_its_leaf() {
        let tree = vec![
            Grown::Split { feature: 0, threshold: 1.5, left: 1, right: 4 },
            Grown::Split { feature: 1, threshold: 0.25, left: 2, right: 3 },
            Grown::Leaf { rows: 1 },
            Grown::Leaf { rows: 5 },
            Grown::Leaf { rows: 2 },
        ];
        let score = |row| score(std::slice::from_ref(&tree), 8, row);
        let expected = |length: f64| ForestScore(-(-length / average_path_length(8)).exp2());
        let close = |a: ForestScore, b: ForestScore| assert!((a.0 - b.0).abs() < 1e-15, "{a:?} {b:?}");
        close(score(&[1.5, 0.25]), expected(2.0));
        close(score(&[1.5, 0.26]), expected(2.0 + average_path_length(5)));
        close(score(&[1.6, 0.0]), expected(1.0 + average_path_length(2)));
    }

    #[test]
    fn a_tree_of_one_leaf_scores_alike_everywhere() {
        let tree = vec![Grown::Leaf { rows: 256 }];
        let score = |row| score(std::slice::from_ref(&tree), 256, row);
        let (low, high) = (score(&[-1.0]), score(&[1.0]));
        assert_eq!(low, high);
        assert_eq!(low, ForestScore(-0.5));
    }

    #[test]
    fn nodes_that_lead_nowhere_or_round_in_circles_are_refused() {
        let to =
            |left| vec![Grown::Split { feature: 0, threshold: 0.0, left, right: 1 }, Grown::Leaf { rows: 1 }];
        assert_eq!(pack(&[to(9)], 1, 2).err(), Some(PackError::Node { tree: 0, node: 0 }));
        assert_eq!(pack(&[to(0)], 1, 2).err(), Some(PackError::TreeTooLarge(0)));
    }
}
