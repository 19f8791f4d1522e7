//! `diag`: the bundle for support, into a file or to standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::table::{Align, write_table};
use crate::diag::{Bundle, Known, Machine, Tools};
use crate::pipeline::clock::{Clock, SystemClock};

/// Gathers a bundle, writes it, and says what is in it. With `-`, the bundle goes to standard output, and the rest to
/// standard error.
///
/// # Errors
/// When the bundle can't be written.
pub fn run(known: &Known<'_>, output: Option<&Path>, out: &mut impl Write) -> Result<(), CommandError> {
    let bundle = Bundle::gather(known, &this_machine());
    let packed = bundle.pack();
    if output == Some(Path::new("-")) {
        out.write_all(&packed)?;
        return describe(&bundle, "standard output", packed.len(), &mut io::stderr().lock());
    }
    let path = output.map_or_else(|| PathBuf::from(format!("{}.tar.gz", bundle.name)), Path::to_owned);
    write_whole(&path, &packed).map_err(|source| CommandError::Bundle { path: path.clone(), source })?;
    describe(&bundle, &path.display().to_string(), packed.len(), out)
}

fn this_machine() -> Machine {
    // Whoever is logged in is no part of the fault.
    let users = ["USER", "LOGNAME", "SUDO_USER"].iter().filter_map(|name| std::env::var(name).ok());
    Machine {
        root: PathBuf::from("/"),
        tools: Tools::in_folders(std::env::var_os("PATH")),
        users: users.collect(),
        now: SystemClock.wall().seconds(),
    }
}

/// The file is there as a whole or not at all, and only its owner may read it.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut part = path.to_owned().into_os_string();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    let written = fill(&part, content).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| {
        // Where nothing could be written, there is nothing to remove.
        let _ = fs::remove_file(&part);
    })
}

fn fill(part: &Path, content: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)?;
    file.write_all(content)?;
    file.sync_all()
}

fn describe(bundle: &Bundle, place: &str, bytes: usize, out: &mut impl Write) -> Result<(), CommandError> {
    let rows: Vec<_> = bundle.files().map(|(name, bytes)| vec![name.to_owned(), bytes.to_string()]).collect();
    write_table(out, &[("file", Align::Left), ("bytes", Align::Right)], &rows)?;
    writeln!(out)?;
    for problem in bundle.problems() {
        writeln!(out, "not found out: {problem}")?;
    }
    writeln!(out, "the bundle is in {place}: {bytes} bytes, without passwords, names and addresses")?;
    Ok(())
}
