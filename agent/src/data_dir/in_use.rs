//! Detects whether a server has a database or a data directory open, without taking a lock, which could keep etcd from starting.
//!
//! bolt takes `flock` on the database, and etcd an open file description lock on each segment that it may write to. Both are listed in `/proc/locks`, the
//! second kind even if the server runs in another container.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};

use super::member_files::{Listing, MemberFiles};

/// Bytes of `/proc/locks` that are read at most.
const MAX_LOCKS_LEN: u64 = 16 << 20;

/// Whether another program has locked a file for writing, as etcd locks its database. False if the system does not say.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    let (Some(place), Ok(locks)) = (LockedFile::of(path), read_locks()) else { return false };
    if locks.contains(&place) {
        return true;
    }
    // On btrfs and overlays, programs see a device that no mount has; the kernel's list of locks has another device, also with major number 0.
    let is_mounted = || read_mounts().map_or(true, |mounts| mounts.contains(&(place.major, place.minor)));
    locks.iter().any(|lock| lock.inode == place.inode && lock.major == 0) && place.major == 0 && !is_mounted()
}

/// Whether a server holds the database or a segment of the log. False if the system does not say.
pub(super) fn is_in_use(files: &MemberFiles, listing: &Listing) -> bool {
    let Ok(locks) = read_locks() else { return false };
    // etcd keeps the locks of its newest segments.
    let newest = listing.segments.last().and_then(|segment| LockedFile::of(&segment.path));
    let places: Vec<LockedFile> = LockedFile::of(&files.database()).into_iter().chain(newest).collect();
    // On some file systems (btrfs, overlays) programs see another device than the kernel's list has: then both files must be in the list.
    places.iter().any(|place| locks.iter().any(|lock| lock == place))
        || (places.len() == 2 && places.iter().all(|place| locks.iter().any(|lock| lock.inode == place.inode)))
}

/// The identity of a file in the kernel's list of locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LockedFile {
    major: u32,
    minor: u32,
    inode: u64,
}

impl LockedFile {
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        Some(Self { major: major(facts.dev()), minor: minor(facts.dev()), inode: facts.ino() })
    }

    /// Parses `fe:00:5663029`: hexadecimal device, decimal inode.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let mut device = || u32::from_str_radix(parts.next()?, 16).ok();
        let (major, minor) = (device()?, device()?);
        Some(Self { major, minor, inode: parts.next()?.parse().ok()? })
    }
}

/// Lists the files that are locked for writing.
fn read_locks() -> io::Result<Vec<LockedFile>> {
    let mut list = String::new();
    File::open("/proc/locks")?.take(MAX_LOCKS_LEN).read_to_string(&mut list)?;
    Ok(list.lines().filter_map(lock).collect())
}

/// Lists the devices of all mounts: the third word of each line, `36 35 98:0 /mnt1 /mnt2 …`, in decimal numbers.
fn read_mounts() -> io::Result<Vec<(u32, u32)>> {
    let mut list = String::new();
    File::open("/proc/self/mountinfo")?.take(MAX_LOCKS_LEN).read_to_string(&mut list)?;
    let device = |line: &str| {
        let (major, minor) = line.split_whitespace().nth(2)?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    Ok(list.lines().filter_map(device).collect())
}

/// Parses `1: FLOCK  ADVISORY  WRITE 10018 fe:00:5663029 0 EOF`. If a program still waits for a lock, there is `->` after its number.
fn lock(line: &str) -> Option<LockedFile> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_held = words.get(1) != Some(&"->") && words.get(3) == Some(&"WRITE");
    words.get(5).filter(|_| is_held).and_then(|place| LockedFile::parse(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_parsed() {
        let place = Some(LockedFile { major: 0xfe, minor: 1, inode: 5_663_029 });
        assert_eq!(lock("1: FLOCK  ADVISORY  WRITE 10018 fe:01:5663029 0 EOF"), place);
        assert_eq!(lock("8: OFDLCK ADVISORY  WRITE -1 fe:01:5663029 0 EOF"), place);
        assert_eq!(lock("3: FLOCK  ADVISORY  READ 10018 fe:01:5663029 0 EOF"), None);
        assert_eq!(lock("13: -> FLOCK  ADVISORY  WRITE 9850 fe:01:5663029 0 EOF"), None);
        assert_eq!(lock(""), None);
    }

    #[test]
    fn a_lock_is_detected() {
        let kept = tempfile::NamedTempFile::new().unwrap();
        let is_listed = || {
            let place = LockedFile::of(kept.path()).unwrap();
            read_locks().unwrap().iter().any(|lock| lock.inode == place.inode)
        };
        assert!(!is_listed() && !is_locked(kept.path()));
        kept.as_file().lock().unwrap();
        assert!(is_listed() && is_locked(kept.path()));
        kept.as_file().unlock().unwrap();
        assert!(!is_listed() && !is_locked(kept.path()));
        // The check takes no lock, and a read lock is not a server's.
        kept.as_file().lock_shared().unwrap();
        assert!(!is_locked(kept.path()));
    }

    #[test]
    fn mounts_are_listed() {
        assert!(!read_mounts().unwrap().is_empty());
    }
}
