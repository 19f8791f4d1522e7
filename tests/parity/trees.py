"""scikit-learn's trees as `train::import_sklearn_json` reads them."""


def dump(forest):
    """The trees as our importer reads them; thresholds keep all their digits."""
    trees = [
        {
            "children_left": tree.children_left.tolist(),
            "children_right": tree.children_right.tolist(),
            "feature": tree.feature.tolist(),
            "threshold": tree.threshold.tolist(),
            "n_node_samples": tree.n_node_samples.tolist(),
        }
        for tree in (estimator.tree_ for estimator in forest.estimators_)
    ]
    return {
        "n_features": int(forest.n_features_in_),
        "max_samples": int(forest.max_samples_),
        "offset": float(forest.offset_),
        "trees": trees,
    }
