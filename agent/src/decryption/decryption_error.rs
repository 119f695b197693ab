//! Why nothing can be decrypted at all.

use std::io;
use std::path::PathBuf;

use crate::grouped_number::grouped;
use crate::printable::printable_path;

/// What opens values cannot be had. No text of it has a secret in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionError {
    /// The configuration cannot be read.
    #[error("cannot read the encryption configuration {}: {}", printable_path(path), crate::error::plain(cause))]
    Read {
        /// As the caller named it.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is no regular file and no pipe.
    #[error("the encryption configuration {} is no regular file and no pipe", printable_path(path))]
    NotAFile {
        /// As the caller named it.
        path: PathBuf,
    },
    /// It is a pipe to which nobody wrote anything.
    #[error("nothing came through the pipe {} for the encryption configuration", printable_path(path))]
    EmptyPipe {
        /// As the caller named it.
        path: PathBuf,
    },
    /// It is too long for one.
    #[error("{} has more than {} bytes, which is no encryption configuration", printable_path(path), grouped(*limit))]
    TooLong {
        /// As the caller named it.
        path: PathBuf,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// It is none.
    #[error("{} is no encryption configuration that can be read: {}", printable_path(path), crate::printable(reason))]
    Invalid {
        /// As the caller named it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No runtime could be started for calls of KMS plugins.
    #[error("KMS plugins cannot be called: {0}")]
    Runtime(io::Error),
}

impl DecryptionError {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::EmptyPipe { .. } => "See what the program says that was to write it.",
            Self::Runtime(_) => "Raise the limits of file descriptors (ulimit -n) or of memory.",
            _ => {
                "The file is the one behind --encryption-provider-config of kube-apiserver (k3s and RKE2: server/cred/encryption-config.json)."
            }
        }
    }
}
