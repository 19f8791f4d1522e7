//! From the configuration to a session.

use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cabinwatch_tls::{ClientFiles, PemFile, Server};
use rustls::ClientConfig;
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{
    BrokenConnectionErrorKind, ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind,
    FrameHeaderParseError, MetadataError, NewSessionError,
};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::statement::{Consistency as CqlConsistency, SerialConsistency};

use super::address::Address;
use crate::config::{Consistency, TablesConfig};
use crate::tables::TablesError;

/// The environment variable a password may stand in.
pub(super) const PASSWORD_VARIABLE: &str = "CABINWATCH_GROUND_TABLES_PASSWORD";

/// How often a connection is tried that nothing is asked of. One that does not answer within as long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// What errors call the other side.
const NODE: Server = Server {
    name: "node",
    if_plain: "set tables.tls to false",
    if_misnamed: "a node is connected to by its IP address, so its certificate must name that",
};

/// Connects.
pub(super) async fn connect(address: &Address, config: &TablesConfig) -> Result<Session, TablesError> {
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let connect_timeout = seconds(config.connect_timeout_seconds);
    let mut builder = SessionBuilder::new()
        .known_nodes(&address.hosts)
        .connection_timeout(connect_timeout)
        .hostname_resolution_timeout(Some(connect_timeout))
        .metadata_request_clientside_timeout(seconds(config.request_timeout_seconds))
        .keepalive_interval(KEEP_ALIVE)
        .keepalive_timeout(KEEP_ALIVE)
        .keyspaces_to_fetch([address.keyspace.as_str()])
        .fetch_full_schema_metadata(false)
        .refresh_metadata_on_auto_schema_agreement(false)
        .default_execution_profile_handle(profile(config).into_handle());
    if !config.datacenter.is_empty() {
        builder = builder.prefer_datacenter(config.datacenter.clone());
    }
    builder = builder.tls_context(tls(config)?);
    match (config.user.as_str(), password(config)?) {
        ("", None) => {}
        ("", Some(_)) => {
            return Err(TablesError::Setting {
                setting: "tables.user",
                message: "it is empty, but a password is set".to_owned(),
            });
        }
        (user, password) => builder = builder.user(user, password.unwrap_or_default()),
    }
    let failed = |message| TablesError::Open { place: address.to_string(), message };
    // The driver's limit for connecting ends with TCP's part of it: it waits without end for a node that then says
    // nothing, in the TLS handshake (scylla 1.9.0).
    let patience = 3 * (connect_timeout + seconds(config.request_timeout_seconds));
    match tokio::time::timeout(patience, builder.build()).await {
        Ok(session) => session.map_err(|error| failed(explain(&error, config))),
        Err(_) => Err(failed(format!("there is no session after {patience:?}"))),
    }
}

fn profile(config: &TablesConfig) -> ExecutionProfile {
    let (consistency, serial) = match config.consistency {
        Consistency::LocalQuorum => (CqlConsistency::LocalQuorum, SerialConsistency::LocalSerial),
        Consistency::Quorum => (CqlConsistency::Quorum, SerialConsistency::Serial),
        Consistency::All => (CqlConsistency::All, SerialConsistency::Serial),
    };
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if !config.datacenter.is_empty() {
        policy = policy.prefer_datacenter(config.datacenter.clone());
    }
    ExecutionProfile::builder()
        .consistency(consistency)
        .serial_consistency(Some(serial))
        .request_timeout(Some(Duration::from_secs(u64::from(config.request_timeout_seconds))))
        .load_balancing_policy(policy.build())
        .build()
}

fn password(config: &TablesConfig) -> Result<Option<String>, TablesError> {
    let path = &config.password_file;
    if path.as_os_str().is_empty() {
        return Ok(env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| TablesError::Setting {
        setting: "tables.password_file",
        message: format!("cannot read {}: {error}", path.display()),
    })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// What makes the connections safe; none where they are not to be.
fn tls(config: &TablesConfig) -> Result<Option<Arc<ClientConfig>>, TablesError> {
    let files = tls_files(config);
    if config.tls {
        return Ok(Some(Arc::new(cabinwatch_tls::client_config(&files)?)));
    }
    // Who names them wants TLS. Without a word the password would go over the line for all to read.
    let unused = [files.authorities, files.certificate, files.key].into_iter().find(PemFile::is_set);
    match unused {
        Some(PemFile { setting, .. }) => {
            let message = "there is no use for it without TLS: set tables.tls to true".to_owned();
            Err(TablesError::Setting { setting, message })
        }
        None => Ok(None),
    }
}

fn tls_files(config: &TablesConfig) -> ClientFiles<'_> {
    ClientFiles {
        authorities: PemFile { setting: "tables.ca_file", path: &config.ca_file },
        certificate: PemFile { setting: "tables.certificate_file", path: &config.certificate_file },
        key: PemFile { setting: "tables.key_file", path: &config.key_file },
        server: NODE,
    }
}

/// Why there is no session, in words that say what to check where that is known.
fn explain(error: &NewSessionError, config: &TablesConfig) -> String {
    let explained = cause(error).and_then(|cause| cabinwatch_tls::explain(cause, &tls_files(config)));
    explained.unwrap_or_else(|| error.to_string())
}

/// What broke the connection that was tried last: the driver does not call it the source of its error.
fn cause(error: &NewSessionError) -> Option<&(dyn Error + 'static)> {
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error,
    })) = error
    else {
        return None;
    };
    let broken = match last_connection_error {
        ConnectionError::IoError(error) => return Some(error.as_ref()),
        ConnectionError::BrokenConnection(broken) => broken,
        ConnectionError::ConnectionSetupRequestError(request) => match &request.error {
            ConnectionSetupRequestErrorKind::BrokenConnection(broken) => broken,
            _ => return None,
        },
        _ => return None,
    };
    match broken.downcast_ref()? {
        BrokenConnectionErrorKind::FrameHeaderParseError(FrameHeaderParseError::HeaderIoError(error))
        | BrokenConnectionErrorKind::WriteError(error) => Some(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_password_is_the_files_first_line() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        writeln!(file, "hunter2").expect("written");
        let config = TablesConfig { password_file: file.path().to_owned(), ..TablesConfig::default() };
        assert_eq!(password(&config).expect("read").as_deref(), Some("hunter2"));
    }

    #[test]
    fn a_file_that_is_not_there_or_holds_no_certificate_is_named_with_its_setting() {
        let config = TablesConfig { password_file: "/nonexistent".into(), ..TablesConfig::default() };
        let error = password(&config).expect_err("no file").to_string();
        assert!(error.contains("tables.password_file") && error.contains("/nonexistent"), "{error}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        let config = TablesConfig { tls: true, ca_file: file.path().to_owned(), ..TablesConfig::default() };
        let error = tls(&config).expect_err("no certificate");
        assert!(error.is_usage(), "{error}");
        let error = error.to_string();
        assert!(error.contains("tables.ca_file") && error.contains("no certificate"), "{error}");
    }

    /// Such as one whose threads hang, or a port behind which something else listens.
    #[tokio::test]
    async fn a_node_that_takes_the_connection_and_says_nothing_is_given_up() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = silent.local_addr().expect("an address");
        let address = Address::parse(&format!("cassandra://{address}/cabinwatch")).expect("an address");
        for tls in [true, false] {
            let config = TablesConfig {
                tls,
                connect_timeout_seconds: 1,
                request_timeout_seconds: 1,
                ..TablesConfig::default()
            };
            let error = connect(&address, &config).await.map(drop).expect_err("silence").to_string();
            assert!(error.contains("no session after 6s"), "{error}");
        }
    }

    #[test]
    fn who_names_a_certificate_but_forgets_tls_is_told_before_a_password_is_sent_in_the_clear() {
        let named = |setting: &str| {
            let path = "/etc/cabinwatch/node.pem";
            let config: TablesConfig = toml::from_str(&format!("{setting} = \"{path}\"")).expect("settings");
            tls(&config).expect_err("refused").to_string()
        };
        for setting in ["ca_file", "certificate_file", "key_file"] {
            let error = named(setting);
            assert!(error.contains(&format!("tables.{setting}")) && error.contains("tables.tls"), "{error}");
        }
        assert!(tls(&TablesConfig::default()).expect("no TLS").is_none());
    }
}
