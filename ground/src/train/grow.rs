//! Grows one isolation tree, as scikit-learn's `ExtraTreeRegressor(max_features=1, splitter="random")` grows it
//! for its `IsolationForest`.

use rand::{Rng, RngExt};

use super::forest::TrainingRows;
use super::pack::{Grown, Tree};

/// A feature whose values lie closer together than this is constant (scikit-learn's `FEATURE_THRESHOLD`).
const CONSTANT_WITHIN: f32 = 1e-7;

/// A part of the sample that is still to be divided.
struct Part {
    node: usize,
    start: usize,
    end: usize,
    depth: u32,
}

/// Grows a tree on a sample of rows, which is put into another order on the way.
pub(super) fn grow(
    rows: &TrainingRows<'_>,
    sample: &mut [usize],
    max_depth: u32,
    random: &mut impl Rng,
) -> Tree {
    let mut tree = vec![Grown::Leaf { rows: sample.len() as u64 }];
    let mut waiting = vec![Part { node: 0, start: 0, end: sample.len(), depth: 0 }];
    while let Some(part) = waiting.pop() {
        let rows_here = &mut sample[part.start..part.end];
        if part.depth >= max_depth || rows_here.len() < 2 {
            continue;
        }
        let Some((feature, threshold)) = split(rows, rows_here, random) else { continue };
        let middle = part.start + divide(rows, rows_here, feature, threshold);
        let (left, right) = (tree.len(), tree.len() + 1);
        tree.push(Grown::Leaf { rows: (middle - part.start) as u64 });
        tree.push(Grown::Leaf { rows: (part.end - middle) as u64 });
        tree[part.node] = Grown::Split { feature, threshold, left, right };
        let depth = part.depth + 1;
        waiting.push(Part { node: right, start: middle, end: part.end, depth });
        waiting.push(Part { node: left, start: part.start, end: middle, depth });
    }
    tree
}

/// A random threshold of a random feature that is not constant; none if all are.
fn split(rows: &TrainingRows<'_>, sample: &[usize], random: &mut impl Rng) -> Option<(usize, f64)> {
    let mut features: Vec<usize> = (0..rows.features()).collect();
    while !features.is_empty() {
        let feature = features.swap_remove(random.random_range(0..features.len()));
        let (low, high) = bounds(rows, sample, feature);
        if high <= low + CONSTANT_WITHIN {
            continue;
        }
        let (low, high) = (f64::from(low), f64::from(high));
        let threshold = low + random.random::<f64>() * (high - low);
        // At the highest value nothing would go right.
        return Some((feature, if threshold >= high { low } else { threshold }));
    }
    None
}

fn bounds(rows: &TrainingRows<'_>, sample: &[usize], feature: usize) -> (f32, f32) {
    sample.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &row| {
        let value = rows.value(row, feature);
        (low.min(value), high.max(value))
    })
}

/// Brings the rows that go left to the front, and says how many they are.
fn divide(rows: &TrainingRows<'_>, sample: &mut [usize], feature: usize, threshold: f64) -> usize {
    let mut middle = 0;
    for at in 0..sample.len() {
        if f64::from(rows.value(sample[at], feature)) <= threshold {
            sample.swap(middle, at);
            middle += 1;
        }
    }
    middle
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn grown(values: &[f32], features: usize, max_depth: u32, seed: u64) -> Tree {
        let rows = TrainingRows::new(features, values).expect("rows");
        let mut sample: Vec<usize> = (0..rows.len()).collect();
        grow(&rows, &mut sample, max_depth, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    /// Sends each row down the tree; the leaf it ends in, and its depth.
    fn walk(tree: &Tree, row: &[f32]) -> (usize, u32) {
        let (mut node, mut depth) = (0, 0);
        while let Grown::Split { feature, threshold, left, right } = tree[node] {
            node = if f64::from(row[feature]) <= threshold { left } else { right };
            depth += 1;
        }
        (node, depth)
    }

    #[test]
    fn constant_rows_make_a_single_leaf() {
        assert_eq!(grown(&[4.0, 4.0, 4.0], 1, 8, 1), [Grown::Leaf { rows: 3 }]);
        assert_eq!(grown(&[1.0, 1.0 + 5e-8], 1, 8, 1), [Grown::Leaf { rows: 2 }]);
    }

    #[test]
    fn a_constant_feature_is_never_split_on() {
        let values: Vec<f32> = (0..50).flat_map(|row| [7.0, row as f32]).collect();
        let tree = grown(&values, 2, 6, 3);
        assert!(tree.len() > 3);
        assert!(tree.iter().all(|node| !matches!(node, Grown::Split { feature: 0, .. })));
    }

    proptest! {
        #[test]
        fn every_row_ends_in_a_leaf_that_counted_it(cells in prop::collection::vec(-50_i32..50, 2..80), max_depth in 0_u32..9, seed in any::<u64>()) {
            let values: Vec<f32> = cells.iter().take(cells.len() / 2 * 2).map(|&cell| cell as f32 / 4.0).collect();
            let tree = grown(&values, 2, max_depth, seed);
            let mut ended = vec![0_u64; tree.len()];
            for row in values.chunks(2) {
                let (leaf, depth) = walk(&tree, row);
                ended[leaf] += 1;
                prop_assert!(depth <= max_depth);
            }
            for (node, rows) in tree.iter().zip(ended) {
                match node {
                    Grown::Leaf { rows: counted } => prop_assert!(*counted == rows && rows > 0),
                    Grown::Split { .. } => prop_assert_eq!(rows, 0),
                }
            }
        }
    }
}
