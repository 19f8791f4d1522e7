use std::fs;

use tempfile::TempDir;

use super::tools::tests::script;
use super::*;
use crate::config::Overrides;
use crate::pipeline::tests::{Agent, FAIL, SUCCESS, T0};

/// Nothing of this may be in a bundle, in whatever letters. MAC addresses stand here bare: the bundle is searched with
/// and without what may separate their digits.
const FORBIDDEN: [&str; 22] = [
    "02005e1001ff",
    "02005e1001aa",
    "0a0b0c0d0e0f",
    "10.77.0.9",
    "198.51.100.23",
    "2001:db8:7:7",
    "fd00::77",
    "maria",
    "jonas",
    "petra",
    "skywalker",
    "marias-iphone",
    "desktop-4f2k9",
    "gw-apron-17",
    "ops.airline.example",
    "airline.example",
    "open sesame 42",
    "c0ffeec0ffeec0ffeec0ffeec0ffeec0",
    "mfmcaqewbqydk2vwbcieik1vgrdqq3oa",
    "0af1c3d50af1c3d5",
    "seat 12a",
    "s3cr3t",
];

/// A gateway with everything in it that nobody may learn.
struct Gateway {
    agent: Agent,
    folder: TempDir,
}

impl Gateway {
    fn new() -> Self {
        let mut agent = Agent::start();
        agent.events(&[
            (0, "DHCP", "no address available", FAIL),
            (1, "DHCP", "refused for 02:00:5e:10:01:ff, Marias-iPhone", FAIL),
            (2, "DHCP", "", SUCCESS),
            (3, "maria at seat 12a", "login of skywalker from 10.77.0.9", FAIL),
            (4, "AUTH", "petra@airline.example rejected, 0200.5e10.01aa", FAIL),
        ]);
        agent.pass(400);
        agent.events(&[(400, "DNS", "2001:db8:7:7::1 refused 02-00-5E-10-01-AA", FAIL)]);
        agent.commit();
        let gateway = Self { agent, folder: tempfile::tempdir().expect("a folder") };
        gateway.make_root();
        gateway.make_tools(JOURNAL);
        gateway.write("password", "open sesame 42\n");
        gateway.write(
            "client.key",
            "-----BEGIN PRIVATE KEY-----\nMFMCAQEwBQYDK2VwBCIEIK1vgrdqq3oA\n-----END PRIVATE KEY-----\n",
        );
        gateway.write(
            "rules.toml",
            "daemon = \"maria\"\npattern = \"02:00:5e:10:01:ff\"\nbroken = [10.77.0.9\n",
        );
        gateway.configure(&gateway.config());
        gateway
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn config(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "tail = \"TC-JJA\"\n[store]\npath = \"{}\"\n\
             [sources]\ntail = [\"/home/jonas/hostapd-02005e1001ff.log\"]\nrules = [\"{folder}/rules.toml\"]\n\
             [link]\nbroker = \"mqtts://ops.airline.example:8883\"\nuser = \"skywalker\"\n\
             password_file = \"{folder}/password\"\nclient_key = \"{folder}/client.key\"\n\
             [model]\ntrusted_keys = [\"{}\"]\n\
             [service]\nlive_file = \"{folder}/live.json\"\n",
            self.agent.path().display(),
            "0aF1c3D5".repeat(8),
        )
    }

    fn configure(&self, text: &str) {
        self.write("agent.toml", text);
    }

    fn make_root(&self) {
        for (path, text) in [
            ("proc/sys/kernel/hostname", "gw-apron-17\n"),
            ("proc/sys/kernel/ostype", "Linux\n"),
            ("proc/sys/kernel/osrelease", "6.1.0-25-amd64\n"),
            ("proc/sys/kernel/version", "#1 SMP built by petra@gw-apron-17\n"),
            ("proc/loadavg", "0.10 0.20 0.30 1/70 4242\n"),
            ("proc/meminfo", "MemTotal:       65536 kB\nMemFree:         9000 kB\nBounce: 0 kB\n"),
            ("proc/uptime", "1234.56 1000.00\n"),
            ("proc/mounts", "//10.77.0.9/maria / cifs rw,username=maria,password=s3cr3t,noatime 0 0\n"),
            ("etc/os-release", "PRETTY_NAME=\"Gateway 4\"\nHOME_URL=\"https://airline.example\"\n"),
            ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\njonas:x:1000:1000:Petra,,,:/home/jonas:/bin/sh\n"),
        ] {
            self.write(&format!("root/{path}"), text);
        }
        self.write(
            "live.json",
            r#"{"pid":1,"version":"0.1.0","started":1,"written":2,"hanging":["tail /home/jonas/x.log"],
                "link":{"connected":false,"last_connected":null,"last_heard":null,"messages":0,"bytes":0,
                "trouble":{"error":"10.77.0.9:8883 (ops.airline.example) refuses \"skywalker\"","next_attempt":7}}}"#,
        );
    }

    fn make_tools(&self, journal: &str) {
        let folder = self.path("bin");
        fs::create_dir_all(&folder).expect("made");
        self.write("journal.jsonl", journal);
        script(
            &folder,
            "journalctl",
            &format!(
                "while read -r line; do echo \"$line\"; done < {}",
                self.path("journal.jsonl").display()
            ),
        );
        script(
            &folder,
            "systemctl",
            "echo ActiveState=active; echo StatusText=hangs: tail /home/jonas/x; echo Id=gw-apron-17",
        );
    }

    fn machine(&self) -> Machine {
        Machine {
            root: self.path("root"),
            tools: Tools::in_folders(Some(self.path("bin").into())),
            users: vec!["maria".to_owned(), "root".to_owned()],
            now: UnixSeconds(T0 + 500),
        }
    }

    fn gather(&self) -> Bundle {
        let file = self.path("agent.toml");
        let loaded = Config::load(&file, [], &Overrides::default());
        Bundle::gather(&Known { file: &file, loaded: &loaded }, &self.machine())
    }
}

/// What journalctl prints, the newest first.
const JOURNAL: &str = r#"{"__REALTIME_TIMESTAMP":"1795248660000000","PRIORITY":"4","_PID":"77","SYSLOG_IDENTIFIER":"cabinwatch-agent","_HOSTNAME":"gw-apron-17","MESSAGE":"the link is down: the broker does not let \"skywalker\" with this password in; cannot reach ops.airline.example (198.51.100.23, fd00::77)"}
{"__REALTIME_TIMESTAMP":"1795248650000000","PRIORITY":"6","_PID":"77","SYSLOG_IDENTIFIER":"cabinwatch-agent","_HOSTNAME":"gw-apron-17","MESSAGE":"sta 02:00:5e:10:01:ff 02-00-5E-10-01-AA 0200.5e10.01aa 02005e1001ff user=maria host: DESKTOP-4F2K9 petra@airline.example key c0ffeec0ffeec0ffeec0ffeec0ffeec0"}
{"__REALTIME_TIMESTAMP":"1795248640000000","PRIORITY":"3","_PID":"77","SYSLOG_IDENTIFIER":"cabinwatch-agent","_HOSTNAME":"gw-apron-17","MESSAGE":"rule file /home/jonas/r.toml is not valid: 3 | pattern = \"maria 0a:0b:0c:0d:0e:0f\" open sesame 42 MFMCAQEwBQYDK2VwBCIEIK1vgrdqq3oA"}
{"__REALTIME_TIMESTAMP":"1795248630000000","PRIORITY":"6","_PID":"1","SYSLOG_IDENTIFIER":"systemd","MESSAGE":"Started cabinwatch-agent.service"}
"#;

fn content<'a>(bundle: &'a Bundle, name: &str) -> &'a str {
    let found = bundle.files.iter().find(|file| file.name.ends_with(&format!("/{name}")));
    std::str::from_utf8(&found.unwrap_or_else(|| panic!("{name} is missing: {:?}", bundle.problems)).content)
        .expect("text")
}

fn unpacked(bundle: &Bundle) -> Vec<u8> {
    let packed = bundle.pack();
    let deflated = packed.get(10..packed.len() - 8).expect("framed");
    miniz_oxide::inflate::decompress_to_vec(deflated).expect("deflated")
}

/// Looks for all that is forbidden, in the archive's bytes as they are and unpacked, and without separators.
fn assert_nothing_personal(bundle: &Bundle) {
    let (packed, tar) = (bundle.pack(), unpacked(bundle));
    let text = String::from_utf8_lossy(&tar).to_lowercase();
    let bare: String = text.chars().filter(|char| !matches!(char, ':' | '-' | '.' | '_' | ' ')).collect();
    let raw = String::from_utf8_lossy(&packed).to_lowercase();
    for forbidden in FORBIDDEN {
        let line = text.lines().find(|line| line.contains(forbidden));
        assert_eq!(line, None, "{forbidden}");
        assert!(!raw.contains(forbidden), "{forbidden}");
        if forbidden.len() == 12 {
            assert!(!bare.contains(forbidden), "{forbidden} with separators");
        }
    }
}

#[test]
fn a_bundle_has_what_support_asks_for() {
    let gateway = Gateway::new();
    let bundle = gateway.gather();
    assert_eq!(bundle.name, "cabinwatch-diag-TC-JJA-20261121T081820Z");
    let status: serde_json::Value = serde_json::from_str(content(&bundle, "status.json")).expect("JSON");
    assert_eq!(
        (status["outbox"]["frames"].as_u64(), status["counters"]["events"].as_u64()),
        (Some(2), Some(6))
    );
    assert!(content(&bundle, "status.txt").contains("outbox        2 frames"));
    assert!(content(&bundle, "windows.txt").contains("DHCP      no address available"));
    assert!(content(&bundle, "model.txt").contains("no model is in use"));
    let database = content(&bundle, "database.txt");
    assert!(database.contains("check  ") && database.contains(" ok\n"), "{database}");
    assert!(
        database.contains("table outbox") && database.contains("2 rows, from 2026-11-21T08:"),
        "{database}"
    );
    let settings = content(&bundle, "settings.txt");
    assert!(settings.contains("link.broker") && settings.contains("mqtts, [host], port 8883"), "{settings}");
    assert!(settings.contains("600  (default)"), "{settings}");
    let journal = content(&bundle, "journal.txt");
    assert!(
        journal.starts_with("2026-11-21T08:10:30Z info    systemd[1]: Started cabinwatch-agent.service\n"),
        "{journal}"
    );
    assert!(
        journal.contains("warning cabinwatch-agent[77]: the link is down: the broker does not let"),
        "{journal}"
    );
    assert!(content(&bundle, "system.txt").contains("6.1.0-25-amd64"));
    assert!(content(&bundle, "system.txt").contains("rw,noatime\n"));
    assert!(content(&bundle, "unit.txt").contains("ActiveState  active"));
    assert!(content(&bundle, "rules.txt").contains("can't be used"));
    assert!(content(&bundle, "live.json").contains("\"hanging\": ["));
}

#[test]
fn a_bundle_has_nothing_personal_and_no_secret() {
    let gateway = Gateway::new();
    let bundle = gateway.gather();
    assert_nothing_personal(&bundle);
    let windows = content(&bundle, "windows.jsonl");
    assert!(
        windows.contains("\"[text 1]\"") && windows.contains("\"[text 4]\""),
        "they are told apart: {windows}"
    );
}

#[test]
fn the_same_machine_gives_the_same_bytes() {
    let gateway = Gateway::new();
    // How long the oldest frame has waited is a fact of the moment.
    let files = |bundle: Bundle| -> Vec<_> {
        bundle.files.into_iter().filter(|file| !file.name.contains("/status.")).collect()
    };
    let (one, other) = (gateway.gather(), gateway.gather());
    assert_eq!(one.problems, other.problems);
    assert_eq!(files(one), files(other));
}

#[test]
fn a_broken_configuration_is_told_without_its_text() {
    let gateway = Gateway::new();
    let (sound, tail) = (gateway.config(), "tail = \"TC-JJA\"\n");
    for broken in [
        sound.replace("user =", "pass = \"hush-hush\"\nuser ="),
        sound.replace(tail, "tail = maria 02:00:5e:10:01:ff\n"),
        sound.replace(tail, "tail = \"maria at seat 12a\"\n"),
        sound.replace("mqtts://", "https://jo:s3cr3t@"),
        sound.replace(tail, "skywalker = 1\n"),
        sound.replace(tail, "window_seconds = \"open sesame 42\"\n"),
    ] {
        gateway.configure(&broken);
        let bundle = gateway.gather();
        assert_nothing_personal(&bundle);
        assert!(
            bundle.problems.iter().any(|problem| problem.contains("`cabinwatch-agent check-config`")),
            "{:?}",
            bundle.problems
        );
        assert!(
            content(&bundle, "problems.txt").contains("what follows was looked for where the defaults say")
        );
        assert!(content(&bundle, "journal.txt").contains("Started"), "all else is there");
    }
}

#[test]
fn a_secret_in_place_of_its_files_name_is_found_everywhere() {
    let gateway = Gateway::new();
    gateway.configure(
        &gateway.config().replace(&gateway.path("password").display().to_string(), "open sesame 42"),
    );
    assert_nothing_personal(&gateway.gather());
}

#[test]
fn where_nothing_works_the_bundle_says_so() {
    let mut gateway = Gateway::new();
    gateway.agent.stop();
    for folder in ["bin", "root"] {
        fs::remove_dir_all(gateway.path(folder)).expect("removed");
    }
    fs::remove_file(gateway.path("live.json")).expect("removed");
    fs::remove_file(gateway.agent.path()).expect("removed");
    let bundle = gateway.gather();
    let problems = content(&bundle, "problems.txt");
    for expected in [
        "no journal: there is no program journalctl on this machine",
        "no facts of the unit: there is no program systemctl",
        "no status, windows and model: ",
        "the database was not examined: there is no database at",
        "the agent has left nothing in",
        "osrelease can't be read",
        "the mount of the database's file system is not known",
    ] {
        assert!(problems.contains(expected), "{expected}: {problems}");
    }
    assert_nothing_personal(&bundle);
}

#[test]
fn a_damaged_database_leaves_all_else_there() {
    let mut gateway = Gateway::new();
    gateway.agent.stop_folded();
    let path = gateway.agent.path();
    let mut bytes = fs::read(&path).expect("there");
    bytes.iter_mut().skip(5000).step_by(3).for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).expect("written");
    let bundle = gateway.gather();
    let problems = content(&bundle, "problems.txt");
    assert!(problems.contains("damaged") || content(&bundle, "database.txt").contains("Tree"), "{problems}");
    assert!(content(&bundle, "journal.txt").contains("Started"));
    assert_nothing_personal(&bundle);
}

#[test]
fn a_long_journal_keeps_its_newest_lines_and_the_bundle_its_size() {
    let gateway = Gateway::new();
    let entry = |number: usize| {
        let message = format!("frame {number} {}", "is sent and ".repeat(60));
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1795248660000000\",\"PRIORITY\":\"6\",\"_PID\":\"7\",\"SYSLOG_IDENTIFIER\":\"a\",\"MESSAGE\":\"{message}\"}}\n"
        )
    };
    gateway.make_tools(&(0..2000).map(entry).collect::<String>());
    let bundle = gateway.gather();
    let journal = content(&bundle, "journal.txt");
    assert!(journal.len() <= MAX_FILE_BYTES);
    assert!(
        journal.lines().last().expect("a line").contains("frame 0 "),
        "the newest comes first from journalctl"
    );
    assert!(bundle.files().count() <= 16, "{:?}", bundle.files().collect::<Vec<_>>());
    assert!(bundle.pack().len() < 4 << 20);
}

#[test]
fn gathering_changes_nothing() {
    let mut gateway = Gateway::new();
    let folder = gateway.agent.folder.path().to_owned();
    let state = || {
        let mut files: Vec<_> = fs::read_dir(&folder)
            .expect("listed")
            .flatten()
            // The index of the log lies in memory that all connections share, where each notes what it reads.
            .filter(|entry| !entry.file_name().to_string_lossy().ends_with("-shm"))
            .map(|entry| (entry.file_name(), fs::read(entry.path()).expect("read")))
            .collect();
        files.sort();
        files
    };
    let before = state();
    gateway.gather();
    assert_eq!(state(), before, "beside a running agent");
    gateway.agent.events(&[(401, "DNS", "refused", FAIL)]);
    gateway.agent.commit();
    gateway.agent.stop();
    let before = state();
    gateway.gather();
    let log = gateway.agent.path().with_extension("db-wal");
    // SQLite makes an empty log for itself where there is none.
    let after: Vec<_> = state()
        .into_iter()
        .filter(|(name, bytes)| !bytes.is_empty() || log.file_name() != Some(name))
        .collect();
    assert_eq!(after, before, "after it has ended");
}
