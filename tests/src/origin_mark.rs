//! The mark that a save leaves on its file: an extended attribute that is the file's own only under its name.

use std::fs;
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
    let mut value = [0; 512];
    let mark = getxattr(from, MARK, &mut value[..]).ok().and_then(|len| String::from_utf8(value[..len].to_vec()).ok());
    fs::rename(from, to).expect("the name is free");
    if let Some(mark) = mark {
        assert!(mark.contains(&of_name(from)), "{mark}");
        let mark = mark.replace(&of_name(from), &of_name(to));
        setxattr(to, MARK, mark.as_bytes(), XattrFlags::empty()).expect("it had one before");
    }
}

fn of_name(path: &Path) -> String {
    let digest = Sha256::digest(path.file_name().expect("a file").as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("name={}", &hex[..16])
}
