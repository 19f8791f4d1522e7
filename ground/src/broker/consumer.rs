//! How an ingest process stands at the broker: alone, or as one of several.

use cabinwatch_shared::wire::topics;

use crate::config::IngestConfig;

/// The name at the broker of a process that has none of its own.
const DEFAULT_NAME: &str = "cabinwatch-ingest";

/// A consumer of the aircraft's frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// The only one. While it is away the broker keeps its session, and in it what comes.
    Alone {
        /// Its name at the broker.
        client_id: String,
    },
    /// One of several that each get a part of the frames.
    ///
    /// The broker keeps nothing for it. A broker goes on handing a member its part while it is away, for as long as its
    /// session is kept, and never gives that part to another: a session kept for a process that does not come back
    /// would delay every n-th message of the fleet. Without one the others take over at once, and what a member had in
    /// hand when it died, its aircraft send again.
    Member {
        /// Its name at the broker, which no other process has.
        client_id: String,
        /// The group's name.
        group: String,
    },
}

impl Consumer {
    /// As configured. A member that is given no name makes one up, so that the same configuration serves all of a group.
    #[must_use]
    pub fn new(config: &IngestConfig) -> Self {
        let named = |default: String| match config.client_id.as_str() {
            "" => default,
            name => name.to_owned(),
        };
        if config.share.is_empty() {
            return Self::Alone { client_id: named(DEFAULT_NAME.to_owned()) };
        }
        let made_up = format!("{DEFAULT_NAME}-{:08x}", rand::random::<u32>());
        Self::Member { client_id: named(made_up), group: config.share.clone() }
    }

    /// Its name at the broker.
    #[must_use]
    pub fn client_id(&self) -> &str {
        let (Self::Alone { client_id } | Self::Member { client_id, .. }) = self;
        client_id
    }

    /// The filter that brings the frames.
    #[must_use]
    pub fn frames_filter(&self) -> String {
        match self {
            Self::Alone { .. } => topics::ALL_FRAMES.to_owned(),
            Self::Member { group, .. } => format!("$share/{group}/{}", topics::ALL_FRAMES),
        }
    }

    /// The filter that brings the aircraft's status, which each member gets: a shared subscription gets no retained
    /// messages, and of two members one could store `offline` before another stores the `online` that came first.
    #[must_use]
    pub fn status_filter(&self) -> String {
        topics::ALL_STATUS.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(client_id: &str, share: &str) -> IngestConfig {
        let (client_id, share) = (client_id.to_owned(), share.to_owned());
        IngestConfig { client_id, share, ..IngestConfig::default() }
    }

    #[test]
    fn a_process_alone_has_the_same_name_each_time_and_gets_everything() {
        let consumer = Consumer::new(&config("", ""));
        assert_eq!(consumer, Consumer::new(&config("", "")));
        assert_eq!(consumer.frames_filter(), "cabinwatch/v1/+/up/frames");
    }

    #[test]
    fn members_share_the_frames_and_each_gets_the_status() {
        let (one, other) = (Consumer::new(&config("", "ground")), Consumer::new(&config("", "ground")));
        assert_ne!(one.client_id(), other.client_id());
        assert_eq!(one.frames_filter(), "$share/ground/cabinwatch/v1/+/up/frames");
        assert_eq!(one.frames_filter(), other.frames_filter());
        assert_eq!(one.status_filter(), "cabinwatch/v1/+/up/status");
    }

    #[test]
    fn a_configured_name_is_kept() {
        assert_eq!(Consumer::new(&config("ingest-0", "ground")).client_id(), "ingest-0");
        assert_eq!(Consumer::new(&config("ingest-0", "")).client_id(), "ingest-0");
    }
}
