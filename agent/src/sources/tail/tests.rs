use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::pipeline::Input;
use crate::rules::{Hints, Interpreter, RuleSet};

/// A followed file, what was taken of it, and the cursors that a store would hold.
struct Bench {
    folder: tempfile::TempDir,
    interpreter: SharedInterpreter,
    outlet: Outlet,
    engine: Receiver<Input>,
    stop: Arc<AtomicBool>,
    events: u64,
    losses: HashMap<LossReason, u64>,
    cursor: Option<Vec<u8>>,
}

impl Bench {
    fn new() -> Self {
        let (queue, engine) = sync_channel(1024);
        let stop = Arc::new(AtomicBool::new(false));
        let rules = Arc::new(RuleSet::shipped().expect("rules"));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            interpreter: Arc::new(Mutex::new(Interpreter::new(rules, Hints::default()))),
            outlet: Outlet::new(queue, Arc::clone(&stop)),
            engine,
            stop,
            events: 0,
            losses: HashMap::new(),
            cursor: None,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dnsmasq.log")
    }

    fn rotated(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("dnsmasq.log{suffix}"))
    }

    fn append(&self, text: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.path());
        file.expect("opened").write_all(text.as_bytes()).expect("written");
    }

    /// A tail that goes on from the stored cursor, as after a restart.
    fn tail<'a>(&self, interpreter: &'a SharedInterpreter, outlet: &'a Outlet) -> Tail<'a> {
        let mut tail = Tail::new(&self.path(), 200, interpreter, outlet, self.cursor.as_ref());
        tail.stragglers = Duration::ZERO;
        tail
    }

    /// Restarts, takes all there is, and stops.
    fn restart_and_read(&mut self) {
        let (interpreter, outlet) = (Arc::clone(&self.interpreter), self.outlet.clone());
        let mut tail = self.tail(&interpreter, &outlet);
        self.read(&mut tail);
    }

    fn read(&mut self, tail: &mut Tail<'_>) {
        while tail.look().expect("readable") {}
        self.store();
    }

    fn store(&mut self) {
        while let Ok(Input::Batch(batch)) = self.engine.try_recv() {
            self.events += batch.len() as u64;
            for (reason, count) in batch.losses {
                *self.losses.entry(reason).or_default() += count;
            }
            self.cursor =
                batch.cursors.into_iter().next_back().map(|cursor| cursor.position).or(self.cursor.take());
        }
    }

    fn counted(&self) -> (u64, Vec<(LossReason, u64)>) {
        let mut losses: Vec<_> = self.losses.iter().map(|(reason, count)| (*reason, *count)).collect();
        losses.sort();
        (self.events, losses)
    }
}

/// A line that is one event, told from others by its number.
fn line(number: u32) -> String {
    format!(
        "2026-11-21T08:10:{:02}.000000+00:00 gw dnsmasq-dhcp[185]: DHCPNAK(br0) 10.77.0.{} 02:00:00:00:{:02x}:{:02x} wrong network \n",
        number % 60,
        number % 250,
        number / 256,
        number % 256
    )
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(line).collect()
}

#[test]
fn a_file_without_a_cursor_is_read_from_its_beginning() {
    let mut bench = Bench::new();
    bench.append(&lines(0..3));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (3, vec![]));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (3, vec![]));
}

#[test]
fn a_missing_file_is_waited_for() {
    let mut bench = Bench::new();
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    bench.read(&mut tail);
    bench.append(&line(1));
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (1, vec![]));
}

#[test]
fn an_unfinished_line_waits_for_its_end() {
    let mut bench = Bench::new();
    let whole = line(1);
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    bench.append(&whole[..30]);
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (0, vec![]));
    bench.append(&whole[30..]);
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (1, vec![]));
}

#[test]
fn lines_that_are_none_are_counted_by_reason() {
    let mut bench = Bench::new();
    bench.append(&line(1));
    bench.append(&format!("{}\n", "x".repeat(1 << 20)));
    let file = OpenOptions::new().append(true).open(bench.path());
    file.expect("opened").write_all(b"bin\0ary\n\xff\xfe\n").expect("written");
    bench.append(&line(2));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (2, vec![(LossReason::Malformed, 2), (LossReason::TooLong, 1)]));
}

#[test]
fn the_rest_of_a_renamed_file_is_read_before_its_successor() {
    let mut bench = Bench::new();
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    bench.append(&lines(0..2));
    bench.read(&mut tail);
    bench.append(&line(2));
    fs::rename(bench.path(), bench.rotated(".1")).expect("renamed");
    bench.append(&line(3));
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (4, vec![]));
}

#[test]
fn a_renamed_file_is_found_again_after_a_restart_and_so_are_those_between() {
    let mut bench = Bench::new();
    bench.append(&lines(0..2));
    bench.restart_and_read();
    bench.append(&line(2));
    fs::rename(bench.path(), bench.rotated(".2")).expect("renamed");
    bench.append(&line(3));
    fs::rename(bench.path(), bench.rotated(".1")).expect("renamed");
    bench.append(&line(4));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (5, vec![]));
}

#[test]
fn the_last_line_of_a_rotated_file_counts_without_its_end() {
    let mut bench = Bench::new();
    bench.append(line(1).trim_end());
    bench.restart_and_read();
    assert_eq!(bench.counted(), (0, vec![]));
    fs::rename(bench.path(), bench.rotated(".1")).expect("renamed");
    bench.append(&line(2));
    bench.restart_and_read();
    // Nothing of the first file had been taken, so nothing tells where its name went to.
    assert_eq!(bench.counted(), (1, vec![]));
}

#[test]
fn a_copied_and_truncated_file_is_read_to_the_end_in_its_copy() {
    let mut bench = Bench::new();
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    bench.append(&lines(0..3));
    bench.read(&mut tail);
    bench.append(&line(3));
    fs::copy(bench.path(), bench.rotated(".1")).expect("copied");
    OpenOptions::new().write(true).open(bench.path()).expect("opened").set_len(0).expect("truncated");
    bench.append(&line(4));
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (5, vec![]));
}

#[test]
fn a_truncation_is_noticed_even_when_the_file_has_grown_beyond_the_old_place() {
    let mut bench = Bench::new();
    bench.append(&lines(0..2));
    bench.restart_and_read();
    fs::copy(bench.path(), bench.rotated(".1")).expect("copied");
    OpenOptions::new().write(true).open(bench.path()).expect("opened").set_len(0).expect("truncated");
    bench.append(&lines(10..15));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (7, vec![]));
}

#[test]
fn what_was_rotated_away_and_deleted_counts_as_a_gap() {
    let mut bench = Bench::new();
    bench.append(&lines(0..2));
    bench.restart_and_read();
    fs::remove_file(bench.path()).expect("deleted");
    bench.append(&line(10));
    bench.restart_and_read();
    assert_eq!(bench.counted(), (3, vec![(LossReason::FileGap, 1)]));
}

#[test]
fn a_truncation_without_a_copy_counts_as_a_gap() {
    let mut bench = Bench::new();
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    bench.append(&lines(0..3));
    bench.read(&mut tail);
    fs::write(bench.path(), line(7)).expect("written");
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (4, vec![(LossReason::FileGap, 1)]));
}

#[test]
fn a_straggler_in_the_renamed_file_is_still_read() {
    let mut bench = Bench::new();
    let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
    let mut tail = bench.tail(&interpreter, &outlet);
    tail.stragglers = Duration::from_secs(3600);
    bench.append(&line(0));
    let mut writer = OpenOptions::new().append(true).open(bench.path()).expect("opened");
    bench.read(&mut tail);
    fs::rename(bench.path(), bench.rotated(".1")).expect("renamed");
    bench.append(&line(1));
    bench.read(&mut tail);
    writer.write_all(line(2).as_bytes()).expect("written");
    bench.read(&mut tail);
    assert_eq!(bench.events, 2);
    tail.stragglers = Duration::ZERO;
    bench.read(&mut tail);
    assert_eq!(bench.counted(), (3, vec![]));
}

#[test]
fn a_stopping_agent_ends_the_tail() {
    let bench = Bench::new();
    bench.append(&line(0));
    bench.stop.store(true, Ordering::Relaxed);
    let mut tail = bench.tail(&bench.interpreter, &bench.outlet);
    assert!(matches!(tail.run(), Err(Fault::Stopped)));
}

/// What happens to the file or to the tail.
#[derive(Clone, Debug)]
enum Happening {
    Append { bytes: usize },
    Look,
    Restart,
    Rename,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1_usize..300).prop_map(|bytes| Happening::Append { bytes }),
        3 => Just(Happening::Look),
        2 => Just(Happening::Restart),
        1 => Just(Happening::Rename),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_line_counts_once_however_it_is_written_rotated_and_restarted(
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut bench = Bench::new();
        let (interpreter, outlet) = (Arc::clone(&bench.interpreter), bench.outlet.clone());
        let mut tail = bench.tail(&interpreter, &outlet);
        let text = lines(0..200);
        let (mut written, mut rotations) = (0, 0);
        // The head of the first file must have been taken once, or its name alone could not lead back to it.
        bench.append(&text[..130]);
        written += 130;
        bench.read(&mut tail);
        for happening in happenings {
            match happening {
                Happening::Append { bytes } => {
                    let end = (written + bytes).min(text.len());
                    bench.append(&text[written..end]);
                    written = end;
                }
                Happening::Look => bench.read(&mut tail),
                Happening::Restart => {
                    bench.store();
                    tail = bench.tail(&interpreter, &outlet);
                }
                Happening::Rename => {
                    // A daemon rotates between lines.
                    let end = text[written..].find('\n').map_or(written, |end| written + end + 1);
                    bench.append(&text[written..end]);
                    written = end;
                    rotations += 1;
                    fs::rename(bench.path(), bench.rotated(&format!("-{rotations}"))).expect("renamed");
                    bench.append("");
                }
            }
        }
        let end = text[written..].find('\n').map_or(written, |end| written + end + 1);
        bench.append(&text[written..end]);
        bench.read(&mut tail);
        let whole_lines = text[..end].lines().count() as u64;
        prop_assert_eq!(bench.counted(), (whole_lines, vec![]));
    }
}
