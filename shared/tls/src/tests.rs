use std::error::Error;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, CertifiedIssuer, DnType, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

/// A folder of PEM files: two authorities that do not know each other, and what they signed.
struct Folder {
    folder: tempfile::TempDir,
    ours: Authority,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, theirs) = (authority("our authority"), authority("their authority"));
        std::fs::write(folder.path().join("ours.pem"), ours.pem()).expect("written");
        std::fs::write(folder.path().join("theirs.pem"), theirs.pem()).expect("written");
        let made = Self { folder, ours };
        made.issue("client", &made.ours, |_| {});
        made.issue("stranger", &theirs, |_| {});
        made.issue("authority", &made.ours, |params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
        made.issue("expired", &made.ours, |params| params.not_after = date_time_ymd(2001, 1, 1));
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `<name>.pem` and `<name>.key`.
    fn issue(
        &self,
        name: &str,
        authority: &Issuer<'static, KeyPair>,
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let mut params = CertificateParams::new(vec!["broker.example".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, authority).expect("signed");
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem()).expect("written");
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("written");
    }

    /// A server that asks for a certificate of our authority, with a certificate of its own of this name.
    fn server(&self, name: &str) -> ServerConnection {
        let pem = |setting, path: &Path| certificates(&PemFile { setting, path }).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pem("test", &self.path("ours.pem")));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).expect("a key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(pem("test", &self.path(&format!("{name}.pem"))), key)
            .expect("a server");
        ServerConnection::new(Arc::new(config)).expect("a server")
    }
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("self-signed")
}

const fn file<'a>(setting: &'static str, path: &'a Path) -> PemFile<'a> {
    PemFile { setting, path }
}

fn files<'a>(authorities: &'a Path, certificate: &'a Path, key: &'a Path) -> ClientFiles<'a> {
    ClientFiles {
        authorities: file("link.ca_file", authorities),
        certificate: file("link.client_certificate", certificate),
        key: file("link.client_key", key),
        server: Server::BROKER,
    }
}

/// What is wrong with these files.
fn complaint(files: &ClientFiles<'_>) -> String {
    client_config(files).expect_err("refused").to_string()
}

#[test]
fn a_missing_file_is_named_with_its_setting() {
    let folder = Folder::new();
    let (ca, gone, none) = (folder.path("ours.pem"), folder.path("gone.pem"), PathBuf::new());
    for (files, setting) in [
        (files(&gone, &none, &none), "link.ca_file"),
        (files(&ca, &gone, &folder.path("client.key")), "link.client_certificate"),
        (files(&ca, &folder.path("client.pem"), &gone), "link.client_key"),
    ] {
        let complaint = complaint(&files);
        assert!(complaint.contains(&format!("`{setting}`")) && complaint.contains("gone.pem"), "{complaint}");
    }
}

#[test]
fn a_file_that_holds_something_else_is_named() {
    let folder = Folder::new();
    let (ca, certificate, key) =
        (folder.path("ours.pem"), folder.path("client.pem"), folder.path("client.key"));
    assert!(complaint(&files(&key, &PathBuf::new(), &PathBuf::new())).contains("no certificate in"));
    assert!(complaint(&files(&ca, &key, &key)).contains("no certificate in"));
    assert!(complaint(&files(&ca, &certificate, &certificate)).contains("no private key in"));
    let cut = std::fs::read_to_string(&certificate).expect("read").replace("-----END", "----");
    std::fs::write(folder.path("cut.pem"), cut).expect("written");
    assert!(complaint(&files(&ca, &folder.path("cut.pem"), &key)).contains("is damaged"));
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(folder.path("locked.key"), encrypted).expect("written");
    assert!(
        complaint(&files(&ca, &certificate, &folder.path("locked.key"))).contains("without a passphrase")
    );
}

#[test]
fn the_systems_authorities_are_those_the_environment_names() {
    let folder = Folder::new();
    let unset = PemFile { setting: "link.ca_file", path: Path::new("") };
    let named = |path: &Path| authorities(&chosen(&unset, Some(path.as_os_str()))?);
    assert_eq!(named(&folder.path("ours.pem")).expect("one authority").len(), 1);
    let missing = named(&folder.path("gone.pem")).expect_err("refused").to_string();
    assert!(missing.contains("`SSL_CERT_FILE`") && missing.contains("gone.pem"), "{missing}");
}

#[test]
fn a_key_of_another_certificate_is_refused_and_both_files_are_named() {
    let folder = Folder::new();
    let (ca, certificate, key) =
        (folder.path("ours.pem"), folder.path("client.pem"), folder.path("stranger.key"));
    let complaint = complaint(&files(&ca, &certificate, &key));
    assert!(complaint.contains("client.pem") && complaint.contains("stranger.key"), "{complaint}");
}

#[test]
fn half_of_a_pair_is_refused() {
    let folder = Folder::new();
    let (ca, none) = (folder.path("ours.pem"), PathBuf::new());
    let (certificate, key) = (folder.path("client.pem"), folder.path("client.key"));
    assert!(complaint(&files(&ca, &certificate, &none)).contains("not `link.client_key`"));
    assert!(complaint(&files(&ca, &none, &key)).contains("not `link.client_certificate`"));
}

#[test]
fn a_server_has_a_certificate_and_its_key_or_says_what_is_wrong_with_them() {
    let folder = Folder::new();
    let (certificate, key) = (folder.path("client.pem"), folder.path("client.key"));
    let (stranger, none) = (folder.path("stranger.key"), PathBuf::new());
    let server = |certificate: &Path, key: &Path| {
        super::server_config(&file("api.certificate", certificate), &file("api.key", key))
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(server(&certificate, &key), Ok(()));
    for (certificate, key, complaint) in [
        (&certificate, &stranger, "does not belong"),
        (&certificate, &none, "not `api.key`"),
        (&none, &key, "not `api.certificate`"),
        (&key, &key, "no certificate in"),
        (&certificate, &certificate, "no private key in"),
    ] {
        let said = server(certificate, key).expect_err(complaint);
        assert!(said.contains(complaint), "{said}");
    }
}

/// Shakes hands in memory until one side has had enough; what the client's I/O then says.
fn shake_hands(folder: &Folder, files: &ClientFiles<'_>, server: &str, host: &'static str) -> io::Result<()> {
    let config = Arc::new(client_config(files).expect("usable files"));
    let name = ServerName::try_from(host).expect("a name");
    let mut client = ClientConnection::new(config, name).expect("a client");
    let mut server = folder.server(server);
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire)?;
        server.read_tls(&mut Cursor::new(&wire))?;
        // The server's own error goes to its log; the client learns of it by the alert.
        let refused = server.process_new_packets().is_err();
        let mut wire = Vec::new();
        server.write_tls(&mut wire)?;
        client.read_tls(&mut Cursor::new(&wire))?;
        client.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        assert!(!refused || client.is_handshaking(), "the server refused without an alert");
    }
    Ok(())
}

/// An error around the one that says why, as the MQTT client has it.
#[derive(Debug, thiserror::Error)]
#[error("I/O: {0}")]
struct Outer(#[from] io::Error);

fn explained(folder: &Folder, files: &ClientFiles<'_>, server: &str, host: &'static str) -> String {
    let error = Outer(shake_hands(folder, files, server, host).expect_err("refused"));
    let error: &(dyn Error + 'static) = &error;
    explain(error, files).unwrap_or_else(|| panic!("not explained: {error:?}"))
}

#[test]
fn both_sides_believe_certificates_of_the_authority_they_know() {
    let folder = Folder::new();
    let (ca, certificate, key) =
        (folder.path("ours.pem"), folder.path("client.pem"), folder.path("client.key"));
    let files = files(&ca, &certificate, &key);
    shake_hands(&folder, &files, "client", "broker.example").expect("agreed");
}

#[test]
fn what_is_wrong_with_the_brokers_certificate_is_said() {
    let folder = Folder::new();
    let (ours, theirs) = (folder.path("ours.pem"), folder.path("theirs.pem"));
    let (certificate, key) = (folder.path("client.pem"), folder.path("client.key"));
    let known = files(&ours, &certificate, &key);
    let said = explained(&folder, &known, "client", "other.example");
    assert!(said.contains("not for other.example, but for") && said.contains("broker.example"), "{said}");
    let said = explained(&folder, &known, "expired", "broker.example");
    assert!(said.contains("has expired"), "{said}");
    let said = explained(&folder, &known, "authority", "broker.example");
    assert!(said.contains("an authority's own"), "{said}");
    let unknown = files(&theirs, &certificate, &key);
    let said = explained(&folder, &unknown, "client", "broker.example");
    assert!(said.contains("theirs.pem") && said.contains("`link.ca_file`"), "{said}");
}

#[test]
fn what_the_broker_has_against_our_certificate_is_said() {
    let folder = Folder::new();
    let (ca, none) = (folder.path("ours.pem"), PathBuf::new());
    let said = explained(&folder, &files(&ca, &none, &none), "client", "broker.example");
    assert!(said.contains("set `link.client_certificate` and `link.client_key`"), "{said}");
    for (name, why) in [("expired", "it has expired"), ("stranger", "does not trust the authority")] {
        let (certificate, key) = (folder.path(&format!("{name}.pem")), folder.path(&format!("{name}.key")));
        let said = explained(&folder, &files(&ca, &certificate, &key), "client", "broker.example");
        assert!(said.contains(why) && said.contains(&format!("{name}.pem")), "{said}");
    }
}

#[test]
fn a_port_without_tls_is_told_from_one_with_a_wrong_certificate() {
    let folder = Folder::new();
    let (ca, none) = (folder.path("ours.pem"), PathBuf::new());
    let files = files(&ca, &none, &none);
    let config = Arc::new(client_config(&files).expect("usable files"));
    let name = ServerName::try_from("broker.example").expect("a name");
    let mut client = ClientConnection::new(config, name).expect("a client");
    client.read_tls(&mut Cursor::new(b"\x20\x03\x00\x84\x00 no TLS here")).expect("read");
    let error = client.process_new_packets().expect_err("no TLS");
    let said = explain(&io::Error::new(io::ErrorKind::InvalidData, error), &files).expect("explained");
    assert!(said.contains("does not speak TLS"), "{said}");
}

#[test]
fn an_error_that_has_nothing_to_do_with_tls_is_left_alone() {
    let none = PathBuf::new();
    let error = io::Error::from(io::ErrorKind::ConnectionRefused);
    assert_eq!(explain(&error, &files(&none, &none, &none)), None);
}
