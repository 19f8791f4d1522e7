//! From the configuration to a session.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::statement::{Consistency as CqlConsistency, SerialConsistency};

use super::address::Address;
use crate::config::{Consistency, TablesConfig};
use crate::tables::TablesError;

/// The environment variable a password may stand in.
pub(super) const PASSWORD_VARIABLE: &str = "CABINWATCH_GROUND_TABLES_PASSWORD";

/// How often a connection is tried that nothing is asked of. One that does not answer within as long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Connects, and says what cluster this is in errors to come.
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
    if config.tls {
        builder = builder.tls_context(Some(tls(config)?));
    }
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
    builder
        .build()
        .await
        .map_err(|error| TablesError::Open { place: address.to_string(), message: error.to_string() })
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
    let text = std::fs::read_to_string(path)
        .map_err(|error| unreadable("tables.password_file", path, &error.to_string()))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn tls(config: &TablesConfig) -> Result<Arc<ClientConfig>, TablesError> {
    let wrong = |message: String| TablesError::Setting { setting: "tables.tls", message };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots(&config.ca_file)?);
    if config.certificate_file.as_os_str().is_empty() {
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let chain = certificates("tables.certificate_file", &config.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file)
        .map_err(|error| unreadable("tables.key_file", &config.key_file, &error.to_string()))?;
    let config = builder.with_client_auth_cert(chain, key).map_err(|error| wrong(error.to_string()))?;
    Ok(Arc::new(config))
}

fn roots(ca_file: &Path) -> Result<RootCertStore, TablesError> {
    let setting = "tables.ca_file";
    let mut roots = RootCertStore::empty();
    if !ca_file.as_os_str().is_empty() {
        for certificate in certificates(setting, ca_file)? {
            roots.add(certificate).map_err(|error| unreadable(setting, ca_file, &error.to_string()))?;
        }
        return Ok(roots);
    }
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let message = "this system has no certificate authorities; name a PEM file".to_owned();
        return Err(TablesError::Setting { setting, message });
    }
    Ok(roots)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TablesError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(setting, path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(unreadable(setting, path, "there is no certificate in it"));
    }
    Ok(certificates)
}

fn unreadable(setting: &'static str, path: &Path, message: &str) -> TablesError {
    TablesError::Setting { setting, message: format!("cannot use {}: {message}", path.display()) }
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
        let config = TablesConfig { ca_file: file.path().to_owned(), ..TablesConfig::default() };
        let error = tls(&config).expect_err("no certificate").to_string();
        assert!(error.contains("tables.ca_file") && error.contains("no certificate"), "{error}");
    }
}
