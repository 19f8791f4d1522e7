//! A certificate authority of a test's own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Signs certificates that nobody else trusts.
#[derive(Debug)]
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A key with its certificate, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PKCS 8.
    pub key: String,
    /// X.509.
    pub certificate: String,
}

impl Authority {
    /// A new one with a key of its own.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names is fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, PEM: what a client is told to trust.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Writes its own certificate to a file.
    ///
    /// # Panics
    /// When the file can't be written.
    #[must_use]
    pub fn certificate_file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("ca.pem");
        fs::write(&path, &self.certificate).expect("the certificate can be written");
        path
    }

    /// A key and a certificate with this common name, good for a server on this machine and for a client.
    ///
    /// # Panics
    /// When the name stands in no certificate.
    #[must_use]
    pub fn issue(&self, common_name: &str) -> Identity {
        self.issue_with(common_name, |_| {})
    }

    /// The same, but no longer valid.
    ///
    /// # Panics
    /// When the name stands in no certificate.
    #[must_use]
    pub fn issue_expired(&self, common_name: &str) -> Identity {
        self.issue_with(common_name, |params| params.not_after = date_time_ymd(2001, 1, 1))
    }

    fn issue_with(&self, common_name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { key: key.serialize_pem(), certificate }
    }
}
