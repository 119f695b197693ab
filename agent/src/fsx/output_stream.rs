//! Streams as outputs: standard output and FIFOs, for commands that otherwise create a file.

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::output_error::OutputError;
use super::output_target::{check_output_streams, check_stream, is_stdout};

/// A stream at an output path: bytes are written directly, and no file can replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputStream {
    /// Standard output, under any name.
    Stdout,
    /// A FIFO.
    Fifo,
}

impl OutputStream {
    /// Returns the stream at `path`; `None` if there is no stream. Opens nothing.
    pub fn of(path: &Path) -> Option<Self> {
        match fs::metadata(path) {
            _ if is_stdout(path) => Some(Self::Stdout),
            Ok(facts) if facts.file_type().is_fifo() => Some(Self::Fifo),
            _ => None,
        }
    }

    /// Checks that the stream at `path` is not one of the `inputs`, and may be written to. Opens nothing.
    ///
    /// # Errors
    /// [`OutputError::Input`], [`OutputError::Terminal`]; [`OutputError::Kind`] for a FIFO that another user may have planted.
    pub fn check(self, path: &Path, inputs: &[&Path]) -> Result<(), OutputError> {
        match self {
            Self::Stdout if io::stdout().is_terminal() => Err(OutputError::Terminal { path: path.to_owned() }),
            Self::Stdout => check_output_streams(inputs),
            Self::Fifo => check_stream(path, inputs),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn streams_are_distinguished_from_regular_files() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
        fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("fifo", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        for name in ["fifo", "link"] {
            assert_eq!(OutputStream::of(&at(name)), Some(OutputStream::Fifo), "{name}");
            OutputStream::Fifo.check(&at(name), &[]).unwrap();
        }
        for name in ["-", "/dev/stdout", "/dev/fd/1"] {
            assert_eq!(OutputStream::of(Path::new(name)), Some(OutputStream::Stdout), "{name}");
        }
        for path in [at("file"), at("dangling"), at("new"), at(""), "/dev/null".into(), "./-".into()] {
            assert_eq!(OutputStream::of(&path), None, "{path:?}");
        }
        let error = OutputStream::Fifo.check(&at("fifo"), &[&at("link")]).unwrap_err();
        assert!(matches!(error, OutputError::Input { .. }), "{error}");
    }
}
