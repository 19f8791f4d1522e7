//! What mail and dashboard share: how numbers, dates and texts from the aircraft are shown to people.

mod figures;

pub(crate) use figures::{ENGLISH, Figures, TURKISH};

/// Characters of a point or description that are shown.
const MAX_SHOWN_CHARS: usize = 200;

/// Text from the aircraft, fit to be shown: no line breaks, nothing that turns the direction of writing around it,
/// and not longer than a reader takes in. Markup is the templates' matter, which escape everything.
pub(crate) fn shown(text: &str) -> String {
    let visible = |character: char| if is_invisible(character) { ' ' } else { character };
    let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).map(visible).collect();
    if text.chars().nth(MAX_SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

fn is_invisible(character: char) -> bool {
    let reorders =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || reorders || breaks
}
