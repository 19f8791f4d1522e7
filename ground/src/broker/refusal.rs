//! Why a broker has nothing to do with us, in words that say what to check.

use cabinwatch_tls::Login;
use rumqttc::{ConnectionError, PubAckReason, SubscribeReasonCode};

use super::options::tls_files;
use crate::config::BrokerConfig;

/// Why there is no connection.
pub(super) fn explain(error: &ConnectionError, config: &BrokerConfig) -> String {
    let login =
        Login { user: &config.user, user_setting: "broker.user", password_setting: "broker.password_file" };
    cabinwatch_tls::explain_connection(error, &tls_files(config), &login)
}

/// Why an acknowledgement to an aircraft did not get out; none where it did.
pub(super) fn unpublished(reason: PubAckReason) -> Option<String> {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
        PubAckReason::NotAuthorized => {
            Some("the broker's access list must let us write cabinwatch/v1/+/down/ack".to_owned())
        }
        reason => Some(format!("the broker refuses an acknowledgement of ours: {reason:?}")),
    }
}

/// Why a subscription came to nothing.
pub(super) fn unsubscribed(code: SubscribeReasonCode) -> String {
    match code {
        SubscribeReasonCode::NotAuthorized => {
            "the broker's access list must let us read cabinwatch/v1/+/up/#".to_owned()
        }
        SubscribeReasonCode::SharedSubscriptionsNotSupported => {
            "the broker knows no shared subscriptions: leave `ingest.share` empty and run one ingest process"
                .to_owned()
        }
        code => format!("the broker refuses the subscription: {code:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_acknowledgement_says_what_must_change() {
        assert_eq!(unpublished(PubAckReason::NoMatchingSubscribers), None);
        let denied = unpublished(PubAckReason::NotAuthorized).expect("refused");
        assert!(denied.contains("cabinwatch/v1/+/down/ack"));
    }

    #[test]
    fn a_refused_subscription_says_what_must_change() {
        assert!(unsubscribed(SubscribeReasonCode::NotAuthorized).contains("cabinwatch/v1/+/up/#"));
        let no_groups = unsubscribed(SubscribeReasonCode::SharedSubscriptionsNotSupported);
        assert!(no_groups.contains("`ingest.share`"));
    }
}
