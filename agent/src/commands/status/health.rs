//! What is wrong, for whoever has one look only.

use cabinwatch_shared::wire::ClockTrust;
use serde::Serialize;

use super::daemon::Daemon;
use super::{Clock, Disk, Outbox, Status};
use crate::config::{Config, LinkMode};

/// Nothing of an aircraft that flies every day waits longer, but for the time between two scheduled contacts.
const LONGEST_WAIT_SECONDS: u64 = 86_400;
/// The agent writes its facts every few seconds.
const LONGEST_SILENCE_SECONDS: u64 = 60;
/// A commit makes no file, but SQLite's log may have to be made anew.
const FEWEST_INODES: u64 = 16;

/// How the agent is doing, in one word. The exit code says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Nothing needs doing.
    Well,
    /// It can't be told whether something does.
    Unknown,
    /// Something does.
    NeedsAttention,
}

impl Health {
    /// The exit code of `status`.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Unknown => 1,
            Self::NeedsAttention => 3,
        }
    }

    pub(super) const fn headline(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Unknown => "not known",
            Self::NeedsAttention => "needs attention",
        }
    }
}

/// One thing to know, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters; what is well is worth knowing all the same.
    pub health: Health,
    /// A whole sentence.
    pub text: String,
}

/// Looks for what is wrong. What matters most comes first.
pub(super) fn findings(status: &Status, config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |health, text: String| found.push(Finding { health, text });
    daemon(&status.daemon, &mut find);
    match &status.disk {
        Some(disk) => room(disk, &mut find),
        None => find(Health::Unknown, "the kernel does not tell how much room the database has".to_owned()),
    }
    link(status, config, &mut find);
    clock(&status.clock, &mut find);
    if status.model.is_none() {
        find(Health::Well, "there is no model yet: windows are counted, not scored".to_owned());
    }
    found.sort_by_key(|finding| std::cmp::Reverse(finding.health.exit_code()));
    found
}

/// The worst of all.
pub(super) fn sum_up(findings: &[Finding]) -> Health {
    let worst = findings.iter().map(|finding| finding.health).max_by_key(|health| health.exit_code());
    worst.unwrap_or(Health::Well)
}

fn daemon(daemon: &Daemon, find: &mut impl FnMut(Health, String)) {
    match daemon {
        Daemon::Unknown => {
            find(Health::Unknown, "whether the agent runs is not known: /proc/locks can't be read".to_owned());
        }
        Daemon::Down => find(
            Health::NeedsAttention,
            "the agent does not run: `systemctl status cabinwatch-agent` says why; what follows is what it left"
                .to_owned(),
        ),
        Daemon::Runs { live: None, .. } => find(
            Health::Well,
            "the agent writes no `service.live_file`, so what the link does is not known".to_owned(),
        ),
        Daemon::Runs { live: Some(live), .. } => {
            if let Some(seconds) = live.unwritable_seconds() {
                find(
                    Health::NeedsAttention,
                    format!(
                        "nothing can be stored for {seconds} s: events are counted in memory meanwhile, and the \
                         agent's log says what is wrong with the disk"
                    ),
                );
            }
            if !live.hanging.is_empty() {
                let names = live.hanging.join(", ");
                find(Health::NeedsAttention, format!("hangs: {names}; the watchdog will start the agent anew"));
            } else if live.age_seconds() > LONGEST_SILENCE_SECONDS {
                let age = live.age_seconds();
                find(Health::NeedsAttention, format!("the agent has said nothing for {age} s: it hangs"));
            }
        }
    }
}

fn room(disk: &Disk, find: &mut impl FnMut(Health, String)) {
    if disk.read_only {
        let text =
            "the database's file system is read-only: events are counted in memory, as far as that goes";
        find(Health::NeedsAttention, text.to_owned());
    }
    if let Some(inodes) = disk.free_inodes.filter(|inodes| *inodes < FEWEST_INODES) {
        find(Health::NeedsAttention, format!("the database's file system has {inodes} inodes left"));
    }
    if disk.missing_bytes() > 0 {
        let (missing, most) = (disk.missing_bytes(), disk.most_database_bytes);
        find(
            Health::NeedsAttention,
            format!(
                "the database may grow to {most} bytes, and the file system has {missing} too few for that: make room, \
                 or lower `store.events_max_bytes` and `store.outbox_max_bytes`"
            ),
        );
    }
}

fn clock(clock: &Clock, find: &mut impl FnMut(Health, String)) {
    if clock.trust == ClockTrust::Doubtful.as_str() {
        let text = "the clock does not show the time that the agent goes by: windows may bear a wrong date until \
                    it is set";
        find(Health::NeedsAttention, text.to_owned());
    }
    if clock.waiting_events > 0 {
        let events = clock.waiting_events;
        find(Health::Well, format!("{events} events wait for the time of day, as the clock is not set yet"));
    }
}

fn link(status: &Status, config: &Config, find: &mut impl FnMut(Health, String)) {
    if config.link.broker.is_empty() {
        let text = "no `link.broker` is set: nothing is sent to the ground";
        return find(Health::NeedsAttention, text.to_owned());
    }
    let Outbox { frames, oldest_age_seconds, .. } = &status.outbox;
    let trouble = status.daemon.live().and_then(|live| live.link.trouble.as_ref());
    let planned = match config.link.mode {
        LinkMode::Kept => 0,
        LinkMode::Scheduled => u64::from(config.link.every_seconds),
    };
    if let Some(age) = oldest_age_seconds.filter(|age| *age > LONGEST_WAIT_SECONDS + planned) {
        let hours = age / 3600;
        find(
            Health::NeedsAttention,
            format!("{frames} frames wait, the oldest for {hours} h: nothing reaches the ground"),
        );
    }
    if let Some(trouble) = trouble {
        // Most aircraft have no link for most of the day.
        find(Health::Well, format!("the link is down: {}; it is tried again", trouble.error));
    }
}
