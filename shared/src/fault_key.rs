//! The identity of a kind of fault: where in the journey, and what.

use core::fmt;

/// A point of the journey and the text of its fault. The pair is the identity; the text `point | description`
/// is only how it is shown, so a point that itself holds ` | ` is no special case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultKey<'a> {
    /// Where in the passenger's journey, e.g. `DHCP`.
    pub edr_point: &'a str,
    /// What went wrong, e.g. `no address available`.
    pub description: &'a str,
}

/// Longest point the agent keeps, in bytes; longer ones are cut at a character and counted.
pub const MAX_POINT_BYTES: usize = 64;
/// Longest description the agent keeps, in bytes; longer ones are cut at a character and counted.
pub const MAX_DESCRIPTION_BYTES: usize = 192;

impl FaultKey<'static> {
    /// Where failures are counted once an aircraft has more distinct fault keys than it may have.
    pub const OTHER: Self = Self { edr_point: "OTHER", description: "OTHER" };
}

impl<'a> FaultKey<'a> {
    /// The key with both parts cut to what the agent keeps, and whether anything was cut.
    #[must_use]
    pub fn bounded(self) -> (Self, bool) {
        let (edr_point, point_cut) = cut(self.edr_point, MAX_POINT_BYTES);
        let (description, description_cut) = cut(self.description, MAX_DESCRIPTION_BYTES);
        (Self { edr_point, description }, point_cut || description_cut)
    }
}

fn cut(text: &str, limit: usize) -> (&str, bool) {
    if text.len() <= limit { (text, false) } else { (&text[..text.floor_char_boundary(limit)], true) }
}

/// `point | description`, the `fault_key` column of the tables and of `zscore_stats.csv`.
impl fmt::Display for FaultKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {}", self.edr_point, self.description)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn shows_as_point_and_description() {
        let key = FaultKey { edr_point: "DHCP", description: "no address available" };
        assert_eq!(key.to_string(), "DHCP | no address available");
    }

    #[test]
    fn long_parts_are_cut_at_a_character() {
        let long = "ü".repeat(200);
        let (key, was_cut) = FaultKey { edr_point: &long, description: "short" }.bounded();
        assert!(was_cut);
        assert_eq!(key.edr_point, "ü".repeat(32));
        assert_eq!(key.description, "short");
    }
}
