//! TLS of the clients on both sides, of the broker's and of Cassandra's, and of the ground's own server.
//!
//! Settings name PEM files; [`client_config`] and [`server_config`] make of them what rustls wants, with ring as the one implementation of
//! cryptography. What can be wrong with a file is an error that names the setting and the file. What only the other
//! side can judge comes out during the handshake, as an error deep inside the client's; [`explain`] finds it there and
//! says in a sentence what to check. [`explain_connection`] does so for all that keeps an MQTT client out, and
//! [`ForgetfulStore`] lets one go on in a session that the broker has kept.
#![forbid(unsafe_code)]

mod connection;
mod error;
mod refusal;
mod session;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub use connection::{Login, explain_connection};
pub use error::TlsError;
pub use refusal::explain;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
pub use session::ForgetfulStore;

/// A file and the setting that names it, as errors name both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PemFile<'a> {
    /// The setting's dotted key.
    pub setting: &'static str,
    /// The file; an empty path where none is set.
    pub path: &'a Path,
}

/// What a client connects to, as errors speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it is.
    pub name: &'static str,
    /// What to do where it speaks no TLS, and needs none.
    pub if_plain: &'static str,
    /// What to do where its certificate is for other names than the one it was connected to by.
    pub if_misnamed: &'static str,
}

impl Server {
    /// An MQTT broker.
    pub const BROKER: Self = Self {
        name: "broker",
        if_plain: "use mqtt:// without TLS",
        if_misnamed: "connect by a name it was issued for",
    };
}

/// The files of one client. Each may be unset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientFiles<'a> {
    /// Authorities that may have signed the server's certificate; unset for those in the file that the environment
    /// variable `SSL_CERT_FILE` names, else those the system trusts.
    pub authorities: PemFile<'a>,
    /// The client's own certificate, and the chain up to its authority.
    pub certificate: PemFile<'a>,
    /// The key of that certificate, not encrypted.
    pub key: PemFile<'a>,
    /// What they are for.
    pub server: Server,
}

impl PemFile<'_> {
    /// Whether the setting names a file.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.path.as_os_str().is_empty()
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        fs::read(self.path).map_err(|source| TlsError::Unreadable {
            setting: self.setting,
            path: self.path.to_owned(),
            source,
        })
    }

    fn damaged(&self, source: PemError) -> TlsError {
        TlsError::Damaged { setting: self.setting, path: self.path.to_owned(), source }
    }
}

impl ClientFiles<'_> {
    /// Whether the client has a certificate of its own to show.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.certificate.is_set() || self.key.is_set()
    }
}

/// Reads the files of a client.
///
/// # Errors
/// When a file can't be read or does not hold what its setting promises, and when key and certificate are not a pair.
pub fn client_config(files: &ClientFiles<'_>) -> Result<ClientConfig, TlsError> {
    let named = env::var_os(AUTHORITIES_VARIABLE);
    let roots = authorities(&chosen(&files.authorities, named.as_deref())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots);
    match (files.certificate.is_set(), files.key.is_set()) {
        (false, false) => Ok(builder.with_no_client_auth()),
        (true, true) => {
            let (chain, key) = (certificates(&files.certificate)?, private_key(&files.key)?);
            let unusable = |source| unusable(&files.certificate, &files.key, source);
            builder.with_client_auth_cert(chain, key).map_err(unusable)
        }
        (true, false) => Err(TlsError::Half { set: files.certificate.setting, missing: files.key.setting }),
        (false, true) => Err(TlsError::Half { set: files.key.setting, missing: files.certificate.setting }),
    }
}

/// Reads the files of a server: its certificate with the chain up to its authority, and the certificate's key. It asks
/// its clients for no certificate.
///
/// # Errors
/// When a file can't be read or does not hold what its setting promises, and when key and certificate are not a pair.
pub fn server_config(certificate: &PemFile<'_>, key: &PemFile<'_>) -> Result<ServerConfig, TlsError> {
    match (certificate.is_set(), key.is_set()) {
        (true, false) => return Err(TlsError::Half { set: certificate.setting, missing: key.setting }),
        (false, true) => return Err(TlsError::Half { set: key.setting, missing: certificate.setting }),
        _ => {}
    }
    let (chain, private) = (certificates(certificate)?, private_key(key)?);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|source| unusable(certificate, key, source))
}

fn unusable(certificate: &PemFile<'_>, key: &PemFile<'_>, source: rustls::Error) -> TlsError {
    let key_path = key.path.to_owned();
    match source {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
            certificate_setting: certificate.setting,
            certificate: certificate.path.to_owned(),
            key_setting: key.setting,
            key: key_path,
        },
        source => TlsError::Unusable { setting: key.setting, path: key_path, source },
    }
}

/// Where every program that uses TLS is told of other authorities than the system's own.
const AUTHORITIES_VARIABLE: &str = "SSL_CERT_FILE";

/// Where distributions keep the authorities they trust, the usual place first.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The file itself where it is set; else the one named in the environment, or the system's.
fn chosen<'a>(file: &PemFile<'a>, named: Option<&'a OsStr>) -> Result<PemFile<'a>, TlsError> {
    if file.is_set() { Ok(*file) } else { system_authorities(file.setting, named.map(Path::new)) }
}

fn system_authorities<'a>(setting: &'static str, named: Option<&'a Path>) -> Result<PemFile<'a>, TlsError> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Ok(PemFile { setting: AUTHORITIES_VARIABLE, path });
    }
    let path = SYSTEM_AUTHORITIES.iter().map(Path::new).find(|path| path.exists());
    let path = path.ok_or(TlsError::NoSystemAuthorities(setting))?;
    Ok(PemFile { setting, path })
}

/// The authorities' certificates themselves, for clients that bring TLS of their own: those of the file, or where none is
/// set, as [`ClientFiles::authorities`] has it.
///
/// # Errors
/// When the file can't be read, or holds none that can be used.
pub fn trusted_authorities(file: &PemFile<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let named = env::var_os(AUTHORITIES_VARIABLE);
    let file = chosen(file, named.as_deref())?;
    authorities(&file)?;
    certificates(&file)
}

fn authorities(file: &PemFile<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Bundles hold old authorities that rustls can't read; whoever is signed by one of them is refused later.
    roots.add_parsable_certificates(certificates(file)?);
    if roots.is_empty() { Err(no_certificate(file)) } else { Ok(roots) }
}

fn no_certificate(file: &PemFile<'_>) -> TlsError {
    TlsError::NoCertificate { setting: file.setting, path: file.path.to_owned() }
}

fn certificates(file: &PemFile<'_>) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = file.read()?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|source| file.damaged(source))?;
    if found.is_empty() { Err(no_certificate(file)) } else { Ok(found) }
}

fn private_key(file: &PemFile<'_>) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = file.read()?;
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => {
            let encrypted = String::from_utf8_lossy(&pem).contains("ENCRYPTED PRIVATE KEY");
            let (setting, path) = (file.setting, file.path.to_owned());
            Err(if encrypted {
                TlsError::EncryptedKey { setting, path }
            } else {
                TlsError::NoKey { setting, path }
            })
        }
        Err(source) => Err(file.damaged(source)),
    }
}

#[cfg(test)]
mod tests;
