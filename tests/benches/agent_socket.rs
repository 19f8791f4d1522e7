//! The agent against the barest loop that does the same duty: datagrams from a socket into SQLite, with the same group
//! commit. Prints rate, processor time per 100,000 events, and resident memory of both, and the ratio. The agent does
//! all it does in flight: it parses, counts, scores what closes with a model it was sent, and sends frames to a broker.
//!
//! `cargo bench -p cabinwatch-tests --bench agent_socket` after a release build of both programs.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cabinwatch_tests::broker::{Broker, Kind};
use cabinwatch_tests::event_line::write_event;
use cabinwatch_tests::process::Process;
use cabinwatch_tests::program::{Ended, agent, ground};

use nix::poll::{PollFd, PollFlags, PollTimeout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const EVENTS: u64 = 1_000_000;
const RUNS: usize = 5;
/// What the agent is asked to take.
const RATE: f64 = 100_000.0;
/// Group commit of both: this many events, or this long after the first.
const GROUP_EVENTS: usize = 512;
const GROUP_WAIT: Duration = Duration::from_millis(250);
/// `/proc` counts processor time in hundredths of a second on every Linux we run on.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, socket, database] = arguments.as_slice()
        && mode == "--bare-loop"
    {
        return bare_loop(Path::new(socket), Path::new(database));
    }
    let ground = tempfile::tempdir()?;
    let model = Published::model(ground.path())?;
    println!("{EVENTS} events a run, {RUNS} runs each in turn; medians");
    for (name, rate) in [("at 100,000 events/s", Some(RATE)), ("flat out", None)] {
        let (mut bare, mut agent) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            bare.push(measure(Program::BareLoop, &model, rate)?);
            agent.push(measure(Program::Agent, &model, rate)?);
        }
        println!("\n{name}");
        println!("{:<12} {:>12} {:>22} {:>14}", "", "events/s", "CPU s per 100,000", "resident MiB");
        for (label, runs) in [("bare loop", &bare), ("agent", &agent)] {
            let [rate, cpu, memory] = medians(runs);
            println!("{label:<12} {rate:>12.0} {cpu:>22.3} {memory:>14.1}");
        }
        println!(
            "CPU, agent / bare loop: {:.2} (target at most 3.00)",
            medians(&agent)[1] / medians(&bare)[1]
        );
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Program {
    BareLoop,
    Agent,
}

#[derive(Clone, Copy)]
struct Figures {
    events_per_second: f64,
    cpu_per_100_000: f64,
    resident_mib: f64,
}

fn medians(runs: &[Figures]) -> [f64; 3] {
    let median = |value: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    [median(|run| run.events_per_second), median(|run| run.cpu_per_100_000), median(|run| run.resident_mib)]
}

fn measure(program: Program, model: &Published, rate: Option<f64>) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("events.sock");
    let mut process = match program {
        Program::BareLoop => start_bare_loop(folder.path(), &socket)?,
        Program::Agent => start_agent(folder.path(), &socket, model)?,
    };
    let sender = wait_for_socket(folder.path(), &socket)?;
    let before = cpu_seconds(process.id())?;
    let started = Instant::now();
    send(&sender, rate)?;
    // A datagram socket is a queue: once this last event is stored, all before it are.
    finish(program, folder.path(), &sender)?;
    let elapsed = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(process.id())? - before;
    let resident_mib = process.peak_memory() as f64 / 1024.0;
    process.kill();
    let per_100_000 = EVENTS as f64 / 100_000.0;
    Ok(Figures {
        events_per_second: EVENTS as f64 / elapsed,
        cpu_per_100_000: cpu / per_100_000,
        resident_mib,
    })
}

/// A broker that holds a model for the agent to fetch.
struct Published {
    broker: Broker,
    key: String,
}

impl Published {
    fn model(folder: &Path) -> Result<Self> {
        let broker = Broker::start(Kind::Embedded, folder);
        let [edr, model, tables] =
            ["edr", "model", "tables.db"].map(|name| folder.join(name).display().to_string());
        Ended::well(&mut ground(["simulate", "--out", &edr, "--days", "1", "--files-per-day", "24"]));
        let history = format!("file://{edr}");
        Ended::well(&mut ground(["retrain", "--history", &history, "--days", "30", "--model-dir", &model]));
        let (url, tables) = (broker.url(), format!("sqlite://{tables}"));
        let publish = ["publish", "--model-dir", &model, "--broker", &url, "--tables", &tables];
        Ended::well(&mut ground(publish));
        let key = std::fs::read_to_string(Path::new(&model).join("signing.pub"))?;
        Ok(Self { broker, key: key.trim().to_owned() })
    }
}

fn start_bare_loop(folder: &Path, socket: &Path) -> Result<Process> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--bare-loop").args([socket, &folder.join("bare.db")]);
    let mut process = Process::new(command, &folder.join("bare.log"));
    process.start();
    Ok(process)
}

/// Starts an agent and waits until it scores with the model.
fn start_agent(folder: &Path, socket: &Path, model: &Published) -> Result<Process> {
    let config = folder.join("agent.toml");
    let text = format!(
        "tail = \"TC-BENCH\"\n[store]\npath = \"{}\"\n[sources]\nevent_socket = \"{}\"\nspool = \"{}\"\n\
         [link]\nbroker = \"{}\"\n[model]\ntrusted_keys = [\"{}\"]\n[log]\nlevel = \"warn\"\n",
        folder.join("agent.db").display(),
        socket.display(),
        folder.join("spool").display(),
        model.broker.url(),
        model.key,
    );
    std::fs::write(&config, text)?;
    let config = config.display().to_string();
    let mut process = Process::new(agent(["run", "--config", &config]), &folder.join("agent.log"));
    process.start();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = Ended::of(&mut agent(["status", "--config", &config, "--json"]));
        let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap_or_default();
        if status["model"]["version"].as_u64() == Some(1) {
            return Ok(process);
        }
        if Instant::now() > deadline {
            return Err("the agent did not take the model".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait_for_socket(folder: &Path, socket: &Path) -> Result<UnixDatagram> {
    let sender = UnixDatagram::bind(folder.join("sender.sock"))?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = sender.connect(socket) {
        if Instant::now() > deadline {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(sender)
}

/// Sends the events; their dates run through ten windows, so that windows close and are scored on the way.
fn send(sender: &UnixDatagram, rate: Option<f64>) -> Result<()> {
    let started = Instant::now();
    let mut line = String::new();
    for number in 0..EVENTS {
        if let Some(rate) = rate {
            let due = Duration::from_secs_f64(number as f64 / rate);
            if number.is_multiple_of(64) && due > started.elapsed() {
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
        }
        let second = number * 3000 / EVENTS;
        let (minute, second, millis) = (second / 60, second % 60, number % 1000);
        let at = format_args!("2026-01-05 10:{minute:02}:{second:02}.{millis:03}");
        write_event(&mut line, number, at);
        sender.send(line.as_bytes())?;
    }
    Ok(())
}

fn finish(program: Program, folder: &Path, sender: &UnixDatagram) -> Result<()> {
    sender.set_read_timeout(Some(Duration::from_secs(60)))?;
    match program {
        Program::Agent => {
            let last = r#"{"edr_point":"END","description":"end","state":"SUCCESS","producer":"bench","seq":1,"edr_date":"2026-01-05 10:49:59"}"#;
            sender.send(last.as_bytes())?;
            sender.recv(&mut [0; 512])?;
        }
        Program::BareLoop => {
            let database = rusqlite::Connection::open(folder.join("bare.db"))?;
            let deadline = Instant::now() + Duration::from_secs(60);
            while database
                .query_row("SELECT max(rowid) FROM event", [], |row| row.get::<_, Option<i64>>(0))?
                != Some(EVENTS as i64)
            {
                if Instant::now() > deadline {
                    return Err("the bare loop did not store every event".into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    Ok(())
}

fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Behind the name: state is field 0, user time field 11, system time field 12.
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).ok_or("unreadable stat");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// The floor: receive, insert, commit. No parsing, no windows, no scores.
fn bare_loop(socket: &Path, database: &Path) -> Result<()> {
    let database = rusqlite::Connection::open(database)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE event (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    )?;
    let receiver = UnixDatagram::bind(socket)?;
    receiver.set_nonblocking(true)?;
    let mut insert = database.prepare("INSERT INTO event (body) VALUES (?1)")?;
    let mut buffer = [0_u8; 4096];
    loop {
        let Some(mut length) = receive(&receiver, &mut buffer, None)? else { continue };
        let deadline = Instant::now() + GROUP_WAIT;
        database.execute_batch("BEGIN")?;
        for stored in 1..=GROUP_EVENTS {
            insert.execute([&buffer[..length]])?;
            if stored == GROUP_EVENTS {
                break;
            }
            match receive(&receiver, &mut buffer, Some(deadline))? {
                Some(next) => length = next,
                None => break,
            }
        }
        database.execute_batch("COMMIT")?;
    }
}

/// One datagram; none if there is none by the deadline. Waits only when the socket is empty.
fn receive(receiver: &UnixDatagram, buffer: &mut [u8], deadline: Option<Instant>) -> Result<Option<usize>> {
    match receiver.recv(buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(deadline) => PollTimeout::try_from(deadline.saturating_duration_since(Instant::now()))?,
            };
            nix::poll::poll(&mut [PollFd::new(receiver.as_fd(), PollFlags::POLLIN)], timeout)?;
            match receiver.recv(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                received => Ok(Some(received?)),
            }
        }
        received => Ok(Some(received?)),
    }
}
