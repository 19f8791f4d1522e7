//! TLS and passwords.

use cabinwatch_ground::config::TablesConfig;
use cabinwatch_tests::authority::Authority;
use cabinwatch_tests::cassandra::{Cassandra, FIRST_USER};

use crate::examples::everything;
use crate::server::file;
use crate::*;

#[test]
fn only_who_has_the_password_and_trusts_the_authority_gets_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let authority = Authority::new("ours");
    let cassandra = Cassandra::start_secure(path, &authority);
    let url = cassandra.url("secure");
    let config = TablesConfig {
        tls: true,
        ca_file: authority.certificate_file(path),
        user: FIRST_USER.0.to_owned(),
        password_file: file(path, "password", &format!("{}\n", FIRST_USER.1)),
        connect_timeout_seconds: 10,
        ..TablesConfig::default()
    };
    init(&url, &config).expect("made");
    let mut tables = open(&url, &config).expect("opened");
    tables.commit(&everything()).expect("stored");
    assert_eq!(tables.aircraft().expect("read").len(), 1);

    let refused = |config: TablesConfig| open(&url, &config).err().expect("refused").to_string();
    let wrong_password = TablesConfig { password_file: file(path, "wrong", "hunter2"), ..config.clone() };
    let error = refused(wrong_password);
    assert!(error.contains("credentials") && !error.contains("hunter2"), "{error}");
    let nobody = TablesConfig { user: String::new(), password_file: "".into(), ..config.clone() };
    assert!(refused(nobody).contains("uthentication"));
    let others = tempfile::tempdir().expect("a folder");
    let stranger = Authority::new("theirs").certificate_file(others.path());
    let error = refused(TablesConfig { ca_file: stranger, ..config.clone() });
    assert!(error.contains("certificate"), "{error}");
    refused(TablesConfig { tls: false, ..config });
}
