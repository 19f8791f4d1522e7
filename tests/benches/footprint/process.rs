//! What the kernel counts of a process.

use std::fs;
use std::time::Instant;

use super::Result;

/// `/proc` counts processor time in hundredths of a second on every Linux we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process has used up to a moment, or between two.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    at: Instant,
    /// How long the process was watched.
    pub seconds: f64,
    /// Processor time.
    pub cpu_seconds: f64,
    /// Bytes that went into pages which have to be written to the disk, whole pages each time.
    pub written: f64,
    /// Resident at the end.
    pub resident_mib: f64,
    /// The most that was ever resident.
    pub peak_mib: f64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// When the kernel doesn't tell.
    pub fn of(process: u32) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            seconds: 0.0,
            cpu_seconds: cpu_seconds(process)?,
            written: field(process, "io", "write_bytes:")?,
            resident_mib: field(process, "status", "VmRSS:")? / 1024.0,
            peak_mib: field(process, "status", "VmHWM:")? / 1024.0,
        })
    }

    /// What came since an earlier moment; memory is that of the later one.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            seconds: self.at.duration_since(before.at).as_secs_f64(),
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            written: self.written - before.written,
            ..*self
        }
    }
}

fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Behind the name: state is field 0, user time field 11, system time field 12.
    let ticks =
        |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).ok_or("unreadable stat");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn field(process: u32, file: &str, name: &str) -> Result<f64> {
    let path = format!("/proc/{process}/{file}");
    let text = fs::read_to_string(&path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next()).ok_or(format!("no {name} in {path}"))?;
    Ok(value.parse()?)
}

/// What the calling thread has written so far, counted as in [`Usage::written`].
///
/// # Errors
/// When the kernel doesn't tell.
pub fn written_by_this_thread() -> Result<f64> {
    let text = fs::read_to_string("/proc/thread-self/io")?;
    let value = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).ok_or("no write_bytes")?;
    Ok(value.trim().parse()?)
}
