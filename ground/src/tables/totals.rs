//! Rows in numbers, for those who need no row: a fleet makes millions of them.

use cabinwatch_shared::model::ModelVersion;
use cabinwatch_shared::time::UnixSeconds;

use super::TableRow;

/// What the rows that a query asks for come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Windows of aircraft that have one of them.
    pub windows: u64,
    /// Rows the z score alarmed on.
    pub z: u64,
    /// Rows the forest alarmed on.
    pub forest: u64,
    /// Rows both alarmed on.
    pub confirmed: u64,
    /// The newest model that scored one; 0 for none.
    pub model: ModelVersion,
    /// When the first of their windows starts.
    pub from: Option<UnixSeconds>,
    /// When the last of them ends.
    pub until: Option<UnixSeconds>,
}

impl Totals {
    /// Those of one row, which counts as so many windows.
    pub(super) fn of(row: &TableRow, windows: u64) -> Self {
        let one_if = |holds: bool| u64::from(holds);
        Self {
            rows: 1,
            windows,
            z: one_if(row.alarms.z),
            forest: one_if(row.alarms.forest),
            confirmed: one_if(row.alarms.confirmed()),
            model: row.model_version,
            from: Some(row.start),
            until: Some(row.end),
        }
    }

    /// These and others, of which no window is among these.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let earlier = |one: Option<UnixSeconds>, other: Option<UnixSeconds>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            rows: self.rows + other.rows,
            windows: self.windows + other.windows,
            z: self.z + other.z,
            forest: self.forest + other.forest,
            confirmed: self.confirmed + other.confirmed,
            model: self.model.max(other.model),
            from: earlier(self.from, other.from),
            until: self.until.max(other.until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_and_nothing_changes_none() {
        let at = |at| Some(UnixSeconds(at));
        let one = Totals {
            rows: 3,
            windows: 2,
            z: 2,
            model: ModelVersion(4),
            from: at(300),
            until: at(900),
            ..Totals::default()
        };
        let other = Totals {
            rows: 1,
            windows: 1,
            forest: 1,
            model: ModelVersion(3),
            from: at(0),
            until: at(300),
            ..Totals::default()
        };
        let sum = Totals { rows: 4, windows: 3, forest: 1, from: at(0), ..one };
        assert_eq!((one.and(other), other.and(one)), (sum, sum));
        assert_eq!((one.and(Totals::default()), Totals::default().and(one)), (one, one));
    }
}
