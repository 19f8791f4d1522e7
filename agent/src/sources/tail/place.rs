//! Where in which file: what a tail remembers over a restart.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// How many of a file's first bytes tell it from another that got its inode.
const FINGERPRINT_BYTES: u64 = 256;
const POSITION_BYTES: usize = 32;

/// A hash (64-bit FNV-1a) of a file's first bytes. It is part of stored cursors, so it is one that never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    bytes: u64,
    hash: u64,
}

impl Fingerprint {
    /// Of the first bytes that have been read, as far as they count.
    pub(super) fn of(file: &File, read_up_to: u64) -> io::Result<Self> {
        let bytes = read_up_to.min(FINGERPRINT_BYTES);
        let mut head = vec![0; bytes as usize];
        file.read_exact_at(&mut head, 0)?;
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Ok(Self { bytes, hash: head.iter().fold(0xcbf2_9ce4_8422_2325, step) })
    }

    /// Whether the file still begins as it did.
    pub(super) fn fits(self, file: &File) -> bool {
        Self::of(file, self.bytes).is_ok_and(|found| found == self)
    }

    /// Whether it says enough to know a file by it alone.
    pub(super) fn is_telling(self) -> bool {
        self.bytes >= 32
    }

    pub(super) fn is_complete(self) -> bool {
        self.bytes == FINGERPRINT_BYTES
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) inode: u64,
    /// Everything before it has been taken.
    pub(super) offset: u64,
    pub(super) fingerprint: Fingerprint,
}

impl Place {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        [self.inode, self.offset, self.fingerprint.bytes, self.fingerprint.hash]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; POSITION_BYTES] = bytes.try_into().ok()?;
        let &[inode, offset, count, hash] = bytes.as_chunks().0 else { return None };
        let fingerprint = Fingerprint { bytes: u64::from_le_bytes(count), hash: u64::from_le_bytes(hash) };
        let known = fingerprint.bytes <= FINGERPRINT_BYTES;
        known.then_some(Self {
            inode: u64::from_le_bytes(inode),
            offset: u64::from_le_bytes(offset),
            fingerprint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_bytes_and_other_bytes_are_none() {
        let place = Place { inode: 7, offset: 9, fingerprint: Fingerprint { bytes: 5, hash: u64::MAX } };
        assert_eq!(Place::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(Place::from_bytes(&[0; 31]), None);
        assert_eq!(Place::from_bytes(&[0xff; 32]), None);
    }

    #[test]
    fn a_fingerprint_is_fnv_1a() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "foobar and more").expect("written");
        let file = File::open(&path).expect("opened");
        let fingerprint = Fingerprint::of(&file, 6).expect("read");
        assert_eq!(fingerprint, Fingerprint { bytes: 6, hash: 0x8594_4171_f739_67e8 });
        assert!(fingerprint.fits(&file));
        std::fs::write(&path, "fooba").expect("written");
        assert!(!fingerprint.fits(&File::open(&path).expect("opened")));
    }
}
