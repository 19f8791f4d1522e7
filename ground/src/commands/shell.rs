//! Commands that are printed for people to paste into a shell.

use std::borrow::Cow;

/// Characters that mean nothing but themselves.
const PLAIN: &[u8] = b"-_./:=@%+,";

/// A word as a POSIX shell reads it back, quoted only where that is needed.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// This program as it was called, so that what is pasted in the same folder calls it again.
pub(super) fn this_program() -> String {
    let called = std::env::args_os().next().map(|name| name.to_string_lossy().into_owned());
    word(&called.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())).into_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_every_word_as_it_was() {
        let words =
            ["sqlite:///a/tables.db", "two words", "it's", "$HOME `x` \"y\" \\ *", "", "uçak", "a\nb", "~"];
        for text in words {
            let script = format!("printf %s {}", word(text));
            let output = Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), text, "{script}");
        }
    }

    #[test]
    fn what_needs_no_quotes_has_none() {
        assert_eq!(word("sqlite:///tmp/demo-out/tables.db"), "sqlite:///tmp/demo-out/tables.db");
    }
}
