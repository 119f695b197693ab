//! Why decryption cannot be set up.

use std::io;
use std::path::PathBuf;

use crate::grouped_number::grouped;
use crate::printable::printable_path;

/// Why decryption cannot be set up. No error text contains a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionError {
    /// The configuration cannot be read.
    #[error("cannot read the encryption configuration {}: {}", printable_path(path), crate::error::plain(cause))]
    Read {
        /// As the caller named it.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// It is neither a regular file nor a pipe.
    #[error("the encryption configuration {} is neither a regular file nor a pipe", printable_path(path))]
    NotAFile {
        /// As the caller named it.
        path: PathBuf,
    },
    /// It is an empty pipe.
    #[error("the pipe {} for the encryption configuration is empty", printable_path(path))]
    EmptyPipe {
        /// As the caller named it.
        path: PathBuf,
    },
    /// It is too long.
    #[error("{} has more than {} bytes, too many for an encryption configuration", printable_path(path), grouped(*limit))]
    TooLong {
        /// As the caller named it.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is not a configuration.
    #[error("{} is not a readable encryption configuration: {}", printable_path(path), crate::printable(reason))]
    Invalid {
        /// As the caller named it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The runtime for calls of KMS plugins could not be started.
    #[error("KMS plugins cannot be called: {0}")]
    Runtime(io::Error),
}

impl DecryptionError {
    /// Says what to do; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::EmptyPipe { .. } => "Check the messages of the program that should have written to the pipe.",
            Self::Runtime(_) => "Raise the limits of file descriptors (ulimit -n) or of memory.",
            _ => {
                "Use the file that kube-apiserver gets as --encryption-provider-config (k3s and RKE2: server/cred/encryption-config.json)."
            }
        }
    }
}
