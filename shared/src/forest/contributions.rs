//! Which features made a row stand out, for the audit log.

use super::node::{Branch, SplitKey};
use super::{Forest, MAX_FEATURES, Node, average_path_length, split_keys};

impl Forest<'_> {
    /// Shares a row's score out over its features. Positive shares push towards "anomaly"; together they are
    /// `1 + log2(-score)`, which is 0 for an average row and nears 1 for one that every tree isolates at once.
    ///
    /// Each tree's deviation from the average path, `c(max_samples) - length`, is shared equally among the splits
    /// of the row's own path, in the spirit of local DIFFI (Carletti, Terzi, Susto: *Interpretable anomaly
    /// detection with DIFFI*, 2020). Entries beyond the forest's features stay 0.
    #[must_use]
    pub fn contributions(&self, row: &[f32]) -> [f64; MAX_FEATURES] {
        let mut shares = [0.0; MAX_FEATURES];
        if self.scale == 0.0 {
            return shares;
        }
        let values = split_keys(row);
        let average = average_path_length(u64::from(self.shape.max_samples));
        for start in self.starts {
            let start = u32::from_le_bytes(*start) as usize;
            let (length, splits) = self.walk(start, &values, |_| ());
            let share = (average - length) / f64::from(splits) / self.scale;
            self.walk(start, &values, |node| shares[node.feature() % MAX_FEATURES] += share);
        }
        shares
    }

    /// One path from a tree's root: its length and its splits, each of which is shown to `visit`.
    fn walk(
        &self,
        start: usize,
        values: &[SplitKey; MAX_FEATURES],
        mut visit: impl FnMut(Node),
    ) -> (f64, u32) {
        let mut branch = Branch::ROOT;
        let mut splits = 0;
        while !branch.is_leaf() {
            let node = self.node(start + branch.index());
            visit(node);
            splits += 1;
            branch = node.branch(values[node.feature() % MAX_FEATURES]);
        }
        (self.length(branch.index()), splits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;

    #[test]
    fn shares_add_up_to_the_score() {
        let (shape, bytes) = small();
        let (forest, _) = Forest::open(shape, &bytes).expect("a forest");
        for row in [[0.5, 9.0], [2.0, 5.0], [2.0, -1.0]] {
            let total: f64 = forest.contributions(&row).iter().sum();
            let expected = 1.0 + libm::log2(-forest.score(&row).0);
            assert!((total - expected).abs() < 1e-12, "{row:?}: {total} is not {expected}");
        }
    }

    #[test]
    fn the_feature_that_isolates_gets_the_larger_share() {
        let (shape, bytes) = small();
        let (forest, _) = Forest::open(shape, &bytes).expect("a forest");
        let shares = forest.contributions(&[0.5, 9.0]);
        assert!(shares[0] > shares[1], "{shares:?}");
        assert_eq!(shares[2..], [0.0; MAX_FEATURES - 2]);
    }
}
