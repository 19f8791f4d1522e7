use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn fleet(tails: &[&str], identity: Identity) -> FleetBroker {
    FleetBroker {
        tails: tails.iter().map(|tail| tail.parse().expect("a tail")).collect(),
        identity,
        listen: SocketAddr::from(([0, 0, 0, 0], 8883)),
        ground_listen: SocketAddr::from(([127, 0, 0, 1], 8884)),
        installed_at: "/etc/mosquitto/cabinwatch".into(),
        data: "/var/lib/mosquitto".into(),
    }
}

fn read(out: &Path, name: &str) -> String {
    fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All files below a folder, with their bytes.
fn files(out: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in [out.to_owned(), out.join("passwords")] {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.strip_prefix(out).expect("below").display().to_string();
                found.insert(name.clone(), read(out, &name));
            }
        }
    }
    found
}

#[test]
fn an_aircraft_may_write_its_own_up_and_read_its_own_down_and_the_models() {
    let folder = tempfile::tempdir().expect("a folder");
    fleet(&["TC-JJA"], Identity::Certificates).write(folder.path().to_owned()).expect("written");
    let expected = format!(
        "{MARK}\n\
         user ingest\ntopic read cabinwatch/v1/+/up/#\ntopic write cabinwatch/v1/+/down/ack\n\n\
         user publish\ntopic write cabinwatch/v1/models/#\n\n\
         user TC-JJA\n\
         topic write cabinwatch/v1/TC-JJA/up/#\n\
         topic read cabinwatch/v1/TC-JJA/down/#\n\
         topic read cabinwatch/v1/models/#\n"
    );
    assert_eq!(read(folder.path(), "acl"), expected);
}

#[test]
fn certificates_are_demanded_and_nobody_is_anonymous() {
    let settings = fleet(&["TC-JJA"], Identity::Certificates).settings();
    for line in [
        "allow_anonymous false",
        "acl_file /etc/mosquitto/cabinwatch/acl",
        "listener 8883",
        "listener 8884 127.0.0.1",
        "cafile /etc/mosquitto/cabinwatch/certs/ca.pem",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "persistence_location /var/lib/mosquitto/",
    ] {
        assert!(settings.lines().any(|found| found == line), "{line} is missing from\n{settings}");
    }
    assert!(!settings.contains("password_file"));
    assert!(
        fleet(&[], Identity::Passwords)
            .settings()
            .contains("password_file /etc/mosquitto/cabinwatch/passwd\n")
    );
}

#[test]
fn everyone_gets_a_password_of_their_own_that_only_the_owner_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = fleet(&["TC-JJA", "TC-JJB"], Identity::Passwords).write(folder.path().to_owned());
    assert_eq!(written.expect("written").added, ["TC-JJA", "TC-JJB", "ingest", "publish"]);
    let mut seen = BTreeSet::new();
    let passwd = read(folder.path(), "passwd");
    for line in passwd.strip_prefix(MARK).expect("ours").lines() {
        let (name, stored) = line.split_once(':').expect("a name");
        let password = read(folder.path(), &format!("passwords/{name}"));
        assert!(hash::is_of(stored, password.trim_end()) && password.len() == 33, "{name}");
        let mode =
            fs::metadata(folder.path().join("passwords").join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        seen.insert(password);
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn writing_again_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let fleet = fleet(&["TC-JJA", "TC-JJB"], Identity::Passwords);
    fleet.write(folder.path().to_owned()).expect("written");
    let before = files(folder.path());
    let written = fleet.write(folder.path().to_owned()).expect("written");
    assert_eq!(written, Written { kept: 4, ..Written::default() });
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_new_aircraft_leaves_the_others_passwords_and_one_that_leaves_takes_its_rights_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_owned();
    fleet(&["TC-JJA", "TC-JJB"], Identity::Passwords).write(out.clone()).expect("written");
    let before = files(&out);
    let written = fleet(&["TC-JJB", "TC-JJC"], Identity::Passwords).write(out.clone()).expect("written");
    let names = |name: &str| vec![name.to_owned()];
    assert_eq!(written, Written { added: names("TC-JJC"), removed: names("TC-JJA"), kept: 3 });
    let after = files(&out);
    assert_eq!(after["passwords/TC-JJB"], before["passwords/TC-JJB"]);
    assert!(
        before["passwd"]
            .lines()
            .filter(|line| !line.starts_with("TC-JJA:"))
            .all(|line| { after["passwd"].lines().any(|kept| kept == line) })
    );
    assert!(!after.contains_key("passwords/TC-JJA") && !after["passwd"].contains("TC-JJA"));
    assert!(!after["acl"].contains("TC-JJA"));
}

#[test]
fn a_password_that_was_installed_and_deleted_here_still_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, fleet) = (folder.path().to_owned(), fleet(&["TC-JJA"], Identity::Passwords));
    fleet.write(out.clone()).expect("written");
    let before = read(&out, "passwd");
    fs::remove_file(out.join("passwords/TC-JJA")).expect("removed");
    fleet.write(out.clone()).expect("written");
    assert_eq!(read(&out, "passwd"), before);
    assert!(!out.join("passwords/TC-JJA").exists());
}

#[test]
fn a_password_that_someone_chose_is_hashed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, fleet) = (folder.path().to_owned(), fleet(&["TC-JJA"], Identity::Passwords));
    fleet.write(out.clone()).expect("written");
    fs::write(out.join("passwords/TC-JJA"), "my own choice\n").expect("written");
    fleet.write(out.clone()).expect("written");
    let passwd = read(&out, "passwd");
    let stored = passwd.lines().find_map(|line| line.strip_prefix("TC-JJA:")).expect("there");
    assert!(hash::is_of(stored, "my own choice"));
}

#[test]
fn somebody_elses_files_are_left_alone() {
    for name in ["acl", "mosquitto.conf", "passwd"] {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), "listener 1883\n").expect("written");
        let error =
            fleet(&["TC-JJA"], Identity::Passwords).write(folder.path().to_owned()).expect_err("refused");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(read(folder.path(), name), "listener 1883\n");
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 1);
    }
}

#[test]
fn passwords_are_kept_when_all_else_is_lost_and_where_an_earlier_release_wrote_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, fleet) = (folder.path().to_owned(), fleet(&["TC-JJA"], Identity::Passwords));
    fleet.write(out.clone()).expect("written");
    let before = read(&out, "passwd");
    ["acl", "mosquitto.conf"].iter().for_each(|name| fs::remove_file(out.join(name)).expect("removed"));
    fleet.write(out.clone()).expect("written");
    assert_eq!(read(&out, "passwd"), before);
    fs::write(out.join("passwd"), before.strip_prefix(MARK).expect("ours")).expect("written");
    fleet.write(out.clone()).expect("written");
    assert_eq!(read(&out, "passwd"), before);
}
