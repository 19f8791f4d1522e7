//! `cabinwatch-agent diag` of the real program: what a support bundle holds, and what none may hold, whatever went
//! through the agent, and whatever is broken.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use cabinwatch_tests::aircraft::Aircraft;
use cabinwatch_tests::program::Ended;
use cabinwatch_tests::wait::eventually;
use rusqlite::Connection;
use serde_json::{Value, json};

const TAIL: &str = "TC-DIA";
const LIMIT: Duration = Duration::from_secs(60);
const MAX_BYTES: u64 = 4 << 20;

/// Who and what must not be found in a bundle, in no writing. What is made of twelve hexadecimal digits is a MAC
/// address, and is looked for with anything between its digits.
const SEEDS: [&str; 18] = [
    "02005e1001ff",
    "0a0b0c0d0e0f",
    "10.77.0.9",
    "198.51.100.23",
    "2001:db8:7:7",
    "fd00::77",
    "maria",
    "skywalker",
    "jonas",
    "petra",
    "marias-iphone",
    "desktop-4f2k9",
    "ops.airline.example",
    "airline.example",
    "open sesame 42",
    "seat 12a",
    "mc4caqawbqydk2vwbcieik1vgrdqq3oa",
    "0af1c3d50af1c3d5",
];

/// A gateway: an agent, and what it stands on.
struct Gateway {
    folder: tempfile::TempDir,
    aircraft: Aircraft,
}

impl Gateway {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        // The sockets' folder must not be the bundle's: that one is listed.
        let key =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIK1vgrdqq3oA\n-----END PRIVATE KEY-----\n";
        fs::write(path.join("password"), "open sesame 42\n").expect("written");
        fs::write(path.join("client.key"), key).expect("written");
        fs::write(path.join("hostapd.log"), "").expect("written");
        let more = format!(
            "user = \"skywalker\"\npassword_file = \"{0}/password\"\n{1}tail = [\"{0}/hostapd.log\"]\n\
             [model]\ntrusted_keys = [\"{2}\"]\n[service]\nlive_file = \"\"\n[log]\nlevel = \"debug\"\n",
            path.display(),
            Aircraft::sources(path, ""),
            "0aF1c3D5".repeat(8),
        );
        // Nobody listens there; the name is what errors would tell.
        let aircraft = Aircraft::new(path, TAIL, "mqtt://ops.airline.example:1", &more);
        fs::create_dir(path.join("bin")).expect("made");
        Self { aircraft, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a passenger's day leaves: events of programs, and lines of daemons.
    fn fly(&mut self) {
        self.aircraft.agent.start();
        let socket = self.aircraft.event_socket();
        self.aircraft.wait_for_socket(&socket);
        let sender = UnixDatagram::unbound().expect("a socket");
        for (point, description) in [
            ("DHCP", "no address available"),
            ("DHCP", "refused for 02:00:5e:10:01:ff, Marias-iPhone"),
            ("maria at seat 12a", "login of petra@airline.example from 10.77.0.9"),
            ("AUTH", "jonas 0200.5e10.01ff 02-00-5E-10-01-FF 02005e1001ff 2001:db8:7:7::1"),
        ] {
            let event = json!({"edr_point": point, "description": description, "state": "FAIL"}).to_string();
            sender.send_to(event.as_bytes(), &socket).expect("sent");
        }
        let lines = "hostapd: wlan0: STA 02:00:5e:10:01:ff IEEE 802.11: associated maria 10.77.0.9\n\
                     hostapd: wlan0: Marias-iPhone of petra@airline.example does what no rule knows\n";
        fs::write(self.path("hostapd.log"), lines).expect("written");
        eventually("events and lines to be stored", LIMIT, || {
            self.aircraft.agent.assert_runs();
            let counters = &self.aircraft.status()["counters"];
            (counters["events"] == 4 && counters["unknown_lines"].as_u64() > Some(0)).then_some(())
        });
    }

    /// Has the agent's real log, and lines like the worst it could hold, come out of a `journalctl`, the newest first.
    fn keep_journal(&self) {
        let log = fs::read_to_string(self.path("agent.log")).unwrap_or_default();
        let worst = "the broker does not let \"skywalker\" with this password in\n\
                     cannot reach ops.airline.example (198.51.100.23, fd00::77): open sesame 42\n\
                     STA 02:00:5e:10:01:ff 0A-0B-0C-0D-0E-0F 0a0b.0c0d.0e0f user=maria host: DESKTOP-4F2K9\n\
                     user jonas, petra@airline.example, from 10.77.0.9:4711 MC4CAQAwBQYDK2VwBCIEIK1vgrdqq3oA\n\
                     3 | pattern = \"maria 0a:0b:0c:0d:0e:0f at seat 12a\n";
        let entries: Vec<_> = log.lines().chain(worst.lines()).map(entry).collect();
        fs::write(self.path("journal.jsonl"), entries.into_iter().rev().collect::<String>())
            .expect("written");
        self.tool("journalctl", "exec /bin/cat \"$JOURNAL\"");
        self.tool("systemctl", "echo ActiveState=active; echo StatusText=hangs: tail /home/jonas/10.77.0.9");
    }

    /// A program in the folder that is searched first.
    fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let journal = self.path("journal.jsonl");
        let script = script.replace("$JOURNAL", &journal.display().to_string());
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    fn diag(&self) -> Command {
        let mut command = self.aircraft.command("diag");
        command
            .current_dir(self.path("bin"))
            .env("PATH", self.path("bin"))
            .env("USER", "maria")
            .env_remove("SUDO_USER");
        command
    }

    /// Writes a bundle, which must go well, and reads it.
    fn bundle(&self) -> Bundle {
        let file = self.path("bundle.tar.gz");
        let said = Ended::well(self.diag().arg("--output").arg(&file));
        assert!(said.contains("problems.txt") && said.contains(&file.display().to_string()), "{said}");
        Bundle::read(&file)
    }
}

/// An entry as `journalctl --output json` prints it.
fn entry(message: &str) -> String {
    let entry = json!({
        "__REALTIME_TIMESTAMP": "1795248660000000", "PRIORITY": "6", "_PID": "77", "_HOSTNAME": "marias-iphone",
        "SYSLOG_IDENTIFIER": "cabinwatch-agent", "MESSAGE": message,
    });
    format!("{entry}\n")
}

/// What somebody finds who has the file.
struct Bundle {
    packed: Vec<u8>,
    tar: Vec<u8>,
    names: Vec<String>,
    folder: tempfile::TempDir,
}

impl Bundle {
    fn read(file: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let packed = fs::read(file).expect("the bundle");
        assert!(packed.len() as u64 <= MAX_BYTES);
        let listed = Ended::well(Command::new("tar").arg("-tzf").arg(file));
        Ended::well(
            Command::new("tar").args(["--strip-components=1", "-xzf"]).arg(file).arg("-C").arg(folder.path()),
        );
        let names = listed.lines().filter_map(|name| Some(name.split_once('/')?.1.to_owned())).collect();
        Self { tar: gunzip(&packed), packed, names, folder }
    }

    fn text(&self, name: &str) -> String {
        let problems =
            fs::read_to_string(self.folder.path().join("problems.txt")).expect("it is always there");
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_else(|_| panic!("no {name}: {problems}"))
    }

    /// In the file as it is, in what `gunzip` makes of it, and there also without what may stand between digits.
    fn assert_nothing_personal(&self) {
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        let (packed, tar) = (lower(&self.packed), lower(&self.tar));
        let bare: String = tar.chars().filter(|char| !":-._ ".contains(*char)).collect();
        for seed in SEEDS {
            assert_eq!(tar.lines().find(|line| line.contains(seed)), None, "{seed}");
            assert!(!packed.contains(seed), "{seed}");
            let is_mac = seed.len() == 12 && seed.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(!is_mac || !bare.contains(seed), "{seed} with something between its digits");
        }
    }
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gunzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gunzip");
    let mut input = child.stdin.take().expect("its input");
    let mut output = child.stdout.take().expect("its output");
    let packed = packed.to_owned();
    let writer = std::thread::spawn(move || input.write_all(&packed).expect("written"));
    let mut unpacked = Vec::new();
    output.read_to_end(&mut unpacked).expect("read");
    writer.join().expect("written");
    assert!(child.wait().expect("ended").success());
    unpacked
}

#[test]
fn a_bundle_of_a_flying_gateway_tells_everything_and_nothing_of_anybody() {
    let mut gateway = Gateway::new();
    gateway.fly();
    gateway.keep_journal();
    let before = fs::read(gateway.aircraft.database()).expect("there");
    let bundle = gateway.bundle();
    assert_eq!(fs::read(gateway.aircraft.database()).expect("there"), before, "the database is as it was");
    bundle.assert_nothing_personal();
    let expected = [
        "README.txt",
        "database.txt",
        "journal.txt",
        "model.txt",
        "problems.txt",
        "settings.txt",
        "status.json",
        "status.txt",
        "system.txt",
        "unit.txt",
        "windows.jsonl",
        "windows.txt",
    ];
    assert_eq!(bundle.names, expected);
    let status: Value = serde_json::from_str(&bundle.text("status.json")).expect("JSON");
    assert_eq!((status["tail"].as_str(), status["counters"]["events"].as_u64()), (Some(TAIL), Some(4)));
    let windows = bundle.text("windows.txt");
    assert!(windows.contains("no address available") && windows.contains("[text "), "{windows}");
    assert!(bundle.text("journal.txt").contains("the agent runs"), "the agent's own words stay readable");
    assert!(bundle.text("database.txt").contains("ok\n"));
    assert!(bundle.text("settings.txt").contains("mqtt, [host], port 1"));
    assert!(bundle.text("system.txt").contains("MemTotal"));
    assert!(bundle.text("unit.txt").contains("ActiveState  active"));
    gateway.aircraft.agent.stop();
    let bundle = gateway.bundle();
    bundle.assert_nothing_personal();
    assert!(bundle.text("status.txt").contains("the agent does not run"));
    gateway.aircraft.agent.start();
    eventually("the agent to run on the same database", LIMIT, || {
        (gateway.aircraft.status()["daemon"]["state"] == "runs").then_some(())
    });
    assert_eq!(gateway.aircraft.counter("events"), 4);
}

#[test]
fn a_bundle_is_a_file_for_its_owner_only_or_goes_to_standard_output() {
    let gateway = Gateway::new();
    let folder = gateway.path("bin");
    let said = Ended::well(&mut gateway.diag());
    let names: Vec<_> = fs::read_dir(&folder).expect("listed").flatten().map(|entry| entry.path()).collect();
    let [file] = names.as_slice() else { panic!("one file and no part of one: {names:?}") };
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with("cabinwatch-diag-TC-DIA-") && name.ends_with("Z.tar.gz"), "{name}");
    assert!(said.contains(&name), "{said}");
    assert_eq!(file.metadata().expect("there").mode() & 0o777, 0o600);
    let piped = gateway.diag().args(["--output", "-"]).output().expect("it runs");
    assert!(piped.status.success());
    fs::write(gateway.path("piped.tar.gz"), &piped.stdout).expect("written");
    assert_eq!(Bundle::read(&gateway.path("piped.tar.gz")).names, Bundle::read(file).names);
    assert!(String::from_utf8_lossy(&piped.stderr).contains("standard output"));
}

#[test]
fn what_is_broken_is_a_line_in_the_bundle_and_no_failure() {
    let mut gateway = Gateway::new();
    let problems = |gateway: &Gateway| {
        let bundle = gateway.bundle();
        bundle.assert_nothing_personal();
        bundle.text("problems.txt")
    };
    let said = problems(&gateway);
    assert!(
        said.contains("there is no database at") && said.contains("there is no program journalctl"),
        "{said}"
    );

    gateway.fly();
    gateway.aircraft.agent.stop();
    let lock = Connection::open(gateway.aircraft.database()).expect("opens");
    lock.pragma_update(None, "locking_mode", "EXCLUSIVE").expect("set");
    lock.execute("UPDATE stream SET changes = changes", []).expect("locked");
    let said = problems(&gateway);
    assert!(said.contains("the database was not examined: ") && said.contains("locked"), "{said}");
    drop(lock);

    gateway.tool("journalctl", "echo 'No journal files were opened, Marias-iPhone.' >&2; exit 1");
    let mut bytes = fs::read(gateway.aircraft.database()).expect("there");
    bytes.iter_mut().skip(4096).step_by(7).for_each(|byte| *byte ^= 0xa5);
    fs::write(gateway.aircraft.database(), bytes).expect("written");
    let said = problems(&gateway);
    assert!(said.contains("damaged") && said.contains("journalctl failed: "), "{said}");

    for config in [
        "tail = \"TC-DIA\"\n[link]\npassword = \"open sesame 42\"\n",
        "tail = maria 02:00:5e:10:01:ff 10.77.0.9\n",
        "tail = \"TC-DIA\"\n[link]\nbroker = \"https://skywalker:x@ops.airline.example\"\n",
    ] {
        gateway.aircraft.configure(config);
        assert!(problems(&gateway).contains("`cabinwatch-agent check-config`"), "{config}");
    }
    fs::remove_file(gateway.aircraft.config()).expect("removed");
    assert!(problems(&gateway).contains("can't be read"));
}

#[test]
fn a_bundle_that_cannot_be_written_is_a_failure_that_says_what_to_do() {
    let gateway = Gateway::new();
    let said = Ended::badly(gateway.diag().args(["--output", "/nowhere/bundle.tar.gz"]), 1);
    assert!(
        said.contains("cannot write the bundle /nowhere/bundle.tar.gz") && said.contains("--output"),
        "{said}"
    );
    Ended::badly(gateway.diag().arg("--everything"), 2);
}
