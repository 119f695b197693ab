//! Why no cluster can be made of the flags of a restore.

/// Why members cannot be made of the flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// A URL that etcd would not take.
    #[error("--{flag}: {url:?} is no peer URL: {reason}")]
    Url {
        /// The flag it stands in, without its dashes.
        flag: &'static str,
        /// As it was given, without user and password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No member at all.
    #[error("--initial-cluster names no member")]
    Empty,
    /// The member to restore is not part of the cluster.
    #[error("--name: {name:?} is not in --initial-cluster, which has {known}")]
    NoSuchName {
        /// The name.
        name: String,
        /// The names that are there.
        known: String,
    },
    /// The URLs to advertise are not those of the cluster's member.
    #[error("--initial-advertise-peer-urls has {advertised}, but --initial-cluster has {listed} for {name:?}")]
    Differ {
        /// The member.
        name: String,
        /// What the one flag says.
        advertised: String,
        /// What the other says.
        listed: String,
    },
    /// A URL stands twice.
    #[error("--initial-cluster has {url} twice")]
    Duplicate {
        /// The URL.
        url: String,
    },
    /// Two members get one id, which takes a collision of SHA-1, or one gets id 0.
    #[error("--initial-cluster: {name:?} cannot have the member id {id:x}")]
    Id {
        /// The member.
        name: String,
        /// The id.
        id: u64,
    },
}
