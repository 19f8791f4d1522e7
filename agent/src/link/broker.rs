//! Where the broker is and how to be let in.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use cabinwatch_shared::tail::Tail;
use cabinwatch_shared::wire::{LinkState, Topic, WireError};
use cabinwatch_tls::{ClientFiles, ForgetfulStore, Login, PemFile};
use rumqttc::{
    AckMode, Broker, ConnectionError, LastWill, LastWillProperties, MqttOptions, NetworkOptions, QoS,
    TopicAliasPolicy, Transport,
};
use tokio::net::TcpStream;

use super::LinkError;
use super::memory::TlsMemory;
use crate::config::{Config, LinkConfig, LinkMode};

/// Room for the topic and the properties around a model bundle.
const PACKET_OVERHEAD_BYTES: u64 = 1024;
/// TCP, TLS and MQTT handshakes over two satellite hops, with losses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The broker's address as the configuration spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `mqtts`.
    pub tls: bool,
}

impl BrokerUrl {
    /// Reads `mqtt://host[:port]` or `mqtts://host[:port]`; the ports are 1883 and 8883 by default.
    ///
    /// # Errors
    /// For anything else.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        Self::split(text).ok_or_else(|| LinkError::Broker(text.to_owned()))
    }

    fn split(text: &str) -> Option<Self> {
        let (scheme, authority) = text.trim_end_matches('/').split_once("://")?;
        let (tls, default_port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return None,
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok()?,
            None if port.is_empty() => default_port,
            None => return None,
        };
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ', '?', '#']);
        plain.then(|| Self { host: host.to_owned(), port, tls })
    }
}

/// Publishes that may wait for their PUBACK, far more than the sender lets out. rumqttc sets memory aside for all of
/// them at once: its own default, 65,535, took some 30 MiB when measured.
const MAX_IN_FLIGHT: u16 = 256;

/// Messages that the broker may send before we have acknowledged one. Only models are acknowledged, each once it is decided
/// on: the next may depend on the keys of the one before.
const MODELS_AT_ONCE: u16 = 1;

/// How long the broker keeps our subscriptions while we are away. All it holds for us is a model that is published
/// meanwhile; after that, the retained one comes with the next subscription.
const SESSION_SECONDS: u32 = 3 * 86_400;
/// A line that is gone for a hand-over between two satellites is nothing to tell anyone: the broker holds the last will
/// back for this long, and drops it when we return.
const WILL_DELAY_SECONDS: u32 = 600;

/// Everything a new client needs. Files are read anew for each, so that a changed password or certificate counts from
/// the next connection on.
///
/// # Errors
/// When the configuration names no usable broker, or a file of it can't be read.
pub(super) fn mqtt_options(
    config: &Config,
    tail: &Tail,
    memory: &mut TlsMemory,
) -> Result<MqttOptions, LinkError> {
    let link = &config.link;
    let url = BrokerUrl::parse(&link.broker)?;
    let client_id = format!("cabinwatch-{tail}");
    let mut options = MqttOptions::new(client_id.as_str(), Broker::tcp(url.host, url.port));
    let files = tls_files(link);
    if url.tls {
        options.set_transport(Transport::tls_with_config(memory.config(&files)?));
    } else if files.has_identity() {
        return Err(LinkError::IdentityWithoutTls);
    }
    if !link.user.is_empty() {
        options.set_credentials(link.user.as_str(), password(&link.password_file)?);
    }
    let packet_bytes = u32::try_from(config.model.max_bytes + PACKET_OVERHEAD_BYTES).unwrap_or(u32::MAX);
    options
        .set_keep_alive(link.keep_alive_seconds)
        .set_clean_start(false)
        .set_session_expiry_interval(Some(SESSION_SECONDS))
        .set_session_store(ForgetfulStore::new(&client_id, SESSION_SECONDS, Some(MAX_IN_FLIGHT)))
        .set_socket_connector(connect)
        .set_ack_mode(AckMode::Manual)
        .set_receive_maximum(Some(MODELS_AT_ONCE))
        .set_topic_alias_policy(TopicAliasPolicy::Monotonic)
        .set_connect_timeout(CONNECT_TIMEOUT.min(Duration::from_secs(link.stuck_seconds.max(1))))
        .set_max_packet_size(Some(packet_bytes))
        .set_outgoing_inflight_upper_limit(MAX_IN_FLIGHT)
        .set_last_will(last_will(tail, link).map_err(LinkError::Status)?);
    Ok(options)
}

/// A connection that acknowledges with what it says next, where it has something to say, and not ahead of that: a packet
/// saved is 52 bytes saved.
async fn connect(host: String, options: NetworkOptions) -> io::Result<TcpStream> {
    let stream = rumqttc::default_socket_connect(host, options).await?;
    if let Err(error) = stream.set_quickack(false) {
        tracing::debug!("acknowledgements go ahead of what we say: {error}");
    }
    Ok(stream)
}

fn last_will(tail: &Tail, link: &LinkConfig) -> Result<LastWill, WireError> {
    let mut payload = Vec::new();
    LinkState::Offline.write(&mut payload)?;
    let scheduled = if link.mode == LinkMode::Scheduled { link.every_seconds } else { 0 };
    let delay = WILL_DELAY_SECONDS.max(scheduled);
    let properties = LastWillProperties {
        delay_interval: Some(delay),
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: None,
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    Ok(LastWill::new(Topic::Status(tail).to_string(), payload, QoS::AtLeastOnce, true, Some(properties)))
}

fn password(file: &Path) -> Result<Vec<u8>, LinkError> {
    if file.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let text = fs::read(file).map_err(|source| LinkError::PasswordFile { path: file.to_owned(), source })?;
    Ok(text.trim_ascii_end().to_vec())
}

fn tls_files(link: &LinkConfig) -> ClientFiles<'_> {
    ClientFiles {
        authorities: PemFile { setting: "link.ca_file", path: &link.ca_file },
        certificate: PemFile { setting: "link.client_certificate", path: &link.client_certificate },
        key: PemFile { setting: "link.client_key", path: &link.client_key },
        server: cabinwatch_tls::Server::BROKER,
    }
}

/// Why there is no connection, in words that say what to check where that is known.
pub fn explain(error: &ConnectionError, link: &LinkConfig) -> String {
    let login = Login { user: &link.user, user_setting: "link.user", password_setting: "link.password_file" };
    cabinwatch_tls::explain_connection(error, &tls_files(link), &login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(host: &str, port: u16, tls: bool) -> BrokerUrl {
        BrokerUrl { host: host.to_owned(), port, tls }
    }

    #[test]
    fn urls_name_host_port_and_tls() {
        assert_eq!(BrokerUrl::parse("mqtt://broker").ok(), Some(url("broker", 1883, false)));
        assert_eq!(BrokerUrl::parse("mqtts://ops.example/").ok(), Some(url("ops.example", 8883, true)));
        assert_eq!(BrokerUrl::parse("mqtt://[::1]:2883").ok(), Some(url("::1", 2883, false)));
    }

    #[test]
    fn what_is_no_broker_url_is_refused_with_the_text() {
        for text in
            ["", "broker:1883", "http://broker", "mqtt://", "mqtt://a:b", "mqtt://user@host", "mqtt://[::1"]
        {
            let error = BrokerUrl::parse(text).expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    fn config(broker: &str) -> Config {
        let mut config = Config { tail: "TC-JJA".to_owned(), ..Config::default() };
        config.link.broker = broker.to_owned();
        config
    }

    #[test]
    fn a_client_certificate_needs_tls() {
        let mut config = config("mqtt://broker");
        config.link.client_certificate = "/etc/cabinwatch/client.pem".into();
        let tail = "TC-JJA".parse().expect("a tail");
        let error = mqtt_options(&config, &tail, &mut TlsMemory::default()).expect_err("refused").to_string();
        assert!(error.contains("`link.client_certificate`") && error.contains("mqtts://"), "{error}");
    }

    #[test]
    fn a_password_ends_before_the_line_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        fs::write(&file, "s3 cret\n").expect("written");
        assert_eq!(password(&file).expect("read"), b"s3 cret");
    }
}
