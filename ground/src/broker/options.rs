//! From the configuration to a client's options.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use cabinwatch_shared::wire::MAX_MESSAGE_BYTES;
use cabinwatch_tls::{ClientFiles, ForgetfulStore, PemFile, TlsError};
use rumqttc::{AckMode, IncomingPacketSizeLimit, MqttOptions, TlsConfiguration, Transport};
use url::Url;

use super::consumer::Consumer;
use crate::config::BrokerConfig;

/// The environment variable a password may stand in.
const PASSWORD_VARIABLE: &str = "CABINWATCH_GROUND_BROKER_PASSWORD";

const KEEP_ALIVE_SECONDS: u16 = 30;
/// Room for more than the largest message of ours, so that one too large arrives and is set aside, instead of being
/// dropped by the broker without a word.
pub const MAX_PACKET_BYTES: u32 = 2 * MAX_MESSAGE_BYTES as u32;
/// How long the broker keeps the session of a lone consumer that is away: a week.
const SESSION_SECONDS: u32 = 7 * 86_400;

/// Why a broker can't be connected to as configured.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No broker's URL.
    #[error("broker.url: {0}; expected mqtt://host:port or mqtts://host:port")]
    Url(String),
    /// A file that can't be read.
    #[error("setting `{setting}`: cannot read {}: {source}", path.display())]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A password without a user.
    #[error("a broker password is set, but no user: set broker.user")]
    NoUser,
    /// Certificate or key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A certificate that would never be shown.
    #[error("setting `broker.client_certificate` needs TLS: `broker.url` must begin with mqtts://")]
    IdentityWithoutTls,
}

/// Options of a client that consumes: it acknowledges by hand, what is stored.
///
/// # Errors
/// When the configuration names no usable broker.
pub fn consumer_options(
    config: &BrokerConfig,
    consumer: &Consumer,
    in_flight: u16,
) -> Result<MqttOptions, BrokerError> {
    let mut options = publisher_options(config, consumer.client_id())?;
    options.set_ack_mode(AckMode::Manual).set_receive_maximum(Some(in_flight));
    if let Consumer::Alone { client_id } = consumer {
        options
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_SECONDS))
            .set_session_store(ForgetfulStore::new(client_id, SESSION_SECONDS, None));
    }
    Ok(options)
}

/// Options of a client that only publishes, and of which nothing is kept.
///
/// # Errors
/// When the configuration names no usable broker.
pub fn publisher_options(config: &BrokerConfig, client_id: &str) -> Result<MqttOptions, BrokerError> {
    let address = Address::parse(&config.url)?;
    let mut options = MqttOptions::new(client_id, (address.host, address.port));
    options
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_start(true)
        .set_max_packet_size(Some(MAX_PACKET_BYTES))
        .set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MAX_PACKET_BYTES));
    let files = tls_files(config);
    if address.tls {
        let tls = cabinwatch_tls::client_config(&files)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(tls))));
    } else if files.has_identity() {
        return Err(BrokerError::IdentityWithoutTls);
    }
    match (config.user.as_str(), password(config)?) {
        ("", None) => {}
        ("", Some(_)) => return Err(BrokerError::NoUser),
        (user, None) => drop(options.set_username(user)),
        (user, Some(password)) => drop(options.set_credentials(user, password)),
    }
    Ok(options)
}

#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    tls: bool,
}

impl Address {
    /// Errors never repeat the URL: someone may have written a password into it.
    fn parse(url: &str) -> Result<Self, BrokerError> {
        let error = |message: &str| BrokerError::Url(message.to_owned());
        let url = Url::parse(url).map_err(|parse| BrokerError::Url(parse.to_string()))?;
        let (tls, default_port) = match url.scheme() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            other => return Err(BrokerError::Url(format!("there is no broker of the kind `{other}`"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("user and password have no place in it (broker.user, broker.password_file)"));
        }
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare {
            return Err(error("there is more than a host and a port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| error("it names no host"))?;
        // An IPv6 address stands in brackets in a URL, and without them elsewhere.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(default_port), tls })
    }
}

/// To MQTT a password is bytes, so a file may hold any.
fn password(config: &BrokerConfig) -> Result<Option<Vec<u8>>, BrokerError> {
    let path = &config.password_file;
    if path.as_os_str().is_empty() {
        let password = env::var_os(PASSWORD_VARIABLE).map(OsString::into_vec);
        return Ok(password.filter(|password| !password.is_empty()));
    }
    let mut password = std::fs::read(path).map_err(|source| {
        let setting = "broker.password_file";
        BrokerError::File { setting, path: path.to_owned(), source }
    })?;
    while password.pop_if(|byte| matches!(byte, b'\r' | b'\n')).is_some() {}
    Ok(Some(password))
}

pub(super) fn tls_files(config: &BrokerConfig) -> ClientFiles<'_> {
    ClientFiles {
        authorities: PemFile { setting: "broker.ca_file", path: &config.ca_file },
        certificate: PemFile { setting: "broker.client_certificate", path: &config.client_certificate },
        key: PemFile { setting: "broker.client_key", path: &config.client_key },
        server: cabinwatch_tls::Server::BROKER,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn address(url: &str) -> Result<(String, u16, bool), String> {
        Address::parse(url)
            .map(|address| (address.host, address.port, address.tls))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn urls_name_host_port_and_tls() {
        assert_eq!(address("mqtt://broker"), Ok(("broker".to_owned(), 1883, false)));
        assert_eq!(address("mqtts://10.0.0.1/"), Ok(("10.0.0.1".to_owned(), 8883, true)));
        assert_eq!(address("mqtt://[::1]:1999"), Ok(("::1".to_owned(), 1999, false)));
    }

    #[test]
    fn what_is_no_brokers_url_says_what_is_expected() {
        for url in ["", "broker:1883", "http://broker", "mqtt://", "mqtt://broker/topic", "mqtt://broker?x=1"]
        {
            let error = address(url).expect_err(url);
            assert!(error.contains("expected mqtt://host:port"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let error = address("mqtt://user:hunter2@broker").expect_err("refused");
        assert!(error.contains("broker.password_file") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_password_is_the_file_but_for_its_line_end() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"hunter\xff2 \r\n").expect("written");
        let config = BrokerConfig { password_file: file.path().to_owned(), ..BrokerConfig::default() };
        assert_eq!(password(&config).expect("read").as_deref(), Some(&b"hunter\xff2 "[..]));
        assert!(matches!(publisher_options(&config, "x"), Err(BrokerError::NoUser)));
        let missing = BrokerConfig { password_file: "/nonexistent".into(), ..BrokerConfig::default() };
        let error = publisher_options(&missing, "x").expect_err("refused").to_string();
        assert!(error.contains("broker.password_file") && error.contains("/nonexistent"), "{error}");
    }
}
