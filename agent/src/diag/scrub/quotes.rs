//! Quoted text: in messages, what came from outside stands in quotes.

/// Replaces what stands in quotes, unless it may stay.
pub(super) fn hide(line: &str, may_stay: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut before = None;
    while let Some(char) = rest.chars().next() {
        let (opening, after) = rest.split_at(char.len_utf8());
        let Some(quote) = closing(char, before, after) else {
            out.push(char);
            (before, rest) = (Some(char), after);
            continue;
        };
        // One that is never closed was cut: what follows belongs to it.
        let inside = end(after, quote).and_then(|end| after.get(..end)).unwrap_or(after);
        out.push_str(opening);
        out.push_str(if inside.is_empty() || may_stay(inside) { inside } else { "[text]" });
        rest = after.get(inside.len()..).unwrap_or_default();
        if rest.starts_with(quote) {
            out.push(quote);
            rest = rest.get(quote.len_utf8()..).unwrap_or_default();
        }
        before = Some(quote);
    }
    out
}

/// The quote that closes the one that opens here; none where none opens.
fn closing(char: char, before: Option<char>, after: &str) -> Option<char> {
    match char {
        '"' | '`' => Some(char),
        '“' | '”' => Some('”'),
        '‘' => Some('’'),
        '«' => Some('»'),
        // Else it is an apostrophe.
        '\'' => {
            let opens = !before.is_some_and(char::is_alphanumeric)
                && after.starts_with(|next: char| !next.is_whitespace());
            opens.then_some(char)
        }
        _ => None,
    }
}

/// Where the quote ends, in bytes.
fn end(after: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, char) in after.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' if quote == '\'' => {
                let next = after.get(at + 1..).and_then(|rest| rest.chars().next());
                if !next.is_some_and(char::is_alphanumeric) {
                    return Some(at);
                }
            }
            _ if char == quote => return Some(at),
            _ => {}
        }
    }
    None
}
