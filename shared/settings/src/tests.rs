use std::io::Write;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    tail: String,
    store: Store,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Store {
    path: String,
    max_bytes: u32,
    ratio: f64,
}

fn defaults() -> Layers {
    let store = Store { path: "agent.db".to_owned(), max_bytes: 64, ratio: 0.5 };
    Layers::over(&Config { tail: "UNSET".to_owned(), store }).expect("a table")
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn variable(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn each_layer_overrides_the_one_before_and_is_named() {
    let file = file("tail = \"TC-JJA\"\n[store]\nmax_bytes = 128\nratio = 1\n");
    let (config, settings) = defaults()
        .file(file.path())
        .and_then(|layers| {
            layers.environment("CW", [variable("CW__STORE__MAX_BYTES", "256"), variable("CW_LOG", "x")])
        })
        .and_then(|layers| layers.flag("--tail", "tail", Some("TC-JJB")))
        .and_then(Layers::load::<Config>)
        .expect("valid");
    assert_eq!(config.tail, "TC-JJB");
    assert_eq!(config.store, Store { path: "agent.db".to_owned(), max_bytes: 256, ratio: 1.0 });
    let origin = |key: &str| settings.iter().find(|setting| setting.key == key).map(|s| s.origin.to_string());
    assert_eq!(origin("tail").as_deref(), Some("--tail"));
    assert_eq!(origin("store.max_bytes").as_deref(), Some("$CW__STORE__MAX_BYTES"));
    assert_eq!(origin("store.ratio"), Some(file.path().display().to_string()));
    assert_eq!(origin("store.path").as_deref(), Some("default"));
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let file = file("[store]\nmax_byte = 1\n");
    let error = defaults().file(file.path()).expect_err("refused").to_string();
    assert!(
        error.contains("`store.max_byte`") && error.contains(&file.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn an_unknown_variable_is_named() {
    let error =
        defaults().environment("CW", [variable("CW__STORE__PATHS", "x")]).expect_err("refused").to_string();
    assert!(error.contains("`store.paths`") && error.contains("$CW__STORE__PATHS"), "{error}");
}

#[test]
fn a_value_of_the_wrong_type_names_key_and_layer() {
    let file = file("[store]\nmax_bytes = \"many\"\n");
    let error = defaults().file(file.path()).expect_err("refused").to_string();
    assert!(
        error.contains("`store.max_bytes`") && error.contains("expected an integer, found a string"),
        "{error}"
    );
}

#[test]
fn a_value_out_of_range_names_key_and_layer() {
    let file = file("[store]\nmax_bytes = -1\n");
    let error =
        defaults().file(file.path()).and_then(Layers::load::<Config>).expect_err("refused").to_string();
    assert!(
        error.contains("store.max_bytes") && error.contains(&file.path().display().to_string()),
        "{error}"
    );
}

#[test]
fn what_is_no_toml_is_shown_with_its_line() {
    let file = file("tail = \n");
    let error = defaults().file(file.path()).expect_err("refused").to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    samples: toml::Value,
}

#[test]
fn a_setting_of_open_shape_may_be_text_or_a_number_in_every_layer() {
    let load = |text: &str| {
        Layers::over(&Open { samples: "auto".into() })
            .map(|layers| layers.with_open("samples"))
            .and_then(|layers| layers.flag("--samples", "samples", Some(text)))
            .and_then(Layers::load::<Open>)
            .map(|(open, _)| open.samples)
            .expect("valid")
    };
    assert_eq!(load("0.5"), toml::Value::Float(0.5));
    assert_eq!(load("256"), toml::Value::Integer(256));
    assert_eq!(load("auto"), toml::Value::String("auto".to_owned()));
}
