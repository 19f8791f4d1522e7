//! A log file and what rotation made of its predecessors: `radius.log`, `radius.log.1`, `radius.log-20261121`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::place::Place;

/// A member of the family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: PathBuf,
    pub(super) inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Member {
    fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(Some(Self {
                path: path.to_owned(),
                inode: found.ino(),
                length: found.len(),
                modified: (found.mtime(), found.mtime_nsec()),
            })),
            Ok(_) => Err(io::Error::other("it is no regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// All members that are there: rotated ones, oldest first, then the file itself.
pub(super) fn members(path: &Path) -> io::Result<Vec<Member>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut rotated = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let order = entry.file_name().to_str().and_then(|found| order_by_name(name, found));
        if let Some(order) = order {
            rotated.extend(Member::at(&entry.path()).ok().flatten().map(|member| (order, member)));
        }
    }
    rotated.sort_by_key(|(order, member)| (member.modified, *order));
    let mut members: Vec<Member> = rotated.into_iter().map(|(_, member)| member).collect();
    members.extend(Member::at(path)?);
    Ok(members)
}

/// Where a rotated file's name puts it among those that were last written at the same moment: a higher `.N` is older,
/// a higher `-DATE` is newer. Compressed files can't be read on, and other names are other logs.
fn order_by_name(name: &str, found: &str) -> Option<i64> {
    let suffix = found.strip_prefix(name)?;
    let digits = suffix.get(1..)?.replace('-', "");
    let number: i64 = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    match suffix.chars().next()? {
        '.' => Some(-number),
        '-' => Some(number),
        _ => None,
    }
}

/// The member a place lies in. Rotation by renaming keeps the inode; rotation by copying keeps only the contents.
pub(super) fn find(members: &[Member], place: &Place) -> Option<usize> {
    let holds = |member: &Member| {
        member.length >= place.offset
            && File::open(&member.path).is_ok_and(|file| place.fingerprint.fits(&file))
    };
    let same_inode = members.iter().position(|member| member.inode == place.inode && holds(member));
    same_inode.or_else(|| {
        if !place.fingerprint.is_telling() {
            return None;
        }
        // Copies of copies: the newest is the one that has everything.
        members.iter().rposition(|member| member.inode != place.inode && holds(member))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_are_the_name_and_digits() {
        assert_eq!(order_by_name("a.log", "a.log.1"), Some(-1));
        assert_eq!(order_by_name("a.log", "a.log-20261121"), Some(20_261_121));
        assert_eq!(order_by_name("a.log", "a.log-20261121-1795"), Some(202_611_211_795));
        for other in ["a.log", "a.log.1.gz", "a.log.bak", "b.log.1", "a.log.", "a.log2", "a.log.+1"] {
            assert_eq!(order_by_name("a.log", other), None, "{other}");
        }
    }
}
