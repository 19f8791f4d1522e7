//! Finds the needed columns by the names in a file's header.

use super::records::Record;

/// The columns that are needed, in the order of [`Columns`]' fields.
const NEEDED: [&str; 4] = ["edr_date", "edr_point", "description", "state"];

/// Where the needed columns stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) edr_date: usize,
    pub(super) edr_point: usize,
    pub(super) description: usize,
    pub(super) state: usize,
    /// How many columns there are.
    pub(super) count: usize,
}

impl Columns {
    /// Reads a header; other columns may stand anywhere between.
    pub(super) fn find(header: &Record<'_>) -> Result<Self, String> {
        let place = |name: &str| {
            let mut places = (0..header.len()).filter(|&at| header.field(at).trim_ascii() == name.as_bytes());
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(_), Some(_)) => Err(format!("its header has the column `{name}` twice")),
                (None, _) => {
                    Err(format!("its header has no column `{name}`; it needs {}", NEEDED.join(", ")))
                }
            }
        };
        let [edr_date, edr_point, description, state] = NEEDED.map(place);
        Ok(Self {
            edr_date: edr_date?,
            edr_point: edr_point?,
            description: description?,
            state: state?,
            count: header.len(),
        })
    }
}
