//! The effective settings, and where each came from; of what may be a secret or a name, only whether it is set.

use std::path::Path;

use cabinwatch_settings::{Setting, SettingsError};

use crate::config::{Config, LoadError};

/// What `cabinwatch-agent check-config` says, without what it says of values.
pub(super) fn problem(error: &LoadError) -> String {
    match error {
        LoadError::Settings(SettingsError::Read { path, source }) => {
            format!("the configuration {} can't be read: {}", path.display(), source)
        }
        // The parser shows the line.
        LoadError::Settings(SettingsError::Syntax { path, source }) => {
            let text = std::fs::read(path).unwrap_or_default();
            let line = source
                .span()
                .map(|span| text.iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!(" in line {line}"));
            format!(
                "the configuration {} is no TOML{line}: `cabinwatch-agent check-config` shows it",
                path.display()
            )
        }
        LoadError::Settings(SettingsError::UnknownKey { origin, .. }) => {
            format!("{origin} holds a setting that does not exist: `cabinwatch-agent check-config` names it")
        }
        LoadError::Settings(SettingsError::Value { key, origin, .. }) => {
            format!(
                "setting {key} in {origin} does not have the form it must have: `cabinwatch-agent check-config` shows it"
            )
        }
        LoadError::Settings(SettingsError::Defaults(_)) => "the built-in defaults are broken".to_owned(),
        LoadError::Value(error) => {
            format!("setting {} makes no sense: `cabinwatch-agent check-config` says what would", error.key)
        }
    }
}

/// A setting's value as the bundle shows it.
pub(super) fn shown(setting: &Setting, config: &Config) -> String {
    let set = |empty: bool| if empty { "not set" } else { "[hidden]" }.to_owned();
    match setting.key.as_str() {
        "link.user" => set(config.link.user.is_empty()),
        "clock.boot_id" => set(config.clock.boot_id.is_empty()),
        "link.broker" => broker(&config.link.broker),
        "link.password_file" => path(&config.link.password_file),
        "link.ca_file" => path(&config.link.ca_file),
        "link.client_certificate" => path(&config.link.client_certificate),
        "link.client_key" => path(&config.link.client_key),
        "model.trusted_keys" => trusted_keys(&config.model.trusted_keys),
        // Quotes are for what came from outside.
        _ => setting.value.replace('"', ""),
    }
}

/// A public key by its first digits: enough to tell it from others.
pub(super) fn short_key(key: &str) -> String {
    format!("{}...", key.chars().take(8).collect::<String>())
}

fn trusted_keys(keys: &[String]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| short_key(key)).collect();
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}

/// How the broker is reached, not where.
fn broker(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "not set".to_owned() };
    let port = rest.rsplit_once(':').map(|(_, port)| port).filter(|port| port.parse::<u16>().is_ok());
    port.map_or_else(|| format!("{scheme}, [host]"), |port| format!("{scheme}, [host], port {port}"))
}

/// The broker's name or address, without user, password and port.
pub(super) fn host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = rest.strip_prefix('[').and_then(|rest| rest.split(']').next());
    host.or_else(|| rest.split([':', '/']).next())
}

/// A file's name, if there is such a file: some write the password itself where its file belongs.
fn path(path: &Path) -> String {
    if path.as_os_str().is_empty() {
        return "not set".to_owned();
    }
    match path.metadata() {
        Ok(found) if path.is_absolute() => format!("{} ({} bytes)", path.display(), found.len()),
        Ok(_) => "[hidden] (no absolute path)".to_owned(),
        Err(error) => format!("[hidden] ({})", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn shown_of(text: &str) -> Vec<(String, String)> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("tail = \"TC-JJA\"\n{text}")).expect("written");
        let (config, settings) = Config::load(file.path(), [], &Overrides::default()).expect("valid");
        settings.iter().map(|setting| (setting.key.clone(), shown(setting, &config))).collect()
    }

    fn value(settings: &[(String, String)], key: &str) -> String {
        settings.iter().find(|(known, _)| known == key).expect("it is there").1.clone()
    }

    #[test]
    fn who_logs_in_where_and_with_what_is_not_shown() {
        let settings = shown_of(
            "[link]\nbroker = \"mqtts://jo:pw@ops.example.com:8883\"\nuser = \"jo\"\npassword_file = \"open sesame\"\n",
        );
        assert_eq!(value(&settings, "link.broker"), "mqtts, [host], port 8883");
        assert_eq!(value(&settings, "link.user"), "[hidden]");
        assert_eq!(value(&settings, "link.password_file"), "[hidden] (entity not found)");
        assert_eq!(value(&settings, "link.client_key"), "not set");
        assert_eq!(value(&settings, "link.keep_alive_seconds"), "600");
    }

    #[test]
    fn keys_are_shown_by_their_first_digits() {
        let settings = shown_of(&format!("[model]\ntrusted_keys = [\"{}\"]\n", "0aF1".repeat(16)));
        assert_eq!(value(&settings, "model.trusted_keys"), "0aF10aF1...");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let said = |text: &str| {
            let file = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(file.path(), text).expect("written");
            problem(&Config::load(file.path(), [], &Overrides::default()).expect_err("refused"))
        };
        for (text, expected) in [
            ("tail = \"TC-JJA\"\n[link]\nuser = sesame\n", "is no TOML in line 3"),
            ("tail = \"sesame sesame\"\n", "setting tail makes no sense"),
            ("sesame = 1\n", "holds a setting that does not exist"),
            ("window_seconds = \"sesame\"\n", "setting window_seconds in "),
        ] {
            let said = said(text);
            assert!(said.contains(expected) && !said.contains("sesame"), "{said}");
        }
    }
}
