//! The configuration of a save.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::client::ClientConfig;

/// The configuration of a save.
#[derive(Debug, Clone)]
pub struct SaveConfig {
    /// The configuration for reaching the server.
    pub client: ClientConfig,
    /// Which checks must pass before the file gets its name.
    pub verify: SaveVerify,
    /// How to compress the file; `None` means not at all.
    pub compression: Option<Compression>,
    /// Whether to leave out the history that a compaction at the snapshot's own revision removes. The file then differs from the one that the server sent, and everything is checked regardless of `verify`.
    pub compact: bool,
    /// Whether to compare the snapshot with the members of the cluster.
    pub compare: Compare,
    /// Whether to stream if the path leads to standard output or a FIFO; otherwise that is refused.
    pub may_stream: bool,
    /// Whether the path is a directory, in which a name is made; `None` checks whether it exists. A service decides once, so that it does not create a file in place
    /// of a directory that is missing for a while.
    pub is_directory: Option<bool>,
    /// Files that the snapshot must not replace, besides the certificates and keys of `client`.
    pub inputs: Vec<PathBuf>,
    /// How long the server may send no data.
    pub stall_timeout: Duration,
    /// Time limit for the whole save.
    pub timeout: Option<Duration>,
}

impl Default for SaveConfig {
    fn default() -> Self {
        Self {
            client: ClientConfig::default(),
            verify: SaveVerify::Full,
            compression: None,
            compact: false,
            compare: Compare::Usual,
            may_stream: true,
            is_directory: None,
            inputs: Vec::new(),
            stall_timeout: Duration::from_secs(30),
            timeout: None,
        }
    }
}

/// The checks of a save. In any case everything that the server announced must have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveVerify {
    /// The SHA-256, every page and every entry; a compressed file is read back completely.
    #[default]
    Full,
    /// Only the SHA-256.
    Hash,
    /// Nothing: a SHA-256 that does not match is reported, but the file is kept.
    None,
}

/// Whether to compare a snapshot with the members of its cluster when it is in place, to find a diverged member. A server blocks writes while it
/// computes the hash for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compare {
    /// Compare if the database is small enough that hashing it takes each member about a second.
    #[default]
    Usual,
    /// Compare a database of any size.
    Always,
    /// Do not compare.
    Never,
}

/// A compression format with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, level 0 to 9.
    Gzip(u32),
    /// Zstandard, level 1 to 19.
    Zstd(i32),
}

impl Compression {
    /// Returns the extension of such files.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip(_) => "gz",
            Self::Zstd(_) => "zst",
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    /// Parses `gzip`, `zstd`, or either with a colon and a level.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map(str::parse::<u32>).transpose().map_err(|_| "the level is not a number".to_owned())?;
        match (name, level) {
            ("gzip", None) => Ok(Self::Gzip(6)),
            ("gzip", Some(level @ 0..=9)) => Ok(Self::Gzip(level)),
            ("gzip", Some(_)) => Err("gzip has the levels 0 to 9".into()),
            ("zstd", None) => Ok(Self::Zstd(3)),
            ("zstd", Some(level @ 1..=19)) => Ok(Self::Zstd(i32::try_from(level).unwrap_or(3))),
            ("zstd", Some(_)) => Err("zstd has the levels 1 to 19".into()),
            _ => Err("expected zstd or gzip, optionally with :LEVEL".into()),
        }
    }
}
