//! What this machine knows to be a secret or a name, so that it is found wherever it stands.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::scrub::Scrubber;
use super::{Machine, settings};
use crate::config::Config;

/// Passwords and keys are shorter.
const MAX_SECRET_BYTES: u64 = 64 << 10;
/// Accounts of people, as Linux systems number them.
const PEOPLE: std::ops::Range<u32> = 1000..65_000;

/// Tells the scrubber, and returns what could not be found out.
pub(super) fn learn(scrubber: &mut Scrubber, config: &Config, machine: &Machine) -> Vec<String> {
    let mut problems = Vec::new();
    scrubber.keep(&config.tail);
    keep_names_of_settings(scrubber, "", &serde_json::to_value(Config::default()).unwrap_or_default());
    for path in [&config.link.password_file, &config.link.client_key] {
        if !path.as_os_str().is_empty() {
            secret_file(scrubber, path, &mut problems);
        }
    }
    scrubber.name(&config.link.user, "[user]");
    if let Some(host) = settings::host(&config.link.broker) {
        scrubber.name(host, "[host]");
    }
    let text = |path: &str| std::fs::read_to_string(machine.file(path)).unwrap_or_default();
    scrubber.name(text("proc/sys/kernel/hostname").trim(), "[host]");
    scrubber.name(text("etc/hostname").trim(), "[host]");
    machine.users.iter().for_each(|user| scrubber.name(user, "[user]"));
    for line in text("etc/passwd").lines() {
        let fields: Vec<_> = line.split(':').collect();
        let [name, _, id, _, person, home, ..] = fields.as_slice() else { continue };
        if id.parse().is_ok_and(|id| PEOPLE.contains(&id)) {
            let home = home.rsplit('/').next().unwrap_or_default();
            let person = person.split(',').next().unwrap_or_default();
            [*name, home, person].iter().for_each(|name| scrubber.name(name, "[user]"));
        }
    }
    problems
}

/// A file that is no configuration may still say who logs in and with what: each text in its `[link]`, and each line of
/// the files that these name.
pub(super) fn learn_from_broken(scrubber: &mut Scrubber, file: &Path) {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut in_link = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_link = line.starts_with("[link");
        }
        let value = line.split_once('=').map(|(_, value)| value.trim().trim_matches(['"', '\'']));
        let Some(value) = value.filter(|value| in_link && value.len() > 2 && !value.contains("://")) else {
            if let Some(host) = line.split(['"', '\'']).find_map(settings::host) {
                scrubber.name(host, "[host]");
            }
            continue;
        };
        // Numbers and words of our own, like `kept`, are found in every text.
        if value.bytes().all(|byte| byte.is_ascii_digit())
            || ["kept", "scheduled", "true", "false"].contains(&value)
        {
            continue;
        }
        if Path::new(value).is_file() {
            secret_file(scrubber, Path::new(value), &mut Vec::new());
        } else {
            scrubber.secret(value);
        }
    }
}

/// Each line of it. Where there is no such file, somebody may have written the secret in place of its name.
fn secret_file(scrubber: &mut Scrubber, path: &Path, problems: &mut Vec<String>) {
    let mut content = String::new();
    match File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES).read_to_string(&mut content)) {
        Ok(_) => {
            let secret = |line: &&str| !line.is_empty() && !line.starts_with("-----");
            content.lines().map(str::trim).filter(secret).for_each(|line| scrubber.secret(line));
        }
        Err(_) if !path.exists() => scrubber.secret(&path.display().to_string()),
        Err(error) => problems.push(format!("{} can't be read here: {}", path.display(), error.kind())),
    }
}

/// `store.path` and the like, which our messages put in quotes.
fn keep_names_of_settings(scrubber: &mut Scrubber, parent: &str, value: &Value) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let key = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        scrubber.keep(&key);
        keep_names_of_settings(scrubber, &key, value);
    }
}
