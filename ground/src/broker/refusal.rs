//! Why a broker has nothing to do with us, in words that say what to check.

use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnectReturnCode, ConnectionError, PubAckReason, StateError, SubscribeReasonCode};

use super::options::tls_files;
use crate::config::BrokerConfig;

/// Why there is no connection.
pub(super) fn explain(error: &ConnectionError, config: &BrokerConfig) -> String {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(*code, config),
        // What the client does not call the source of its error.
        ConnectionError::MqttState(StateError::Deserialization(PacketError::Io(source))) => {
            cabinwatch_tls::explain(source, &tls_files(config)).unwrap_or_else(|| source.to_string())
        }
        error => cabinwatch_tls::explain(error, &tls_files(config)).unwrap_or_else(|| error.to_string()),
    }
}

fn refused(code: ConnectReturnCode, config: &BrokerConfig) -> String {
    use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
    if !matches!(code, BadUserNamePassword | NotAuthorized) {
        return format!("the broker does not let us in: {code:?}");
    }
    let name = match (config.user.as_str(), tls_files(config).has_identity()) {
        ("", true) => "the name in our certificate (`broker.client_certificate`)".to_owned(),
        ("", false) => {
            "a client without a name (set `broker.user` or `broker.client_certificate`)".to_owned()
        }
        (user, _) => format!("{user:?} with this password (`broker.user`, `broker.password_file`)"),
    };
    format!("the broker does not let {name} in ({code:?})")
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
    fn a_refused_name_is_said_as_it_was_given() {
        let mut config = BrokerConfig::default();
        let refusal = ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized);
        assert!(explain(&refusal, &config).contains("without a name"));
        config.client_certificate = "/etc/cabinwatch/client.pem".into();
        assert!(explain(&refusal, &config).contains("`broker.client_certificate`"));
        config.user = "ingest".to_owned();
        assert!(explain(&refusal, &config).contains("\"ingest\""));
        let busy = ConnectionError::ConnectionRefused(ConnectReturnCode::ServerBusy);
        assert!(explain(&busy, &config).contains("ServerBusy"));
    }

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
