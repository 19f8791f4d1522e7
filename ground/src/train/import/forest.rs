//! FOREST.json: an isolation forest that scikit-learn grew, as `deploy/migrate/export_forest.py` writes it.
//!
//! The file holds the trees and scikit-learn's own answers for some rows: for the forest of a fault pipeline, for
//! every rate there is. All of them are scored here before the forest is taken, so what is taken scores alike.
//! `docs/migrating.md` specifies the format.

use cabinwatch_shared::forest::{Forest, ForestScore};
use serde::{Deserialize, Deserializer};

use crate::train::pack::{ForestParts, Grown, PackError, Tree, pack};

/// What the file says it is.
const FORMAT: &str = "cabinwatch-forest";
/// The only version so far.
const VERSION: u32 = 1;
/// How far a score may be off: both sides add the same numbers, but raise 2 to a power by different code.
const TOLERANCE: f64 = 1e-9;

/// A forest that was taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportedForest {
    /// The trees.
    pub parts: ForestParts,
    /// A score below this is an anomaly.
    pub offset: f64,
    /// The scikit-learn release that exported it.
    pub scikit_learn: String,
    /// Rows whose score and verdict are scikit-learn's here, too.
    pub compared: usize,
}

/// Why a forest could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum ForestImportError {
    /// Not the JSON that is expected.
    #[error("it is no exported forest: {0}")]
    Json(#[from] serde_json::Error),
    /// Another file, or another version.
    #[error("`format` and `version` are `{format}` and {version}; expected `{FORMAT}` and {VERSION}")]
    Format {
        /// What stands there.
        format: String,
        /// What stands there.
        version: u32,
    },
    /// Arrays of different lengths, or none.
    #[error("trees[{0}]: its arrays are empty or of different lengths")]
    Arrays(usize),
    /// A split without a threshold.
    #[error("trees[{tree}].threshold[{node}]: a split needs a threshold")]
    Threshold {
        /// Which tree.
        tree: usize,
        /// Which node.
        node: usize,
    },
    /// The answers to compare with.
    #[error(
        "`expected` needs as many scores and verdicts as rows, and at least one row of {features} values"
    )]
    Expected {
        /// Features of the forest.
        features: usize,
    },
    /// A row that scores differently.
    #[error("row {row} of `expected` scores {ours} here, but {theirs} in scikit-learn: the file is damaged")]
    Score {
        /// Which row.
        row: usize,
        /// The score here.
        ours: f64,
        /// The score there.
        theirs: f64,
    },
    /// A row with another verdict that no offset explains.
    #[error("no offset gives the verdicts of `expected`: the file is damaged")]
    Verdicts,
    /// Does not fit the layout.
    #[error("it does not fit a model bundle: {0}")]
    Pack(#[from] PackError),
}

/// A number that stands in the file as text, so that no JSON library has rounded it.
#[derive(Clone, Copy, Debug)]
struct Exact(f64);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is no finite decimal number")))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    scikit_learn: String,
    n_features: usize,
    max_samples: u32,
    offset: Exact,
    trees: Vec<FileTree>,
    expected: Expected,
}

/// The arrays of `estimator.tree_`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTree {
    children_left: Vec<i64>,
    children_right: Vec<i64>,
    feature: Vec<i64>,
    threshold: Vec<Option<Exact>>,
    n_node_samples: Vec<u64>,
}

/// What scikit-learn answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rows: Vec<Vec<Exact>>,
    scores: Vec<Exact>,
    /// -1 for an anomaly, else 1.
    verdicts: Vec<i8>,
}

/// Reads FOREST.json and compares the forest with scikit-learn's own answers.
///
/// # Errors
/// When it is no such file, its trees do not fit the layout, or they score differently here.
pub fn read_forest(json: &[u8]) -> Result<ImportedForest, ForestImportError> {
    let file: File = serde_json::from_slice(json)?;
    if file.format != FORMAT || file.version != VERSION {
        return Err(ForestImportError::Format { format: file.format, version: file.version });
    }
    let trees = file.trees.iter().enumerate().map(|(place, tree)| tree.grown(place));
    let trees = trees.collect::<Result<Vec<Tree>, _>>()?;
    let parts = pack(&trees, file.n_features, file.max_samples)?;
    let (forest, _) = Forest::open(parts.shape, &parts.bytes).map_err(PackError::from)?;
    let scores = file.expected.scores_here(&forest)?;
    let offset = file.expected.offset(&scores, file.offset.0)?;
    Ok(ImportedForest { offset, scikit_learn: file.scikit_learn, compared: scores.len(), parts })
}

impl FileTree {
    fn grown(&self, place: usize) -> Result<Tree, ForestImportError> {
        let nodes = self.children_left.len();
        let lengths =
            [self.children_right.len(), self.feature.len(), self.threshold.len(), self.n_node_samples.len()];
        if nodes == 0 || lengths.iter().any(|length| *length != nodes) {
            return Err(ForestImportError::Arrays(place));
        }
        let node = |node| self.node(node).ok_or(ForestImportError::Threshold { tree: place, node });
        (0..nodes).map(node).collect()
    }

    fn node(&self, node: usize) -> Option<Grown> {
        // scikit-learn marks a leaf by -1 for both children; other negative numbers mean nothing and become a
        // place that packing refuses.
        let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let (left, right) = (*self.children_left.get(node)?, *self.children_right.get(node)?);
        if (left, right) == (-1, -1) {
            return Some(Grown::Leaf { rows: *self.n_node_samples.get(node)? });
        }
        Some(Grown::Split {
            feature: place(*self.feature.get(node)?).min(usize::from(u8::MAX)),
            threshold: (*self.threshold.get(node)?)?.0,
            left: place(left),
            right: place(right),
        })
    }
}

impl Expected {
    /// Our scores of the rows, each one close to scikit-learn's.
    fn scores_here(&self, forest: &Forest<'_>) -> Result<Vec<ForestScore>, ForestImportError> {
        let features = usize::from(forest.shape().features);
        let lengths = [self.scores.len(), self.verdicts.len()];
        let even = !self.rows.is_empty() && lengths.iter().all(|length| *length == self.rows.len());
        if !even || self.rows.iter().any(|row| row.len() != features) {
            return Err(ForestImportError::Expected { features });
        }
        let score = |(row, (values, theirs)): (usize, (&Vec<Exact>, &Exact))| {
            let values: Vec<f32> = values.iter().map(|value| value.0 as f32).collect();
            let ours = forest.score(&values);
            let close = (ours.0 - theirs.0).abs() <= TOLERANCE;
            if close {
                Ok(ours)
            } else {
                Err(ForestImportError::Score { row, ours: ours.0, theirs: theirs.0 })
            }
        };
        self.rows.iter().zip(&self.scores).enumerate().map(score).collect()
    }

    /// The offset with which our scores get scikit-learn's verdicts. With a `contamination` that is a share, the
    /// offset is a training score as a rule, and then a last bit that is rounded otherwise turns that rate's verdict.
    fn offset(&self, scores: &[ForestScore], offset: f64) -> Result<f64, ForestImportError> {
        let judged = || scores.iter().zip(self.verdicts.iter().map(|verdict| *verdict == -1));
        if judged().all(|(score, anomaly)| score.is_anomaly(offset) == anomaly) {
            return Ok(offset);
        }
        let normal = judged().filter(|(_, anomaly)| !anomaly).map(|(score, _)| score.0);
        let lowest_normal = normal.fold(f64::INFINITY, f64::min);
        let apart = judged().all(|(score, anomaly)| score.is_anomaly(lowest_normal) == anomaly);
        if apart && (lowest_normal - offset).abs() <= TOLERANCE {
            Ok(lowest_normal)
        } else {
            Err(ForestImportError::Verdicts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One tree: up to 2.5 a leaf of three rows, above it a leaf of one.
    const FILE: &str = r#"{"format": "cabinwatch-forest", "version": 1, "scikit_learn": "1.9.1", "n_features": 1,
        "max_samples": 4, "offset": "-0.5", "trees": [
        {"children_left": [1, -1, -1], "children_right": [2, -1, -1], "feature": [0, -2, -2],
         "threshold": ["2.5", null, null], "n_node_samples": [4, 3, 1]}],
        "expected": {"rows": [["2.5"], ["3.0"]], "scores": ["-0.43765986316299915", "-0.6877436677788327"],
         "verdicts": [1, -1]}}"#;

    fn read(text: &str) -> Result<ImportedForest, ForestImportError> {
        read_forest(text.as_bytes())
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(FILE.contains(from), "{from} is not in the file");
        read(&FILE.replace(from, to)).expect_err(to).to_string()
    }

    #[test]
    fn an_exported_tree_scores_here() {
        let forest = read(FILE).expect("a forest");
        assert_eq!((forest.offset, forest.compared, forest.scikit_learn.as_str()), (-0.5, 2, "1.9.1"));
        let (forest, _) = Forest::open(forest.parts.shape, &forest.parts.bytes).expect("a forest");
        let scale = cabinwatch_shared::forest::average_path_length(4);
        assert!((forest.score(&[3.0]).0 + (-1.0 / scale).exp2()).abs() < 1e-15);
    }

    #[test]
    fn another_file_or_version_is_refused() {
        assert!(read("{}").is_err());
        assert!(refused("cabinwatch-forest", "forest").contains("`forest` and 1; expected"));
        assert!(refused("\"version\": 1", "\"version\": 2").contains("and 2; expected"));
        assert!(refused("\"2.5\", null", "2.5, null").contains("line 4"), "numbers must be exact texts");
        assert!(refused("\"-0.5\"", "\"nan\"").contains("`nan` is no finite decimal number"));
    }

    #[test]
    fn broken_trees_are_named() {
        assert!(refused("[4, 3, 1]", "[4, 3]").starts_with("trees[0]"));
        assert!(refused("[\"2.5\", null", "[null, null").starts_with("trees[0].threshold[0]"));
        assert!(refused("[2, -1, -1]", "[7, -1, -1]").contains("node 0 of tree 0"));
        assert!(refused("[0, -2, -2]", "[3, -2, -2]").contains("it does not fit a model bundle"));
    }

    #[test]
    fn a_forest_that_scores_otherwise_is_refused() {
        assert!(refused("[4, 3, 1]", "[4, 2, 2]").contains("row 0 of `expected` scores"));
        assert!(refused("[1, -1]}", "[-1, 1]}").contains("no offset"));
        assert!(refused("[1, -1]}", "[1]}").contains("as many scores and verdicts as rows"));
        assert!(
            refused("[[\"2.5\"], [\"3.0\"]]", "[[\"2.5\"], []]").contains("at least one row of 1 values")
        );
    }

    #[test]
    fn a_verdict_that_hangs_on_the_last_bit_is_scikit_learns() {
        let forest = read(FILE).expect("a forest");
        let (open, _) = Forest::open(forest.parts.shape, &forest.parts.bytes).expect("a forest");
        let ours = open.score(&[2.5]);
        // As where scikit-learn's score of the row is its offset, and ours is a bit lower.
        let above = ours.0.next_up();
        let nudged = read(&FILE.replace("\"-0.5\"", &format!("\"{above:?}\""))).expect("a forest");
        assert!(ours.is_anomaly(above) && !ours.is_anomaly(nudged.offset));
        assert!(open.score(&[3.0]).is_anomaly(nudged.offset));
        let far = FILE.replace("\"-0.5\"", "\"-0.3\"");
        assert!(matches!(read(&far), Err(ForestImportError::Verdicts)));
    }
}
