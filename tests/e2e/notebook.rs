//! The notebook of the data engineer, run as it is handed out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cabinwatch_tests::parts;
use cabinwatch_tests::program::{Ended, built, without_settings};
use serde_json::Value;

/// Enough for two forests to agree, and quick.
const ROWS: &str = "6000";

fn notebook() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/notebooks/train.ipynb")
}

fn code_cells(notebook: &Path) -> Vec<Value> {
    let text = fs::read_to_string(notebook).expect("the notebook can be read");
    let notebook: Value = serde_json::from_str(&text).expect("a notebook is JSON");
    let cells = notebook["cells"].as_array().expect("it has cells").iter();
    cells.filter(|cell| cell["cell_type"] == "code").cloned().collect()
}

/// What its cells have printed, and how many pictures they have drawn.
fn outputs(notebook: &Path) -> (String, usize) {
    let (mut printed, mut pictures) = (String::new(), 0);
    for output in code_cells(notebook).iter().flat_map(|cell| cell["outputs"].as_array().expect("outputs")) {
        for text in [&output["text"], &output["data"]["text/plain"]] {
            printed.extend(text.as_array().into_iter().flatten().filter_map(Value::as_str));
            printed.push('\n');
        }
        pictures += usize::from(output["data"].get("image/png").is_some());
    }
    (printed, pictures)
}

/// The number behind a text, up to the end of its word.
fn number_after(printed: &str, text: &str) -> f64 {
    let behind = printed.split(text).nth(1).unwrap_or_else(|| panic!("no {text:?} in:\n{printed}"));
    let word = behind.split_whitespace().next().unwrap_or_default().trim_end_matches('%');
    word.parse().unwrap_or_else(|_| panic!("no number after {text:?} in:\n{printed}"))
}

#[test]
fn it_is_handed_out_without_outputs() {
    let cells = code_cells(&notebook());
    assert!(cells.len() >= 8, "it has only {} cells of code", cells.len());
    for cell in cells {
        assert!(cell["execution_count"].is_null(), "a cell was run: {}", cell["source"]);
        assert_eq!(cell["outputs"].as_array().map(Vec::len), Some(0), "{}", cell["source"]);
    }
}

#[test]
fn it_trains_scores_explains_and_agrees_with_scikit_learn() {
    let folder = tempfile::tempdir().expect("a folder");
    let environment = parts::fetched("notebook").join("bin");
    let mut command = without_settings(Command::new(environment.join("jupyter")));
    command.args(["nbconvert", "--to", "notebook", "--execute", "--output", "run.ipynb", "--output-dir"]);
    command.arg(folder.path()).arg(notebook()).current_dir(folder.path());
    command.env("CABINWATCH_GROUND", built("cabinwatch-ground")).env("TELEMETRY_ROWS", ROWS);
    command.env("NOTEBOOK_FOLDER", folder.path().join("work"));
    // What Jupyter keeps for itself stays here, too.
    for variable in
        ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"]
    {
        command.env(variable, folder.path().join("jupyter"));
    }
    Ended::well(&mut command);
    let (printed, pictures) = outputs(&folder.path().join("run.ipynb"));
    println!("{printed}");
    assert!(pictures >= 4, "it drew only {pictures} pictures");
    assert!(!printed.contains("invalid"), "the API refuses rows that we made:\n{printed}");
    let (ours, theirs) = (
        number_after(&printed, "cabinwatch and scikit-learn"),
        number_after(&printed, "scikit-learn and itself"),
    );
    // Two forests of different seeds agree as little: nothing is closer than that.
    assert!(
        ours > 90.0 && ours > theirs - 4.0,
        "verdicts agree on {ours} % of the rows, and of two forests of theirs on {theirs} %"
    );
    let area = |name: &str| number_after(&printed, &format!("{name}: area under the curve"));
    let (ours, theirs) = (area("cabinwatch"), area("scikit-learn"));
    assert!(
        ours > 0.9 && ours > theirs - 0.04,
        "labelled rows are found worse than by scikit-learn: {ours}, {theirs}"
    );
    assert!(folder.path().join("work/model.zip").exists(), "the model is kept");
}
