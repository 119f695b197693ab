//! What a save is asked to do.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::client::ClientConfig;

/// How a snapshot is saved.
#[derive(Debug, Clone)]
pub struct SaveConfig {
    /// The server.
    pub client: ClientConfig,
    /// What must be sound before the file gets its name.
    pub verify: SaveVerify,
    /// Whether the file is compressed.
    pub compression: Option<Compression>,
    /// Whether history is left out as a compaction at the snapshot's own revision removes it. The file is then not the one that the server sent, and everything is checked whatever `verify` says.
    pub compact: bool,
    /// Whether the snapshot is compared with the members of the cluster.
    pub compare: Compare,
    /// Whether a path that leads to standard output or a FIFO is streamed to; otherwise it is refused.
    pub may_stream: bool,
    /// Whether the path is a directory, in which a name is made; `None` looks whether there is one. A service decides once, so that it does not make a file in the place
    /// of a directory that is gone for a while.
    pub is_directory: Option<bool>,
    /// Files that the snapshot must not replace, beside the certificates and keys of `client`.
    pub inputs: Vec<PathBuf>,
    /// How long the stream may stand still.
    pub stall_timeout: Duration,
    /// How long all of it may take.
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

/// What a save checks. All that the server announced must have come, whatever is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaveVerify {
    /// The SHA-256, every page and every entry; a compressed file is read back whole.
    #[default]
    Full,
    /// The SHA-256 alone.
    Hash,
    /// Nothing: a SHA-256 that does not match is told, and the file kept.
    None,
}

/// Whether a snapshot is compared with the members of its cluster when it is in place, to find a member that has diverged. A server lets no write through while it
/// computes the hash that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compare {
    /// If the database is small enough for that to take each member about a second.
    #[default]
    Usual,
    /// Whatever its size.
    Always,
    /// Not at all.
    Never,
}

/// How a file is compressed, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, level 0 to 9.
    Gzip(u32),
    /// Zstandard, level 1 to 19.
    Zstd(i32),
}

impl Compression {
    /// What names of such files end with.
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

    /// Reads `gzip`, `zstd`, or either with a colon and a level.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = level.map(str::parse::<u32>).transpose().map_err(|_| "the level is no number".to_owned())?;
        match (name, level) {
            ("gzip", None) => Ok(Self::Gzip(6)),
            ("gzip", Some(level @ 0..=9)) => Ok(Self::Gzip(level)),
            ("gzip", Some(_)) => Err("gzip has the levels 0 to 9".into()),
            ("zstd", None) => Ok(Self::Zstd(3)),
            ("zstd", Some(level @ 1..=19)) => Ok(Self::Zstd(i32::try_from(level).unwrap_or(3))),
            ("zstd", Some(_)) => Err("zstd has the levels 1 to 19".into()),
            _ => Err("it is neither zstd nor gzip, with or without :LEVEL".into()),
        }
    }
}
