//! Why a save failed, as a label for metrics.

use super::SaveError;
use crate::client::ClientError;
use crate::fsx::output_error::OutputError;

/// The cause of a failure, as metrics and logs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureCause {
    /// No server was reached.
    Connect,
    /// A server refused.
    Refused,
    /// The stream broke, or its messages are inconsistent.
    Stream,
    /// The stream stalled.
    Stalled,
    /// The received snapshot is damaged.
    Damaged,
    /// The file could not be written or read.
    Disk,
    /// It took longer than `--command-timeout`.
    Deadline,
    /// The flags can never lead to a snapshot.
    Configuration,
    /// The caller asked to stop.
    Cancelled,
}

impl FailureCause {
    /// All causes.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Refused,
        Self::Stream,
        Self::Stalled,
        Self::Damaged,
        Self::Disk,
        Self::Deadline,
        Self::Configuration,
        Self::Cancelled,
    ];

    /// Returns the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Refused => "refused",
            Self::Stream => "stream",
            Self::Stalled => "stalled",
            Self::Damaged => "damaged",
            Self::Disk => "disk",
            Self::Deadline => "deadline",
            Self::Configuration => "configuration",
            Self::Cancelled => "cancelled",
        }
    }
}

impl SaveError {
    /// Returns the cause, for metrics.
    #[must_use]
    pub fn cause(&self) -> FailureCause {
        use FailureCause::{Cancelled, Configuration, Connect, Damaged, Deadline, Disk, Refused, Stalled, Stream};
        match self {
            Self::Client(ClientError::Refused { .. }) => Refused,
            // Like a server, a name server may be unreachable only for a while.
            Self::Client(
                ClientError::Unreachable { .. } | ClientError::Handshake { .. } | ClientError::Discovery { .. },
            ) => Connect,
            Self::Client(ClientError::Broken { .. }) | Self::Incomplete { .. } => Stream,
            Self::Target(OutputError::Write { .. }) => Disk,
            Self::Target(_)
            | Self::Client(_)
            | Self::Endpoints(_)
            | Self::Clusters(..)
            | Self::Name { .. }
            | Self::Taken { .. }
            | Self::Clock => Configuration,
            Self::All(errors) => errors.last().map_or(Connect, Self::cause),
            Self::Stalled { .. } => Stalled,
            Self::Sha256 { .. } | Self::Damaged { .. } | Self::Compact(_) => Damaged,
            Self::Space { .. }
            | Self::Write { .. }
            | Self::NoDirectory { .. }
            | Self::NotSynced { .. }
            | Self::Swapped(_)
            | Self::NotVerified(_) => Disk,
            Self::NotProven { .. } => Damaged,
            Self::CutShort(error) => error.cause(),
            Self::Deadline(_) => Deadline,
            Self::Cancelled => Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_listed_once_in_order() {
        let words = FailureCause::ALL.map(FailureCause::as_str);
        for (number, cause) in FailureCause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, number);
            assert_eq!(words.iter().filter(|word| **word == cause.as_str()).count(), 1);
        }
        // `Cancelled` is the last one: a variant added after it would be missed here.
        assert_eq!(FailureCause::ALL.len(), FailureCause::Cancelled as usize + 1);
    }
}
