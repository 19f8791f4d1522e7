//! Takes over trees that scikit-learn grew, to compare scores or to go on with a forest from there.

use serde::Deserialize;

use super::pack::{ForestParts, Grown, PackError, Tree, pack};

/// A dump of an `IsolationForest`: arrays as each `estimator.tree_` has them.
#[derive(Deserialize)]
struct Dump {
    n_features: usize,
    max_samples: u32,
    offset: f64,
    trees: Vec<TreeDump>,
}

#[derive(Deserialize)]
struct TreeDump {
    children_left: Vec<i64>,
    children_right: Vec<i64>,
    feature: Vec<i64>,
    threshold: Vec<f64>,
    n_node_samples: Vec<u64>,
}

/// Why a dump could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not the JSON that is expected.
    #[error("this is no dump of a forest: {0}")]
    Json(#[from] serde_json::Error),
    /// Arrays of different lengths, or none.
    #[error("the arrays of tree {0} are empty or of different lengths")]
    Arrays(usize),
    /// Does not fit the layout.
    #[error(transparent)]
    Pack(#[from] PackError),
}

/// Reads a dump `{"n_features", "max_samples", "offset", "trees": [{"children_left", "children_right", "feature",
/// "threshold", "n_node_samples"}]}`; gives the forest and its offset.
///
/// # Errors
/// When it is no such dump, or its trees do not fit the layout.
pub fn import_sklearn_json(text: &str) -> Result<(ForestParts, f64), ImportError> {
    let dump: Dump = serde_json::from_str(text)?;
    let trees =
        dump.trees.iter().enumerate().map(|(place, tree)| tree.grown().ok_or(ImportError::Arrays(place)));
    let trees = trees.collect::<Result<Vec<Tree>, _>>()?;
    Ok((pack(&trees, dump.n_features, dump.max_samples)?, dump.offset))
}

impl TreeDump {
    fn grown(&self) -> Option<Tree> {
        let nodes = self.children_left.len();
        let lengths =
            [self.children_right.len(), self.feature.len(), self.threshold.len(), self.n_node_samples.len()];
        if nodes == 0 || lengths.iter().any(|length| *length != nodes) {
            return None;
        }
        (0..nodes).map(|node| self.node(node)).collect()
    }

    fn node(&self, node: usize) -> Option<Grown> {
        // scikit-learn marks a leaf by -1 for both children; other negative numbers mean nothing and become a
        // place that packing refuses.
        let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let (left, right) = (*self.children_left.get(node)?, *self.children_right.get(node)?);
        Some(if (left, right) == (-1, -1) {
            Grown::Leaf { rows: *self.n_node_samples.get(node)? }
        } else {
            Grown::Split {
                feature: place(*self.feature.get(node)?).min(usize::from(u8::MAX)),
                threshold: *self.threshold.get(node)?,
                left: place(left),
                right: place(right),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use cabinwatch_shared::forest::Forest;

    use super::*;

    const DUMP: &str = r#"{"n_features": 1, "max_samples": 4, "offset": -0.5, "trees": [
        {"children_left": [1, -1, -1], "children_right": [2, -1, -1], "feature": [0, -2, -2],
         "threshold": [2.5, -2.0, -2.0], "n_node_samples": [4, 3, 1]}]}"#;

    #[test]
    fn a_dumped_tree_scores_here() {
        let (parts, offset) = import_sklearn_json(DUMP).expect("a forest");
        assert_eq!(offset, -0.5);
        let (forest, _) = Forest::open(parts.shape, &parts.bytes).expect("a forest");
        let scale = cabinwatch_shared::forest::average_path_length(4);
        assert!((forest.score(&[3.0]).0 + (-1.0 / scale).exp2()).abs() < 1e-15);
        assert!(forest.score(&[2.5]).0 > forest.score(&[2.6]).0);
    }

    #[test]
    fn a_broken_dump_is_refused() {
        assert!(matches!(import_sklearn_json("{}"), Err(ImportError::Json(_))));
        let short = DUMP.replace("[4, 3, 1]", "[4, 3]");
        assert!(matches!(import_sklearn_json(&short), Err(ImportError::Arrays(0))));
        let nowhere = DUMP.replace("[2, -1, -1]", "[7, -1, -1]");
        assert!(matches!(import_sklearn_json(&nowhere), Err(ImportError::Pack(PackError::Node { .. }))));
        let no_feature = DUMP.replace("[0, -2, -2]", "[3, -2, -2]");
        assert!(matches!(import_sklearn_json(&no_feature), Err(ImportError::Pack(PackError::Forest(_)))));
    }
}
