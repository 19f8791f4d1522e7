//! What has the shape of an address, of a key, or of a machine's name.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Endings of files, which names of machines do not have.
const FILES: &[&str] = &[
    "bin", "cert", "cfg", "conf", "crt", "csv", "cwm", "d", "db", "gz", "jsonl", "ini", "json", "key",
    "lease", "leases", "lock", "log", "md", "part", "pem", "pid", "rs", "service", "sh", "sock", "so", "tar",
    "toml", "txt",
];
/// Words with a hyphen and a digit or a capital that are no machine.
const TERMS: &[&str] = &[
    "GPL-2",
    "HTTP-2",
    "SHA-1",
    "SHA-256",
    "SHA-384",
    "UTC-0",
    "UTF-16",
    "UTF-8",
    "WPA-2",
    "WPA2-PSK",
    "WPA3-SAE",
    "X-25519",
    "server-ID",
];
/// What a word ends at. Brackets of an IPv6 address are among it.
const BETWEEN: &[char] = &[
    '"', '\'', '`', '(', ')', '<', '>', '{', '}', '[', ']', ',', ';', '|', '!', '?', '*', '=', '“', '”', '‘',
    '’', '«', '»', '&', '#', '$', '~',
];

/// Replaces addresses of mail, and names with a realm.
pub(super) fn hide_mail(line: &str) -> String {
    by_words(line, |word, _| {
        let bare = word.trim_end_matches(['.', ':']);
        let is_address =
            bare.split_once('@').is_some_and(|(user, realm)| !user.is_empty() && !realm.is_empty());
        if is_address && !bare.contains("://") {
            format!("[e-mail]{}", word.get(bare.len()..).unwrap_or_default())
        } else {
            word.to_owned()
        }
    })
}

/// Replaces each address, key and name of a machine.
pub(super) fn hide(line: &str, plain: &BTreeSet<String>) -> String {
    by_words(line, |word, after| hide_word(word, after, plain))
}

/// Replaces each word; what follows it may tell what it is.
fn by_words(line: &str, replace: impl Fn(&str, &str) -> String) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|char: char| is_between(char)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(&replace(word, after));
        let gap = after.find(|char: char| !is_between(char)).unwrap_or(after.len());
        let (between, next) = after.split_at(gap);
        out.push_str(between);
        rest = next;
    }
    out
}

fn is_between(char: char) -> bool {
    char.is_whitespace() || BETWEEN.contains(&char)
}

fn hide_word(word: &str, after: &str, plain: &BTreeSet<String>) -> String {
    let bare = word.trim_end_matches(['.', ':']);
    let is_amount = || after.starts_with(" bytes") && word.bytes().all(|byte| byte.is_ascii_digit());
    if bare.is_empty() || plain.contains(bare) || is_amount() {
        return word.to_owned();
    }
    let tail = word.get(bare.len()..).unwrap_or_default();
    if let Some((scheme, _)) = bare.split_once("://") {
        return format!("{scheme}://[address]{tail}");
    }
    let addresses = hide_addresses(bare);
    if bare.starts_with('/') {
        return format!("{}{tail}", path(&addresses));
    }
    let parts: Vec<_> = addresses.split(':').map(|part| machine(part, plain)).collect();
    format!("{}{tail}", parts.join(":"))
}

/// An IPv6 address, also one that was cut; this machine's own loopback stays.
fn ipv6(text: &str) -> Option<Found> {
    let of_address = |char: char| char.is_ascii_hexdigit() || matches!(char, ':' | '.');
    let length = text.find(|char: char| !of_address(char)).unwrap_or(text.len());
    let run = text.get(..length)?.trim_end_matches(['.']);
    let ends = !text.get(run.len()..)?.starts_with(char::is_alphanumeric);
    if !ends || run.bytes().filter(|byte| *byte == b':').count() < 2 {
        return None;
    }
    let groups = || run.split(':').take_while(|group| (1..=4).contains(&group.len())).count();
    match run.trim_end_matches(':').parse().or_else(|_| run.parse()) {
        Ok(Ipv6Addr::LOCALHOST | Ipv6Addr::UNSPECIFIED) => Some((run.len(), None)),
        Ok(_) => Some((run.len(), Some("[ip]"))),
        Err(_) => (groups() > 3).then_some((run.len(), Some("[ip]"))),
    }
}

/// Replaces IP and MAC addresses, and long runs of hexadecimal digits, wherever they begin and end within the word.
fn hide_addresses(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    let mut inside_a_word = false;
    while let Some(char) = rest.chars().next() {
        let found = if inside_a_word {
            None
        } else {
            ipv4(rest).or_else(|| mac(rest)).or_else(|| ipv6(rest)).or_else(|| long_run(rest))
        };
        if let Some((length, mark)) = found {
            out.push_str(mark.unwrap_or_else(|| rest.get(..length).unwrap_or_default()));
            rest = rest.get(length..).unwrap_or_default();
            inside_a_word = true;
            continue;
        }
        out.push(char);
        inside_a_word = char.is_alphanumeric();
        rest = rest.get(char.len_utf8()..).unwrap_or_default();
    }
    out
}

/// Its length, and what stands in its place; none where it stays.
type Found = (usize, Option<&'static str>);

fn ipv4(text: &str) -> Option<Found> {
    let length = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let digits = text.get(..length)?.trim_end_matches('.');
    let address: Ipv4Addr = digits.parse().ok()?;
    let own = address.is_loopback() || address.is_unspecified();
    let ends = !text.get(digits.len()..)?.starts_with(char::is_alphanumeric);
    ends.then_some((digits.len(), if own { None } else { Some("[ip]") }))
}

/// A MAC address in pairs or in groups of four; one that was cut after four pairs, or has more than six, too.
fn mac(text: &str) -> Option<Found> {
    [(2, 4), (4, 3)]
        .into_iter()
        .find_map(|(digits, least)| groups(text, digits, least))
        .map(|end| (end, Some("[mac]")))
}

/// Where a run of at least so many groups ends, which one character separates throughout.
fn groups(text: &str, digits: usize, least: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let separator = *bytes.get(digits).filter(|byte| b":-._".contains(byte))?;
    let (mut at, mut count) = (0, 0);
    loop {
        let run = bytes.get(at..)?.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // A last group may have been cut.
        let whole = run == digits;
        if run == 0 || run > digits {
            at = at.saturating_sub(1);
            break;
        }
        at += run;
        count += 1;
        if !whole || bytes.get(at) != Some(&separator) {
            break;
        }
        at += 1;
    }
    // What hangs on to the last group belongs to it.
    let rest = text.get(at..)?;
    let more = rest.find(|char: char| !char.is_alphanumeric()).unwrap_or(rest.len());
    (count >= least).then_some(at + more)
}

/// A bare MAC address, a hash or a key: twelve hexadecimal digits or more, or a long run of mixed letters and digits.
fn long_run(text: &str) -> Option<Found> {
    let length = text.find(|char: char| !char.is_ascii_alphanumeric() && char != '+').unwrap_or(text.len());
    let run = text.get(..length)?;
    let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    let digits = has(u8::is_ascii_digit);
    if run.bytes().all(|byte| byte.is_ascii_digit()) {
        return (length == 12).then_some((length, Some("[mac]")));
    }
    // `sta0200000001ff` has one behind a word.
    let hex = run.bytes().rev().take_while(u8::is_ascii_hexdigit).count();
    if hex >= 12 && (digits || length == 12) {
        return Some((length, Some(if hex == 12 { "[mac]" } else { "[hex]" })));
    }
    let mixed = digits && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    (length >= 24 && mixed).then_some((length, Some("[secret]")))
}

/// A path: the home it lies in belongs to somebody.
fn path(text: &str) -> String {
    let mut parts: Vec<&str> = text.split('/').collect();
    if let [_, "home" | "Users", owner, ..] = parts.as_mut_slice()
        && !owner.is_empty()
    {
        *owner = "[user]";
    }
    parts.join("/")
}

/// A name with dots, or one with hyphens that only machines have: `marias-iPhone`, `DESKTOP-4F2K9`.
fn machine(word: &str, plain: &BTreeSet<String>) -> String {
    let begins = word.starts_with(char::is_alphabetic);
    if !begins || plain.contains(word) || TERMS.contains(&word) || word.contains('/') {
        return word.to_owned();
    }
    let labels: Vec<_> = word.split('.').collect();
    let (last, odd) = (labels.last().copied().unwrap_or_default(), |char: char| {
        char.is_uppercase() || char.is_ascii_digit()
    });
    let dotted = labels.len() > 1
        && labels.iter().all(|label| !label.is_empty())
        && last.len() > 1
        && last.chars().all(char::is_alphabetic)
        && !FILES.contains(&last);
    let hyphened = word.contains('-')
        && word.chars().skip(1).any(odd)
        && word.split('-').all(|part| !part.is_empty())
        && !FILES.contains(&last);
    if dotted || hyphened { "[host]".to_owned() } else { word.to_owned() }
}
