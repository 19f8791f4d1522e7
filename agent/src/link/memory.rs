//! What goes over from one connection to the next, so that the next one is cheap.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cabinwatch_tls::{ClientFiles, TlsError};
use rumqttc::TlsConfiguration;

/// The TLS configuration, with the broker's tickets in it: a handshake that resumes carries no certificates, which
/// is half of its bytes.
#[derive(Default)]
pub(super) struct TlsMemory(Option<(PemBytes, TlsConfiguration)>);

/// What stands in the files that a configuration was made from.
type PemBytes = [Option<Vec<u8>>; 3];

impl TlsMemory {
    /// The configuration made before, or a new one if a file says something else than it did then.
    pub(super) fn config(&mut self, files: &ClientFiles<'_>) -> Result<TlsConfiguration, TlsError> {
        let bytes = [&files.authorities, &files.certificate, &files.key].map(|file| read(file.path));
        if let Some((known, config)) = &self.0
            && *known == bytes
        {
            return Ok(config.clone());
        }
        let config = TlsConfiguration::Rustls(Arc::new(cabinwatch_tls::client_config(files)?));
        self.0 = Some((bytes, config.clone()));
        Ok(config)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    fs::read(path).ok()
}

#[cfg(test)]
mod tests {
    use cabinwatch_tls::{PemFile, Server};

    use super::*;

    #[test]
    fn the_configuration_lives_as_long_as_its_files_stay_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        let authority = || {
            let key = rcgen::KeyPair::generate().expect("a key");
            let params = rcgen::CertificateParams::new(vec!["ca".to_owned()]).expect("a name");
            fs::write(&path, params.self_signed(&key).expect("signed").pem()).expect("written");
        };
        authority();
        let unset = |setting| PemFile { setting, path: Path::new("") };
        let files = ClientFiles {
            authorities: PemFile { setting: "ca", path: &path },
            certificate: unset("certificate"),
            key: unset("key"),
            server: Server::BROKER,
        };
        let mut memory = TlsMemory::default();
        let mut config = || match memory.config(&files) {
            Ok(TlsConfiguration::Rustls(config)) => Some(config),
            _ => None,
        };
        let first = config().expect("a configuration");
        assert!(Arc::ptr_eq(&first, &config().expect("the same")));
        authority();
        assert!(!Arc::ptr_eq(&first, &config().expect("another")));
        fs::remove_file(&path).expect("removed");
        assert!(config().is_none(), "a file that is gone is not believed to be there");
    }
}
