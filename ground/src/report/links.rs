//! Where the dashboard's pages are, for who reads the mail.

use crate::dashboard;
use crate::tables::TableRow;

/// Links under the configured address; none where there is no such address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links<'a> {
    base: &'a str,
}

impl<'a> Links<'a> {
    /// `base` is empty, or the dashboard's address.
    pub fn new(base: &'a str) -> Self {
        Self { base: base.trim_end_matches('/') }
    }

    /// The fleet's page.
    pub fn fleet(&self) -> Option<String> {
        self.to(dashboard::FLEET)
    }

    /// The page of the anomaly that a row belongs to.
    pub fn anomaly(&self, row: &TableRow) -> Option<String> {
        self.to(&dashboard::anomaly(&row.tail, row.key(), row.start))
    }

    fn to(&self, path: &str) -> Option<String> {
        (!self.base.is_empty()).then(|| format!("{}{path}", self.base))
    }
}
