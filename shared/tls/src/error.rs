//! What can be wrong with the files.

use std::path::PathBuf;

use rustls::pki_types::pem::Error as PemError;

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file can't be read.
    #[error("setting `{setting}`: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is broken PEM.
    #[error("setting `{setting}`: {} is damaged: {source}", path.display())]
    Damaged {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
        /// What is broken.
        source: PemError,
    },
    /// No certificate where one must be.
    #[error("setting `{setting}`: no certificate in {}; expected PEM", path.display())]
    NoCertificate {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// No key where one must be.
    #[error("setting `{setting}`: no private key in {}; expected PEM", path.display())]
    NoKey {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// A key that needs a passphrase.
    #[error("setting `{setting}`: the private key in {} is encrypted; store it without a passphrase, readable only by the service", path.display())]
    EncryptedKey {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
    },
    /// A key of a kind rustls does not know.
    #[error("setting `{setting}`: the private key in {} cannot be used: {source}", path.display())]
    Unusable {
        /// The setting.
        setting: &'static str,
        /// Its file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// Key and certificate are of different pairs.
    #[error("settings `{certificate_setting}` and `{key_setting}`: the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's setting.
        certificate_setting: &'static str,
        /// Its file.
        certificate: PathBuf,
        /// The key's setting.
        key_setting: &'static str,
        /// Its file.
        key: PathBuf,
    },
    /// One of the pair is not set.
    #[error("setting `{set}` is set, but not `{missing}`; a certificate needs both")]
    Half {
        /// The one.
        set: &'static str,
        /// The other.
        missing: &'static str,
    },
    /// The system trusts nobody.
    #[error("the system has no certificate authorities; name the server's in `{0}`")]
    NoSystemAuthorities(&'static str),
    /// rustls refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}
