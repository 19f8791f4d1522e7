//! Where the dashboard's pages are, for who reads the mail.

use url::form_urlencoded;

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
        self.to("/fleet")
    }

    /// The page of the anomaly that a row belongs to.
    pub fn anomaly(&self, row: &TableRow) -> Option<String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("point", &row.edr_point).append_pair("fault", &row.description);
        self.to(&format!("/anomaly/{}/{}?{}", row.tail, row.start, query.finish()))
    }

    fn to(&self, path: &str) -> Option<String> {
        (!self.base.is_empty()).then(|| format!("{}{path}", self.base))
    }
}
