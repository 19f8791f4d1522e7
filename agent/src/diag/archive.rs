//! A `.tar.gz`: two formats so old and small that writing them takes less than the crates for them.
//!
//! The same files give the same bytes: no owner, no time of their own, in the order they are given in.

use cabinwatch_shared::time::UnixSeconds;

const BLOCK: usize = 512;
/// miniz's default: beyond it, more time for hardly less.
const LEVEL: u8 = 6;

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path within the archive, at most 100 bytes.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Packs files, dated `at`, readable for their owner only.
#[must_use]
pub fn pack(files: &[File], at: UnixSeconds) -> Vec<u8> {
    let mut tar = Vec::new();
    for File { name, content } in files {
        tar.extend(header(name, content.len(), at));
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end an archive.
    tar.resize(tar.len() + 2 * BLOCK, 0);
    gzip(&tar)
}

/// A header of POSIX' ustar format: fields of fixed width, numbers in octal digits.
fn header(name: &str, size: usize, at: UnixSeconds) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        block.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    };
    let name: Vec<u8> = name.bytes().take(100).collect();
    put(0, &name);
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", at.0.clamp(0, 0o77_777_777_777)).as_bytes());
    // While it is computed, the checksum counts as blanks.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let mut put = |at: usize, bytes: &[u8]| {
        block.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
    };
    put(148, format!("{sum:06o}\0 ").as_bytes());
    block
}

/// RFC 1952: a header without name and time, deflated data, checksum and length.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    out.extend(miniz_oxide::deflate::compress_to_vec(content, LEVEL));
    out.extend(crc32fast::hash(content).to_le_bytes());
    out.extend((content.len() as u32).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    fn files() -> Vec<File> {
        vec![
            File { name: "a/empty.txt".to_owned(), content: Vec::new() },
            File { name: "a/block.txt".to_owned(), content: vec![b'x'; BLOCK] },
            File { name: "a/long.txt".to_owned(), content: b"0123456789".repeat(9_999) },
        ]
    }

    #[test]
    fn tar_unpacks_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = pack(&files(), UnixSeconds(1_795_248_600));
        let mut tar = Command::new("tar")
            .args(["-xz", "-C"])
            .arg(folder.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("tar");
        tar.stdin.take().expect("its input").write_all(&archive).expect("written");
        assert!(tar.wait().expect("ended").success());
        for File { name, content } in files() {
            assert_eq!(std::fs::read(folder.path().join(name)).expect("unpacked"), content);
        }
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let at = UnixSeconds(1_795_248_600);
        assert_eq!(pack(&files(), at), pack(&files(), at));
        assert_ne!(pack(&files(), at), pack(&files(), UnixSeconds(1)));
    }
}
