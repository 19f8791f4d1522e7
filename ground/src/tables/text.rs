//! How values that are no numbers are written in columns and listings.

use cabinwatch_shared::model::AgentRelease;
use cabinwatch_shared::wire::{ModelOutcome, StreamStart};

use super::SetAsideReason;

pub(super) const fn outcome(outcome: ModelOutcome) -> &'static str {
    match outcome {
        ModelOutcome::Activated => "activated",
        ModelOutcome::Unreadable => "unreadable",
        ModelOutcome::Untrusted => "untrusted",
        ModelOutcome::NotForUs => "not_for_us",
        ModelOutcome::SelfTestFailed => "self_test_failed",
    }
}

pub(super) const fn stream_cause(start: StreamStart) -> &'static str {
    match start {
        StreamStart::NoDatabase { .. } => "no_database",
        StreamStart::DatabaseSetAside { .. } => "database_set_aside",
    }
}

pub(super) const fn set_aside_reason(reason: SetAsideReason) -> &'static str {
    match reason {
        SetAsideReason::Undecodable => "undecodable",
        SetAsideReason::Nonsense => "nonsense",
        SetAsideReason::UnknownModel(_) => "unknown_model",
    }
}

pub(super) fn release(release: AgentRelease) -> String {
    format!("{}.{}.{}", release.0, release.1, release.2)
}
