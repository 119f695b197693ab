//! Whether a server runs on a data directory, found out without taking a lock: that could keep etcd from starting.
//!
//! bolt takes `flock` on the database, and etcd an open file description lock on each segment that it may write to. The kernel tells of a lock of the second kind
//! when it is asked whether another would be granted; those of the first kind stand in `/proc/locks`.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{major, minor};
use rustix::process::{Flock, FlockType, fcntl_getlk};

use super::member_files::{self, Listing, MemberFiles};

/// Bytes of `/proc/locks` that are read.
const MAX_LOCKS: u64 = 16 << 20;

/// Whether a server holds the database or a segment of the log. False where the system does not say.
pub(super) fn is_in_use(files: &MemberFiles, listing: &Listing) -> bool {
    // etcd keeps the locks of the newest segments.
    let newest = listing.segments.last().map(|segment| segment.path.as_path());
    newest.is_some_and(|path| member_files::open(path).is_ok_and(|file| is_write_locked(&file)))
        || is_listed(&files.database())
        || newest.is_some_and(is_listed)
}

/// Whether a lock on the file would keep others from reading. Asking takes none.
fn is_write_locked(file: &File) -> bool {
    let wanted = Flock::from(FlockType::ReadLock);
    matches!(fcntl_getlk(file, &wanted), Ok(Some(_)))
}

/// Whether the kernel's list of locks has one of a writer on this file.
fn is_listed(path: &Path) -> bool {
    let Ok(facts) = fs::metadata(path) else { return false };
    let Ok(list) = read_list() else { return false };
    let place = format!("{:02x}:{:02x}:{}", major(facts.dev()), minor(facts.dev()), facts.ino());
    list.lines().any(|line| is_of(line, &place))
}

fn read_list() -> std::io::Result<String> {
    use std::io::Read;
    let mut list = String::new();
    File::open("/proc/locks")?.take(MAX_LOCKS).read_to_string(&mut list)?;
    Ok(list)
}

/// `1: FLOCK  ADVISORY  WRITE 10018 fe:00:5663029 0 EOF`: device and inode are the sixth word. One that waits has `->` behind its number.
fn is_of(line: &str, place: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.get(1) != Some(&"->") && words.get(3) == Some(&"WRITE") && words.get(5) == Some(&place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        assert!(is_of("1: FLOCK  ADVISORY  WRITE 10018 fe:00:5663029 0 EOF", "fe:00:5663029"));
        assert!(is_of("8: OFDLCK ADVISORY  WRITE -1 fe:00:9990013 0 EOF", "fe:00:9990013"));
        assert!(!is_of("3: FLOCK  ADVISORY  READ 10018 fe:00:5663029 0 EOF", "fe:00:5663029"));
        assert!(!is_of("13: -> FLOCK  ADVISORY  WRITE 9850 fe:00:5744935 0 EOF", "fe:00:5744935"));
        assert!(!is_of("", "fe:00:1"));
    }

    #[test]
    fn locks_are_seen_and_not_taken() {
        let kept = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_listed(kept.path()));
        kept.as_file().lock().unwrap();
        assert!(is_listed(kept.path()));
        kept.as_file().unlock().unwrap();
        assert!(!is_listed(kept.path()) && !is_write_locked(kept.as_file()));
    }
}
