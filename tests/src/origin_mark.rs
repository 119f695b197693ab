//! The origin mark that a save leaves on its file: an extended attribute that is valid only together with the file's name.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};
use sha2::{Digest, Sha256};

/// The attribute.
pub const MARK: &str = "user.etcdsnap.origin";

/// Renames a snapshot as if it was saved at another time, and updates its mark to match.
///
/// # Panics
/// Panics if it cannot be renamed.
pub fn rename_with_mark(from: &Path, to: &Path) {
    let mark = mark_for(from, to);
    fs::rename(from, to).expect("the name is free");
    set(to, mark);
}

/// Copies a snapshot under another name, with the mark that a save under that name would leave.
///
/// # Panics
/// Panics if it cannot be copied.
pub fn copy_with_mark(from: &Path, to: &Path) {
    let mark = mark_for(from, to);
    fs::copy(from, to).expect("the name is free");
    let modified = fs::metadata(from).and_then(|facts| facts.modified()).expect("a file");
    File::options().write(true).open(to).and_then(|file| file.set_modified(modified)).expect("a file of our own");
    set(to, mark);
}

/// Returns whether a file has a mark.
#[must_use]
pub fn has_mark(path: &Path) -> bool {
    getxattr(path, MARK, &mut [0; 512][..]).is_ok()
}

/// Returns the mark of `from`, adapted to the name of `to`; `None` where the file system has no attributes.
fn mark_for(from: &Path, to: &Path) -> Option<String> {
    let mut value = [0; 512];
    let len = getxattr(from, MARK, &mut value[..]).ok()?;
    let mark = String::from_utf8(value[..len].to_vec()).expect("text");
    assert!(mark.contains(&suffix_for_name(from)), "{mark}");
    Some(mark.replace(&suffix_for_name(from), &suffix_for_name(to)))
}

fn set(path: &Path, mark: Option<String>) {
    if let Some(mark) = mark {
        setxattr(path, MARK, mark.as_bytes(), XattrFlags::empty()).expect("another file has one");
    }
}

fn suffix_for_name(path: &Path) -> String {
    let digest = Sha256::digest(path.file_name().expect("a file").as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("name={}", &hex[..16])
}
