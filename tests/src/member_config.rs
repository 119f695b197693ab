//! The configurations of members that a test starts: names, free ports and data directories.

use std::path::{Path, PathBuf};

use crate::free_port;

/// The configuration of a member: its name, ports and data directory.
#[derive(Debug, Clone)]
pub struct MemberConfig {
    /// The member's name.
    pub name: String,
    /// The port for clients.
    pub client: u16,
    /// The port for peers.
    pub peer: u16,
    /// The data directory.
    pub data: PathBuf,
}

impl MemberConfig {
    /// Returns the URL for the other members.
    #[must_use]
    pub fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }

    /// Returns the URL for clients.
    #[must_use]
    pub fn client_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }
}

/// Chooses free ports, and data directories in `folder` that do not exist yet.
///
/// # Panics
/// Panics if no ports are free.
#[must_use]
pub fn member_configs(folder: &Path, names: &[&str]) -> Vec<MemberConfig> {
    // All listeners stay open until every port is chosen, so no port occurs twice.
    let listeners: Vec<_> = (0..names.len() * 2).map(|_| free_port::listener()).collect();
    let port = |index: usize| listeners[index].local_addr().expect("a bound socket").port();
    let member_config = |(index, name): (usize, &&str)| MemberConfig {
        name: (*name).to_owned(),
        client: port(index * 2),
        peer: port(index * 2 + 1),
        data: folder.join(name),
    };
    names.iter().enumerate().map(member_config).collect()
}

/// Returns the value of `--initial-cluster`.
#[must_use]
pub fn initial_cluster(member_configs: &[MemberConfig]) -> String {
    member_configs
        .iter()
        .map(|member_config| format!("{}={}", member_config.name, member_config.peer_url()))
        .collect::<Vec<_>>()
        .join(",")
}
