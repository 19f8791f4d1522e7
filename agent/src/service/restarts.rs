//! Waiting after starts that did not last.
//!
//! Each start leaves a descriptor with systemd (`FileDescriptorStoreMax=`), which hands all it holds to the next process;
//! a run that lasts, and one that ends on purpose, takes them back. So the count needs neither flash nor a newer systemd,
//! whose `RestartSteps=` Debian 12 does not know.

use std::env;
use std::thread;
use std::time::Duration;

use super::Notifier;
use super::logging::say;
use super::notify::START;

/// As many starts that did not last are tried again at once; a power cut or two are no reason to wait.
const FREE: u32 = 2;
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);

/// Waits, if the last starts did not last, whatever ended them: a crash, the watchdog, or a wrong setting, which is why
/// this comes before the configuration is read.
pub fn hold_back(notifier: &Notifier) {
    let failed = failed_starts(|name| env::var(name).ok());
    let wait = wait_after(failed);
    if wait.is_zero() {
        return notifier.remember_start();
    }
    // Whoever stops or restarts the agent while it waits has mended something: then nothing is left to count.
    notifier.forget_starts();
    let seconds = wait.as_secs();
    // There is no log yet: the configuration says how it looks.
    say(format_args!("<4>the last {failed} starts did not last: waiting {seconds} s before the next"));
    notifier.status(&format!("waits {seconds} s: the last {failed} starts did not last"));
    thread::sleep(wait);
    (0..=failed).for_each(|_| notifier.remember_start());
}

fn failed_starts(variable: impl Fn(&str) -> Option<String>) -> u32 {
    let ours = variable("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    let names = variable("LISTEN_FDNAMES").filter(|_| ours).unwrap_or_default();
    u32::try_from(names.split(':').filter(|name| *name == START).count()).unwrap_or(u32::MAX)
}

fn wait_after(failed: u32) -> Duration {
    match failed.checked_sub(FREE + 1) {
        None => Duration::ZERO,
        Some(more) => SHORTEST.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let waits: Vec<_> = (0..10).map(|failed| wait_after(failed).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn starts_are_counted_by_what_the_manager_hands_back() {
        let variables = |pid: String| {
            move |name: &str| match name {
                "LISTEN_PID" => Some(pid.clone()),
                "LISTEN_FDNAMES" => Some("start:other:start".to_owned()),
                _ => None,
            }
        };
        assert_eq!(failed_starts(variables(std::process::id().to_string())), 2);
        assert_eq!(failed_starts(variables("1".to_owned())), 0);
        assert_eq!(failed_starts(|_| None), 0);
    }
}
