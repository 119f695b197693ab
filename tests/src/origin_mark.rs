//! The mark that a save leaves on its file: an extended attribute that is the file's own only under its name.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use sha2::{Digest, Sha256};

/// The attribute.
pub const MARK: &str = "user.etcdsnap.origin";

/// Gives a snapshot the name that it would have had at another time, and the mark that it would have had then.
///
/// # Panics
/// When it cannot be renamed.
pub fn rename_with_mark(from: &Path, to: &Path) {
    let mark = mark_for(from, to);
    fs::rename(from, to).expect("the name is free");
    set(to, mark);
}

/// Makes a copy with another name, and with the mark that it would have had if it had been saved under that name.
///
/// # Panics
/// When it cannot be copied.
pub fn copy_with_mark(from: &Path, to: &Path) {
    let mark = mark_for(from, to);
    fs::copy(from, to).expect("the name is free");
    let modified = fs::metadata(from).and_then(|facts| facts.modified()).expect("a file");
    File::options().write(true).open(to).and_then(|file| file.set_modified(modified)).expect("a file of our own");
    set(to, mark);
}

/// Whether a file has a mark.
#[must_use]
pub fn has_mark(path: &Path) -> bool {
    getxattr(path, MARK, &mut [0; 512][..]).is_ok()
}

/// The mark of one file as another would have it; none where files have no marks.
fn mark_for(from: &Path, to: &Path) -> Option<String> {
    let mut value = [0; 512];
    let len = getxattr(from, MARK, &mut value[..]).ok()?;
    let mark = String::from_utf8(value[..len].to_vec()).expect("text");
    assert!(mark.contains(&of_name(from)), "{mark}");
    Some(mark.replace(&of_name(from), &of_name(to)))
}

fn set(path: &Path, mark: Option<String>) {
    if let Some(mark) = mark {
        setxattr(path, MARK, mark.as_bytes(), XattrFlags::empty()).expect("another file has one");
    }
}

fn of_name(path: &Path) -> String {
    let digest = Sha256::digest(path.file_name().expect("a file").as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("name={}", &hex[..16])
}
