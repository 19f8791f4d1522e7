//! TLS and passwords.

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_tests::authority::Authority;
use cabinwatch_tests::cassandra::{Cassandra, FIRST_USER};

use crate::examples::everything;
use crate::server::{Server, file};
use crate::*;

#[test]
fn only_who_has_password_and_certificate_and_trusts_the_authority_gets_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let authority = Authority::new("ours");
    let cassandra = Cassandra::start_secure(path, &authority);
    let url = cassandra.url("secure");
    let identity = authority.issue("ingest");
    let config = TablesConfig {
        tls: true,
        ca_file: authority.certificate_file(path),
        certificate_file: file(path, "ingest.pem", &identity.certificate),
        key_file: file(path, "ingest.key", &identity.key),
        user: FIRST_USER.0.to_owned(),
        password_file: file(path, "password", &format!("{}\n", FIRST_USER.1)),
        connect_timeout_seconds: 10,
        ..TablesConfig::default()
    };
    init(&url, &config).expect("made");
    let mut tables = open(&url, &config).expect("opened");
    tables.commit(&everything()).expect("stored");
    assert_eq!(tables.aircraft().expect("read").len(), 1);

    // Of a connection that breaks in two places at once the driver may tell of the one that says nothing.
    let unexplained = |error: &String| error.contains("already broken for some other reason");
    let refused = |config: TablesConfig| {
        let mut errors = (0..20).map(|_| open(&url, &config).err().expect("refused").to_string());
        errors.find(|error| !unexplained(error)).expect("a reason in one of many attempts")
    };
    let wrong_password = TablesConfig { password_file: file(path, "wrong", "hunter2"), ..config.clone() };
    let error = refused(wrong_password);
    assert!(error.contains("credentials") && !error.contains("hunter2"), "{error}");
    let nobody = TablesConfig { user: String::new(), password_file: "".into(), ..config.clone() };
    assert!(refused(nobody).contains("uthentication"));
    let others = tempfile::tempdir().expect("a folder");
    let stranger = Authority::new("theirs").certificate_file(others.path());
    let error = refused(TablesConfig { ca_file: stranger, ..config.clone() });
    assert!(error.contains("the node's certificate was signed by no authority in"), "{error}");
    let nameless = TablesConfig { certificate_file: "".into(), key_file: "".into(), ..config.clone() };
    let error = refused(nameless.clone());
    assert!(error.contains("set `tables.certificate_file` and `tables.key_file`"), "{error}");
    let error = refused(TablesConfig { tls: false, ..config });
    assert!(error.contains("set tables.tls to true"), "{error}");
    refused(TablesConfig { tls: false, ca_file: "".into(), ..nameless });
}

#[test]
fn a_server_without_tls_is_told_from_one_with_a_wrong_certificate() {
    let server = Server::shared();
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = Authority::new("ours").certificate_file(folder.path());
    let config = TablesConfig { tls: true, ca_file, ..TablesConfig::default() };
    let error = open(&server.cassandra.url("plain"), &config).err().expect("refused").to_string();
    assert!(error.contains("does not speak TLS") && error.contains("set tables.tls to false"), "{error}");
}
