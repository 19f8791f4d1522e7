//! The machine: kernel, memory, clocks, the file system that the database lies on, and the agent's process.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use cabinwatch_shared::time::UnixSeconds;

use super::page::Page;
use super::tools::{ToolError, Tools};
use super::{Machine, UNIT};
use crate::config::Config;

/// Lines of `/proc/meminfo` that tell how tight memory is.
const MEMORY: &[&str] = &["MemTotal", "MemFree", "MemAvailable", "Cached", "SwapTotal", "SwapFree", "Shmem"];
/// What `os-release` says of the system.
const RELEASE: &[&str] =
    &["PRETTY_NAME", "ID", "VERSION_ID", "BUILD_ID", "VARIANT_ID", "IMAGE_ID", "IMAGE_VERSION"];
/// What the kernel says of the process.
const PROCESS: &[&str] = &["State", "VmHWM", "VmRSS", "VmSwap", "Threads", "nonvoluntary_ctxt_switches"];
/// Mount options that change how flash is written. Those of network file systems hold names and passwords.
const MOUNT_OPTIONS: &[&str] = &[
    "ro",
    "rw",
    "sync",
    "async",
    "noatime",
    "relatime",
    "nobarrier",
    "barrier",
    "discard",
    "data",
    "commit",
    "errors",
];
/// Properties of the unit.
const UNIT_PROPERTIES: &str = "LoadState,ActiveState,SubState,Result,StateChangeTimestamp,ExecMainStartTimestamp,\
    ExecMainExitTimestamp,ExecMainCode,ExecMainStatus,ExecMainPID,NRestarts,StatusText,StatusErrno,MemoryCurrent,\
    MemoryPeak,MemoryMax,TasksCurrent,TasksMax,CPUWeight,WatchdogUSec,WatchdogTimestamp,UnitFileState,FragmentPath,\
    DropInPaths,NeedDaemonReload";
const MAX_UNIT_BYTES: usize = 64 << 10;

/// Kernel, system, memory and uptime.
pub(super) fn machine(machine: &Machine) -> Page {
    let mut page = Page::default();
    page.fact("agent", format!("{} for {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH));
    for (name, file) in [("kernel", "ostype"), ("release", "osrelease"), ("build", "version")] {
        page.read(name, &machine.file(&format!("proc/sys/kernel/{file}")));
    }
    let release = ["etc/os-release", "usr/lib/os-release"].map(|path| machine.file(path));
    let release = release.iter().find_map(|path| fs::read_to_string(path).ok());
    match release {
        Some(text) => page.pick(&text, '=', RELEASE),
        None => page.problem("there is no os-release"),
    }
    page.read("load", &machine.file("proc/loadavg"));
    page.pick(&page.text_of(&machine.file("proc/meminfo")), ':', MEMORY);
    page
}

/// What the machine's clocks show, and whether something has set them.
pub(super) fn clocks(machine: &Machine, config: &Config) -> Page {
    let mut page = Page::default();
    page.fact("wall clock", machine.now);
    page.read("seconds since the boot, and idle", &machine.file("proc/uptime"));
    let real_time_clock = fs::read_to_string(machine.file("sys/class/rtc/rtc0/since_epoch"));
    match real_time_clock.map(|text| text.trim().parse().map(UnixSeconds)) {
        Ok(Ok(at)) => page.fact("real-time clock", at),
        _ => page.fact("real-time clock", "none that tells"),
    }
    page.read(
        "clock source",
        &machine.file("sys/devices/system/clocksource/clocksource0/current_clocksource"),
    );
    for file in &config.clock.synchronised_files {
        let touched = file.metadata().and_then(|found| found.modified()).ok();
        let touched =
            touched.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| at.as_secs().cast_signed());
        let touched = touched.map_or_else(|| "is not there".to_owned(), |at| UnixSeconds(at).to_string());
        page.fact(file.display(), touched);
    }
    page
}

/// The file system of the database. How much room it has is in the status.
pub(super) fn file_system(machine: &Machine, config: &Config) -> Page {
    let mut page = Page::default();
    let folder = config.store.path.parent().unwrap_or(Path::new("/"));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = page.text_of(&machine.file("proc/mounts"));
    match mount_of(&mounts, &folder) {
        Some([device, point, kind, options]) => {
            page.fact("mounted at", point);
            page.fact(
                "device",
                if device.starts_with("/dev/") { device } else { "no device of this machine" },
            );
            page.fact("kind", kind);
            let wanted =
                |option: &&str| MOUNT_OPTIONS.contains(&option.split('=').next().unwrap_or_default());
            let options: Vec<_> = options.split(',').filter(wanted).collect();
            page.fact("options", options.join(","));
        }
        None => page.problem("the mount of the database's file system is not known"),
    }
    page
}

/// Device, mount point, kind and options of the file system that holds a folder. A later mount hides an earlier one.
fn mount_of<'a>(mounts: &'a str, folder: &Path) -> Option<[&'a str; 4]> {
    let fields = mounts.lines().filter_map(|line| {
        let fields: Vec<_> = line.split(' ').collect();
        <[&str; 4]>::try_from(fields.get(..4)?.to_vec()).ok()
    });
    let around = fields.filter(|[_, point, ..]| folder.starts_with(point));
    around.max_by_key(|[_, point, ..]| point.len())
}

/// What the agent's process takes.
pub(super) fn process(machine: &Machine, pid: u32) -> Page {
    let mut page = Page::default();
    let folder = machine.file(&format!("proc/{pid}"));
    page.pick(&page.text_of(&folder.join("status")), ':', PROCESS);
    match fs::read_to_string(folder.join("io")) {
        Ok(text) => page.pick(&text, ':', &["read_bytes", "write_bytes"]),
        Err(error) => page.problem(format!("what the process has written is not known: {error}")),
    }
    page
}

/// The unit as systemd sees it.
///
/// # Errors
/// When systemd can't be asked.
pub(super) fn unit(tools: &Tools) -> Result<Page, ToolError> {
    let arguments = ["show", UNIT, "--no-pager", "--property", UNIT_PROPERTIES];
    let output = tools.output("systemctl", &arguments, MAX_UNIT_BYTES)?;
    let mut page = Page::default();
    let asked: Vec<_> = UNIT_PROPERTIES.split(',').collect();
    page.pick(&String::from_utf8_lossy(&output), '=', &asked);
    Ok(page)
}

impl Page {
    fn text_of(&self, path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    fn read(&mut self, name: &str, path: &Path) {
        match fs::read_to_string(path) {
            Ok(text) => self.fact(name, text.trim()),
            Err(error) => self.problem(format!("{} can't be read: {error}", path.display())),
        }
    }

    /// The wanted ones among `name=value` lines.
    fn pick(&mut self, text: &str, separator: char, wanted: &[&str]) {
        let pairs = text.lines().filter_map(|line| line.split_once(separator));
        for (name, value) in pairs.filter(|(name, _)| wanted.contains(name)) {
            self.fact(name, value.trim().trim_matches('"'));
        }
    }

    fn problem(&mut self, text: impl Display) {
        self.problems.push(text.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_holds_a_folder() {
        let mounts =
            "/dev/a / ext4 rw 0 0\n/dev/b /var/lib ext4 ro,noatime 0 0\ntmpfs /var/li tmpfs rw 0 0\n";
        let found = |folder| mount_of(mounts, Path::new(folder)).map(|[device, ..]| device);
        assert_eq!(found("/var/lib/cabinwatch"), Some("/dev/b"));
        assert_eq!(found("/var/log"), Some("/dev/a"));
        assert_eq!(mount_of("", Path::new("/")), None);
    }
}
