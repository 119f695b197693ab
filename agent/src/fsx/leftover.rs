//! Decides whether an apparent leftover of a killed run may belong to another user: its name alone proves nothing in a directory that others may write to.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// Bits of a mode that let the group or others write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Whether only this user can have created and filled a file or directory, on the file system `device`: the effective user owns it,
/// nobody else may write to it, and nothing is mounted there. `facts` must be those of the open file, or of the name without following a link.
pub(crate) fn is_private(facts: &Metadata, device: u64) -> bool {
    facts.uid() == rustix::process::geteuid().as_raw()
        && facts.mode() & WRITABLE_BY_OTHERS == 0
        && facts.dev() == device
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn writable_by_others_or_on_another_device_is_not_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let device = fs::metadata(directory.path()).unwrap().dev();
        for (mode, private) in [(0o600, true), (0o644, true), (0o664, false), (0o666, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let facts = fs::symlink_metadata(&path).unwrap();
            assert_eq!(is_private(&facts, device), private, "{mode:o}");
            assert!(!is_private(&facts, device.wrapping_add(1)));
        }
    }
}
