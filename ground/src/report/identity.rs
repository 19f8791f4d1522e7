//! What tells one report from all others.

use cabinwatch_shared::time::UnixSeconds;

use super::Run;
use super::attachment::Attachment;
use crate::config::Language;

/// A report's identity: which tables, period, model and language, and which anomalies it confirms.
///
/// The same report has the same identity whenever and by whichever process it is made, which is how it is sent once.
/// A run that finds other anomalies in the same period, because a file came late, makes another report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    until: UnixSeconds,
    hash: u64,
}

impl Identity {
    /// `source` is the tables' URL.
    pub fn new(source: &str, run: &Run, language: Language, attachment: &Attachment) -> Self {
        let code = super::wording::wording(language).labels().code;
        let about = format!("{source}\n{} {} {} {code}\n", run.from().0, run.until().0, run.model.0);
        Self { until: run.until(), hash: fnv1a(fnv1a(FNV_OFFSET, about.as_bytes()), &attachment.csv) }
    }

    /// As text, fit for the mail's headers.
    pub fn id(&self) -> String {
        format!("{:016x}", self.hash)
    }

    /// As a file's name without its extension: the end of the period comes first, so that names sort by it.
    pub fn file_name(&self) -> String {
        let end: String = self.until.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
        format!("{end}-{}", self.id())
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a in 64 bits. It stays the same over releases and machines, which a file name needs and std's hasher does not
/// promise.
fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    bytes.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}
