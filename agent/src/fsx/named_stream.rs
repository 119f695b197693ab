//! Opens a device or a FIFO at an output path, after checking which users may have created it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, openat};
use rustix::io::retry_on_intr;

use super::directory::Directory;
use super::file_identity::FileIdentity;
use super::not_an_input::check_facts;
use super::other_users::{is_open_to_others, is_ours};
use super::output_error::OutputError;

/// A character device or a FIFO.
#[derive(Debug)]
pub(super) enum NamedStream {
    /// An open file of this process.
    Descriptor,
    /// One that has this name in this directory.
    Named { directory: Directory, name: OsString, identity: FileIdentity },
}

impl NamedStream {
    /// Follows a name to the stream. In a directory that others may write to, they could plant a stream, or a link to one, to read the output or to block the program.
    ///
    /// # Errors
    /// [`OutputError::Kind`] for such a stream; [`OutputError::Write`] for such a link, and for errors of the system.
    pub fn follow(directory: &Directory, name: &Path, kind: FileType, path: &Path) -> Result<Self, OutputError> {
        let failed = |cause: io::Error| OutputError::Write { path: path.to_owned(), cause };
        let (directory, name, facts) = directory.follow_to_file(name).map_err(failed)?;
        if FileType::from_raw_mode(facts.mode()) != kind {
            return Err(failed(replaced()));
        }
        if !is_ours(facts.uid()) && is_open_to_others(&directory.metadata().map_err(failed)?) {
            let reason = match kind {
                FileType::Fifo => "is a FIFO of another user, in a directory that other users may write to",
                _ => "is a device of another user, in a directory that other users may write to",
            };
            return Err(OutputError::Kind { path: path.to_owned(), reason });
        }
        Ok(Self::Named { directory, name, identity: FileIdentity::of(&facts) })
    }

    /// Opens the stream for writing; waits for a reader.
    ///
    /// # Errors
    /// An error of the system; [`OutputError::Input`] if it is one of the `inputs`.
    pub fn open(&self, path: &Path, inputs: &[&Path]) -> Result<File, OutputError> {
        let failed = |cause: io::Error| OutputError::Write { path: path.to_owned(), cause };
        let Self::Named { directory, name, identity } = self else {
            return OpenOptions::new().write(true).open(path).map_err(failed);
        };
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = retry_on_intr(|| openat(directory, name, flags, Mode::empty()));
        let file = File::from(opened.map_err(|cause| failed(cause.into()))?);
        let facts = file.metadata().map_err(failed)?;
        if FileIdentity::of(&facts) != *identity {
            return Err(failed(replaced()));
        }
        check_facts(path, &facts, inputs)?;
        Ok(file)
    }
}

fn replaced() -> io::Error {
    io::Error::other("it was replaced by something else meanwhile")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::CWD;

    use crate::fsx::output_target::check_stream;

    use super::*;

    #[test]
    fn a_stream_that_another_user_may_have_planted_is_refused() {
        use std::os::unix::fs::{PermissionsExt, chown, lchown};

        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        symlink("/dev/null", at("null")).unwrap();
        symlink("fifo", at("ours")).unwrap();
        let mode = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o1777);
        for name in ["fifo", "null", "ours"] {
            check_stream(&at(name), &[]).unwrap();
        }
        if chown(at("fifo"), Some(4321), None).is_err() {
            eprintln!("*** only root can give files away ***");
            return;
        }
        lchown(at("null"), Some(4321), None).unwrap();
        for open in [0o1777, 0o777, 0o775] {
            mode(open);
            for (name, words) in [
                ("fifo", "is a FIFO of another user"),
                ("ours", "is a FIFO of another user"),
                ("null", "is a symbolic link of user 4321"),
            ] {
                let error = check_stream(&at(name), &[]).unwrap_err();
                assert!(error.to_string().contains(words), "{open:o} {name}: {error}");
                assert!(!error.advice().is_empty(), "{name}");
            }
        }
        // Only root can have created them.
        mode(0o755);
        for name in ["fifo", "null", "ours"] {
            check_stream(&at(name), &[]).unwrap();
        }
    }
}
