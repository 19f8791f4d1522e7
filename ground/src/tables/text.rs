//! How values that are no numbers are written in columns and listings, and read back.

use cabinwatch_shared::model::{AgentRelease, ModelVersion};
use cabinwatch_shared::time::UnixSeconds;
use cabinwatch_shared::wire::{LossReason, StreamId, StreamStart};
use cabinwatch_shared::zscore::ZStatus;

use super::SetAsideReason;

pub(super) const fn stream_cause(start: StreamStart) -> &'static str {
    match start {
        StreamStart::NoDatabase { .. } => "no_database",
        StreamStart::DatabaseSetAside { .. } => "database_set_aside",
    }
}

pub(super) fn release(release: AgentRelease) -> String {
    format!("{}.{}.{}", release.0, release.1, release.2)
}

pub(super) fn read_release(text: &str) -> Option<AgentRelease> {
    let mut parts = text.splitn(3, '.').map(|part| part.parse().ok());
    Some(AgentRelease(parts.next()??, parts.next()??, parts.next()??))
}

pub(super) fn read_stream(text: &str) -> Option<StreamId> {
    u64::from_str_radix(text, 16).ok().map(StreamId)
}

pub(super) fn read_z_status(text: &str) -> Option<ZStatus> {
    let all = [
        ZStatus::Scored,
        ZStatus::NoModel,
        ZStatus::UnseenKey,
        ZStatus::TooFewSamples,
        ZStatus::ZeroVariance,
    ];
    all.into_iter().find(|status| status.as_str() == text)
}

pub(super) fn read_loss_reason(text: &str) -> Option<LossReason> {
    LossReason::ALL.into_iter().find(|reason| reason.as_str() == text)
}

pub(super) fn read_stream_start(cause: &str, at: UnixSeconds) -> Option<StreamStart> {
    let all = [StreamStart::NoDatabase { at }, StreamStart::DatabaseSetAside { at }];
    all.into_iter().find(|start| stream_cause(*start) == cause)
}

pub(super) fn read_set_aside_reason(reason: &str, model: Option<ModelVersion>) -> Option<SetAsideReason> {
    let unknown_model = SetAsideReason::UnknownModel(model.unwrap_or_default());
    let all = [SetAsideReason::Undecodable, SetAsideReason::Nonsense, unknown_model];
    all.into_iter().find(|known| known.as_str() == reason)
}
