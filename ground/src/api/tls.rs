//! The server's certificate, and how a renewed one takes its place while the server runs.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cabinwatch_tls::{PemFile, TlsError, server_config};
use rustls::ServerConfig;

use super::stamp::Stamp;
use crate::config::ApiConfig;

/// The certificate in use.
#[derive(Debug)]
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
    /// The files that were last tried, whether they were a pair or not.
    tried: Mutex<Stamps>,
}

type Stamps = [Result<Stamp, io::ErrorKind>; 2];

impl Certificate {
    /// Reads the files, if any are named.
    pub(super) fn open(config: &ApiConfig) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = (config.tls_certificate_file.clone(), config.tls_key_file.clone());
        if certificate.as_os_str().is_empty() && key.as_os_str().is_empty() {
            return Ok(None);
        }
        let tried = Mutex::new([&certificate, &key].map(|path| Stamp::of(path)));
        let current = RwLock::new(Arc::new(read(&certificate, &key)?));
        Ok(Some(Self { certificate, key, current, tried }))
    }

    /// What the next connection is made with.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files if they are others than before. While they are no pair, as in the middle of a renewal, the one
    /// before stays.
    pub(super) fn refresh(&self) {
        let found = [&self.certificate, &self.key].map(|path| Stamp::of(path));
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if *tried == found {
            return;
        }
        *tried = found;
        match read(&self.certificate, &self.key) {
            Ok(config) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                tracing::info!(file = %self.certificate.display(), "certificate renewed");
            }
            Err(error) => tracing::warn!(%error, "the certificate before stays in use"),
        }
    }
}

fn read(certificate: &std::path::Path, key: &std::path::Path) -> Result<ServerConfig, TlsError> {
    let file = |setting, path| PemFile { setting, path };
    server_config(&file("api.tls_certificate_file", certificate), &file("api.tls_key_file", key))
}
