//! What stands behind a label: `user=maria`, `password: 1234`, `user maria`.

/// Labels of what nobody may read, with `=` or `:` behind them.
const LABELS: &[&str] = &[
    "anonymous-identity",
    "c",
    "calling-station-id",
    "cn",
    "cookie",
    "dc",
    "dn",
    "e-mail",
    "email",
    "host",
    "hostname",
    "identity",
    "imsi",
    "key",
    "l",
    "login",
    "mac",
    "mail",
    "name",
    "nas-identifier",
    "o",
    "ou",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "phone",
    "pin",
    "psk",
    "secret",
    "serial",
    "ssid",
    "st",
    "token",
    "uid",
    "user",
    "user-name",
    "username",
];
/// Labels that need neither.
const SPOKEN: &[&str] = &["hostname", "login", "passphrase", "ssid", "user", "user-name", "username"];
/// Words that follow a spoken label in a sentence.
const SENTENCE: &[&str] = &[
    "a",
    "accepted",
    "and",
    "at",
    "by",
    "failed",
    "for",
    "from",
    "has",
    "in",
    "incorrect",
    "is",
    "lacks",
    "may",
    "must",
    "name",
    "not",
    "of",
    "ok",
    "or",
    "session",
    "services",
    "the",
    "to",
    "was",
    "with",
];

/// Replaces the word behind a label.
pub(super) fn hide(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let word_end = rest.find(|char: char| !is_of_a_label(char)).unwrap_or(rest.len());
        if word_end == 0 {
            let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
            let (char, after) = rest.split_at(first);
            out.push_str(char);
            rest = after;
            continue;
        }
        let (word, after) = rest.split_at(word_end);
        out.push_str(word);
        rest = after;
        if let Some((between, value)) = value(word, after) {
            out.push_str(between);
            out.push_str("[hidden]");
            rest = after.get(between.len() + value.len()..).unwrap_or_default();
        }
    }
    out
}

/// What stands between the label and its value, and the value; none where there is nothing to hide.
fn value<'a>(word: &str, after: &'a str) -> Option<(&'a str, &'a str)> {
    let label = word.to_ascii_lowercase().replace('_', "-");
    let behind = after.trim_start_matches(' ');
    let assigned = behind.strip_prefix([':', '=']).filter(|_| LABELS.contains(&label.as_str()));
    let value = match assigned {
        // `agent::link` has a path behind it, and `name:` at the end of a line nothing.
        Some(value) if !value.starts_with(':') => value.trim_start_matches(' '),
        Some(_) => return None,
        None if SPOKEN.contains(&label.as_str()) && behind.len() < after.len() => behind,
        None => return None,
    };
    let end = value.find([' ', ',', ';', ')', '"', '\'', '`', '\t']).unwrap_or(value.len());
    let word = value.get(..end).unwrap_or_default();
    let spoken = assigned.is_none() && SENTENCE.contains(&word.to_ascii_lowercase().as_str());
    if word.is_empty() || word.starts_with(['[', '(']) || spoken {
        return None;
    }
    Some((after.get(..after.len() - value.len()).unwrap_or_default(), word))
}

fn is_of_a_label(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | '/')
}
