//! One split of a tree in eight bytes.

/// Most features a forest can split on.
pub const MAX_FEATURES: usize = 16;
/// Most splits in one tree.
pub const MAX_TREE_NODES: usize = 1 << INDEX_BITS;
/// Most distinct path lengths in one forest.
pub const MAX_LEAF_LENGTHS: usize = 1 << INDEX_BITS;

/// Bytes of a packed node.
pub const NODE_BYTES: usize = 8;

const INDEX_BITS: u32 = 13;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const LEAF_BIT: u32 = 1 << INDEX_BITS;
const CHILD_BITS: u32 = INDEX_BITS + 1;
const CHILD_MASK: u32 = (1 << CHILD_BITS) - 1;
const FEATURE_SHIFT: u32 = 2 * CHILD_BITS;

/// Where a branch leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// To another split of the same tree, counted from the tree's first.
    Node(u16),
    /// Out of the tree: the place of the path's length in the forest's table of lengths.
    Leaf(u16),
}

/// A branch in 14 bits: 13 of index, one that says "leaf".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch(u32);

impl Branch {
    /// Every walk starts at the tree's first split.
    pub(crate) const ROOT: Self = Self(0);

    pub(crate) const fn is_leaf(self) -> bool {
        self.0 & LEAF_BIT != 0
    }

    pub(crate) const fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    /// This branch if it is a leaf, else `next`. Written as masks: which of the two it is cannot be foretold, and a
    /// wrong guess costs the processor more than both answers.
    #[inline(always)]
    pub(crate) const fn or_if_node(self, next: Self) -> Self {
        let stay = 0_u32.wrapping_sub(self.0 >> INDEX_BITS);
        Self(next.0 ^ ((next.0 ^ self.0) & stay))
    }

    const fn pack(child: Child) -> Option<u32> {
        let (index, leaf) = match child {
            Child::Node(index) => (index as u32, 0),
            Child::Leaf(index) => (index as u32, LEAF_BIT),
        };
        if index > INDEX_MASK { None } else { Some(index | leaf) }
    }
}

/// A value as splits compare it: a whole number in the order of the `f32`s, in the upper half of 64 bits. One integer
/// comparison with a whole node then tells the way, where comparing floats takes the processor several times as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SplitKey(i64);

impl SplitKey {
    /// What is no number lies above every threshold and so goes right, as in scikit-learn.
    pub(crate) const NOT_A_NUMBER: Self = Self((i32::MAX as i64) << 32);

    /// The key of a value.
    #[inline(always)]
    pub(crate) const fn of(value: f32) -> Self {
        if value.is_nan() {
            return Self::NOT_A_NUMBER;
        }
        // Adding zero makes -0 into +0: they compare as equal, but their bits differ.
        Self((ordered(value + 0.0) as i64) << 32)
    }
}

/// Maps floats to integers in the same order: the bits of positive ones are in order as they are, those of negative
/// ones are in reverse.
const fn ordered(value: f32) -> i32 {
    let bits = value.to_bits() as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// A split: values up to the threshold go left, others right.
///
/// The eight bytes, little-endian: 32 bits that hold, from the lowest, the left branch (14), the right branch (14)
/// and the feature (4); then the threshold as a whole number in the order of the `f32`s. Leaves are folded into the
/// branches that lead to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node(i64);

impl Node {
    /// Packs a split; none if the feature or a branch is out of range, or the threshold is not a finite number.
    #[must_use]
    pub const fn pack(feature: u8, threshold: f32, left: Child, right: Child) -> Option<Self> {
        if feature as usize >= MAX_FEATURES || !threshold.is_finite() {
            return None;
        }
        match (Branch::pack(left), Branch::pack(right)) {
            (Some(left), Some(right)) => {
                let low = left | right << CHILD_BITS | (feature as u32) << FEATURE_SHIFT;
                Some(Self(SplitKey::of(threshold).0 | low as i64))
            }
            _ => None,
        }
    }

    /// The bytes of the format.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; NODE_BYTES] {
        self.0.to_le_bytes()
    }

    pub(crate) const fn from_bytes(bytes: [u8; NODE_BYTES]) -> Self {
        Self(i64::from_le_bytes(bytes))
    }

    pub(crate) const fn feature(self) -> usize {
        (self.0 as u32 >> FEATURE_SHIFT) as usize
    }

    pub(crate) const fn left(self) -> Branch {
        Branch(self.0 as u32 & CHILD_MASK)
    }

    pub(crate) const fn right(self) -> Branch {
        Branch(self.0 as u32 >> CHILD_BITS & CHILD_MASK)
    }

    /// The branch a value takes, without a jump: which way a value goes is a coin toss for the processor.
    #[inline(always)]
    pub(crate) const fn branch(self, value: SplitKey) -> Branch {
        // With equal upper halves the node's lower half makes it the larger: the value goes left.
        let goes_right = (value.0 > self.0) as u32;
        Branch(self.0 as u32 >> (goes_right * CHILD_BITS) & CHILD_MASK)
    }
}

/// The largest `f32` that is not above a threshold. For every `f32` value `x`, `x <= threshold` and
/// `x <= round_down(threshold)` say the same, so a tree trained with `f64` thresholds loses nothing here.
#[must_use]
pub fn round_down(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_is_eight_known_bytes() {
        let node = Node::pack(3, 1.5, Child::Node(5), Child::Leaf(258)).expect("in range");
        assert_eq!(node.to_bytes(), [0x05, 0x80, 0x40, 0x38, 0x00, 0x00, 0xc0, 0x3f]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Node::pack(0, f32::NAN, Child::Leaf(0), Child::Leaf(0)), None);
        assert_eq!(Node::pack(16, 0.0, Child::Leaf(0), Child::Leaf(0)), None);
        assert_eq!(Node::pack(0, 0.0, Child::Node(1 << 13), Child::Leaf(0)), None);
        assert_eq!(Node::pack(0, 0.0, Child::Leaf(0), Child::Leaf(1 << 13)), None);
    }

    #[test]
    fn no_number_goes_right() {
        let node = Node::pack(0, 1.0, Child::Leaf(1), Child::Leaf(2)).expect("in range");
        assert_eq!(node.branch(SplitKey::of(f32::NAN)).index(), 2);
        assert_eq!(node.branch(SplitKey::of(-f32::NAN)).index(), 2);
        assert_eq!(node.branch(SplitKey::of(1.0)).index(), 1);
    }

    #[test]
    fn both_zeros_are_one() {
        for (value, threshold) in [(0.0, -0.0), (-0.0, 0.0)] {
            let node = Node::pack(0, threshold, Child::Leaf(1), Child::Leaf(2)).expect("in range");
            assert_eq!(node.branch(SplitKey::of(value)).index(), 1);
        }
    }

    proptest! {
        #[test]
        fn keys_decide_as_the_floats_do(value in any::<f32>(), threshold in any::<f32>()) {
            prop_assume!(threshold.is_finite());
            let node = Node::pack(0, threshold, Child::Leaf(1), Child::Leaf(2)).expect("in range");
            prop_assert_eq!(node.branch(SplitKey::of(value)).index() == 1, value <= threshold);
        }

        #[test]
        fn rounding_a_threshold_down_changes_no_decision(threshold in -1e6_f64..1e6, ulps in -3_i32..=3) {
            let mut value = threshold as f32;
            for _ in 0..ulps.abs() {
                value = if ulps < 0 { value.next_down() } else { value.next_up() };
            }
            prop_assert_eq!(f64::from(value) <= threshold, value <= round_down(threshold));
        }
    }
}
