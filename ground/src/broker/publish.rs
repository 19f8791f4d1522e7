//! Publishing one retained message and knowing that the broker has it.

use std::time::Duration;

use futures::FutureExt as _;
use rumqttc::{AsyncClient, MqttOptions, PubAckReason, PublishNoticeError, PublishOptions};

use super::refusal;
use crate::config::BrokerConfig;

/// How long connecting, sending and the broker's answer may take together.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the broker does not have the message.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No connection, or a broken one.
    #[error("cannot publish to the broker: {0}")]
    Connection(String),
    /// The broker's access list is against it.
    #[error("the broker's access list does not let us write {0}")]
    NotAllowed(String),
    /// The broker took the message and refused it.
    #[error("the broker refused the message: {0}")]
    Refused(PublishNoticeError),
    /// No answer.
    #[error("the broker did not answer within {} s", PATIENCE.as_secs())]
    Timeout,
}

/// Publishes a retained message at QoS 1 and waits for the broker's PUBACK.
///
/// # Errors
/// When the broker can't be reached, does not answer, or refuses.
pub async fn publish_retained(
    config: &BrokerConfig,
    options: MqttOptions,
    topic: String,
    payload: Vec<u8>,
) -> Result<(), PublishError> {
    let (client, mut event_loop) = AsyncClient::builder(options).capacity(1).build();
    let notice = client
        .publish_tracked(topic.clone(), payload, PublishOptions::at_least_once().retained())
        .await
        .map_err(|error| PublishError::Connection(error.to_string()))?;
    let driver = async {
        loop {
            if let Err(error) = event_loop.poll().await {
                return error;
            }
        }
    };
    let answer = notice.wait_completion_async();
    tokio::pin!(driver, answer);
    let answered = tokio::select! {
        answer = &mut answer => answer.map_err(|error| refused(error, topic)),
        // A broker may answer and end the connection at once: then the answer says why.
        error = &mut driver => match answer.now_or_never() {
            Some(Err(error @ PublishNoticeError::V5PubAck(_))) => Err(refused(error, topic)),
            Some(Ok(())) => return Ok(()),
            _ => Err(PublishError::Connection(refusal::explain(&error, config))),
        },
        () = tokio::time::sleep(PATIENCE) => Err(PublishError::Timeout),
    };
    answered?;
    // The broker has it; how the farewell goes changes nothing.
    if client.disconnect_now().await.is_ok() {
        let _ = tokio::time::timeout(Duration::from_secs(1), driver).await;
    }
    Ok(())
}

fn refused(error: PublishNoticeError, topic: String) -> PublishError {
    match error {
        PublishNoticeError::V5PubAck(PubAckReason::NotAuthorized) => PublishError::NotAllowed(topic),
        error => PublishError::Refused(error),
    }
}
