//! Letters can be read, light and dark.

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../../../templates/dashboard/app.css");
/// WCAG 2.2, level AA, for text of any size.
const LEAST: f64 = 4.5;

/// Letters, and what they stand on.
const PAIRS: [(&str, &str); 16] = [
    ("text", "ground"),
    ("text", "card"),
    ("text", "inset"),
    ("text", "bad-ground"),
    ("muted", "ground"),
    ("muted", "card"),
    ("muted", "inset"),
    ("muted", "bad-ground"),
    ("link", "ground"),
    ("link", "card"),
    ("link", "inset"),
    ("bad", "card"),
    ("bad", "inset"),
    ("bad", "bad-ground"),
    ("warn", "card"),
    ("warn", "warn-ground"),
];

/// The colours that a rule sets.
fn colours(rule: &str) -> BTreeMap<&str, [u8; 3]> {
    let body = STYLE.split_once(rule).expect("there is such a rule").1;
    let body = body.split_once('}').expect("it ends").0;
    let settings = body.split(';').filter_map(|setting| setting.split_once(": #"));
    let hex = |digits: &str| {
        let byte =
            |at| u8::from_str_radix(digits.get(at..at + 2).expect("six digits"), 16).expect("hexadecimal");
        [byte(0), byte(2), byte(4)]
    };
    settings.map(|(name, digits)| (name.trim().trim_start_matches("--"), hex(digits))).collect()
}

fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn letters_stand_out_from_what_they_stand_on() {
    for rule in [":root {", ":root[data-theme=dark] {"] {
        let colours = colours(rule);
        for (letters, ground) in PAIRS {
            let found = contrast(colours[letters], colours[ground]);
            assert!(found >= LEAST, "{rule} {letters} on {ground}: {found:.2}");
        }
    }
}

#[test]
fn dark_is_the_same_by_choice_and_by_the_systems_wish() {
    assert_eq!(colours(":root:not([data-theme=light]) {"), colours(":root[data-theme=dark] {"));
}
