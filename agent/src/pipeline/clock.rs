//! The machine's clocks. The engine asks a [`Clock`], so that tests say what it answers.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cabinwatch_shared::time::UnixMillis;
use nix::time::{ClockId, clock_gettime};

use crate::store::BootId;

/// Where Linux names the boot. systemd's sandbox may hide it; `clock.boot_id` then says it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the engine asks the machine.
pub trait Clock {
    /// The wall clock. It may be wrong, and may step.
    fn wall(&self) -> UnixMillis;
    /// Time since the machine booted, sleep included. It never steps.
    fn since_boot(&self) -> Duration;
    /// Which boot that was, if the system tells.
    fn boot(&self) -> Option<BootId>;
    /// When a file was last touched, by the wall clock of that time; none where there is no such file.
    fn touched(&self, file: &Path) -> Option<UnixMillis>;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> UnixMillis {
        unix_millis(SystemTime::now())
    }

    fn since_boot(&self) -> Duration {
        // The clock exists on every kernel the agent runs on; standing still is the harmless answer where it did not.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
    }

    fn boot(&self) -> Option<BootId> {
        parse_boot_id(&fs::read_to_string(BOOT_ID).ok()?)
    }

    fn touched(&self, file: &Path) -> Option<UnixMillis> {
        Some(unix_millis(fs::metadata(file).ok()?.modified().ok()?))
    }
}

fn unix_millis(time: SystemTime) -> UnixMillis {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    UnixMillis(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    })
}

/// Reads 32 hexadecimal digits, with or without dashes.
#[must_use]
pub fn parse_boot_id(text: &str) -> Option<BootId> {
    let digits = text.trim().replace('-', "");
    let whole = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(&digits, 16).ok().filter(|_| whole).map(BootId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boots_name_is_read_as_linux_and_as_systemd_write_it() {
        let id = Some(BootId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(parse_boot_id("01234567-89ab-cdef-0123-456789abcdef\n"), id);
        assert_eq!(parse_boot_id("0123456789abcdef0123456789abcdef"), id);
        for text in [
            "",
            "%b",
            "0123456789abcdef",
            "0123456789abcdef0123456789abcdeg",
            "+123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(parse_boot_id(text), None, "{text}");
        }
    }

    #[test]
    fn the_system_names_this_boot_always_alike() {
        assert_eq!(SystemClock.boot(), SystemClock.boot());
    }
}
