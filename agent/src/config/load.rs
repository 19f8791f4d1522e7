//! Defaults, file, environment, flags: each over the one before.

use std::path::Path;

use cabinwatch_settings::{Layers, Setting, SettingsError};

use super::{Config, ConfigError};

/// `CABINWATCH_AGENT__STORE__PATH` sets `store.path`, `CABINWATCH_AGENT__TAIL` sets `tail`.
const ENVIRONMENT_PREFIX: &str = "CABINWATCH_AGENT";

/// Why there is no configuration to work with.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A layer can't be read, or holds something unknown.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A value that its type allows and its meaning does not.
    #[error(transparent)]
    Value(#[from] ConfigError),
}

/// Flags that override settings, where they were given.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--tail`.
    pub tail: Option<String>,
    /// `--log-level`.
    pub log_level: Option<String>,
}

impl Config {
    /// Loads and checks the configuration, and says where each setting came from.
    ///
    /// # Errors
    /// Names the file, variable or flag, and the key.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<(Self, Vec<Setting>), LoadError> {
        let (config, settings) = Layers::over(&Self::default())?
            .file(file)?
            .environment(ENVIRONMENT_PREFIX, environment)?
            .flag("--tail", "tail", overrides.tail.as_deref())?
            .flag("--log-level", "log.level", overrides.log_level.as_deref())?
            .load::<Self>()?;
        config.check()?;
        Ok((config, settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/agent.toml");

    fn load(file: &Path, variables: &[(&str, &str)], overrides: &Overrides) -> Result<Config, LoadError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(file, variables, overrides).map(|(config, _)| config)
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    #[test]
    fn the_sample_states_every_default() {
        let config = load(Path::new(SAMPLE), &[], &Overrides::default()).expect("valid");
        assert_eq!(config, Config { tail: "TC-JJA".to_owned(), ..Config::default() });
    }

    #[test]
    fn the_sample_names_every_setting() {
        let sample = std::fs::read_to_string(SAMPLE).expect("the sample");
        let (_, settings) = Config::load(Path::new(SAMPLE), [], &Overrides::default()).expect("valid");
        for setting in settings {
            let name = setting.key.rsplit('.').next().expect("a name").to_owned();
            let stated = sample.lines().any(|line| {
                let line = line.trim_start_matches(['#', ' ']);
                line.starts_with(&format!("{name} =")) || line.starts_with(&format!("[[sources.{name}]]"))
            });
            assert!(stated, "{} is not in the sample", setting.key);
        }
    }

    #[test]
    fn variables_override_the_file_and_flags_override_both() {
        let file = file("tail = \"TC-JJA\"\n[store]\npath = \"/a.db\"\n");
        let variables = [
            ("CABINWATCH_AGENT__TAIL", "TC-JJB"),
            ("CABINWATCH_AGENT__STORE__PATH", "/b.db"),
            ("CABINWATCH_GROUND__MAIL__FROM", "not ours"),
        ];
        let overrides = Overrides { tail: Some("TC-JJC".to_owned()), log_level: None };
        let config = load(file.path(), &variables, &overrides).expect("valid");
        assert_eq!(config.tail, "TC-JJC");
        assert_eq!(config.store.path, Path::new("/b.db"));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let file = file("tail = \"TC-JJA\"\n[store]\npaht = \"/a.db\"\n");
        let error = load(file.path(), &[], &Overrides::default()).expect_err("refused").to_string();
        assert!(error.contains("`store.paht`"), "{error}");
    }

    #[test]
    fn a_value_that_makes_no_sense_is_named() {
        for (text, key) in
            [("window_seconds = 0", "window_seconds"), ("[model]\ncohort = \"a/+\"", "model.cohort")]
        {
            let file = file(&format!("tail = \"TC-JJA\"\n{text}\n"));
            let error = load(file.path(), &[], &Overrides::default()).expect_err("refused").to_string();
            assert!(error.contains(&format!("`{key}`")), "{error}");
        }
    }
}
