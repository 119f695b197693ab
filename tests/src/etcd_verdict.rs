//! Restores a snapshot with a version's own tool, starts that version's etcd on it, and queries the server.

use std::path::Path;
use std::process::Stdio;

use crate::programs::reference;
use crate::server::{MemberConfig, Servers, member_configs, program};

/// The user with all rights in the recorded snapshots that have users.
const ROOT: &str = "root:root-secret";

/// A user with some rights.
const ALICE: &str = "alice:alice-secret";

/// The result of restoring and starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The version's own restore refused the file; its message.
    NotRestored(String),
    /// The server ended or never answered; its message.
    NotStarted(String),
    /// The server answers.
    Answers(ServedState),
}

/// The answers of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedState {
    /// Number of keys that root (or anyone) can read, and the revision; `None` if the server refuses.
    pub keys: Option<(u64, u64)>,
    /// Whether anyone can read keys without a user.
    pub open: bool,
    /// Whether alice can read what her role permits, if authentication is on.
    pub alice: bool,
    /// Whether root (or anyone) can write.
    pub writes: bool,
    /// The same as `keys`, after the write.
    pub after_write: Option<(u64, u64)>,
    /// Members that it lists.
    pub members: usize,
    /// Whether its health check passes.
    pub healthy: bool,
}

impl Outcome {
    const BEST: u32 = 6;

    /// Returns a rank: the further the restore and the start got, the higher.
    fn rank(&self) -> u32 {
        match self {
            Self::NotRestored(_) => 0,
            Self::NotStarted(_) => 1,
            Self::Answers(service) => {
                let good = [service.keys.is_some(), service.writes, service.after_write.is_some(), service.healthy];
                2 + good.into_iter().map(u32::from).sum::<u32>()
            }
        }
    }

    /// Describes the outcome as `docs/what-etcd-starts-from.md` does; `good` is the outcome of the unchanged file.
    #[must_use]
    pub fn describe(&self, good: &ServedState) -> String {
        let service = match self {
            Self::NotRestored(_) => return "no restore".to_owned(),
            Self::NotStarted(_) => return "no start".to_owned(),
            Self::Answers(service) => service,
        };
        let mut printed = Vec::new();
        match (service.keys, good.keys.unwrap_or_default()) {
            (None, _) => printed.push("refuses root".to_owned()),
            (Some((keys, _)), (wanted, _)) if keys != wanted => {
                printed.push(format!("{keys} keys instead of {wanted}"))
            }
            (Some((_, revision)), (_, wanted)) if revision != wanted => {
                printed.push("another revision".to_owned());
            }
            _ => {}
        }
        if service.open && !good.open {
            printed.push("open to all".to_owned());
        }
        if !service.open && !service.alice && good.alice {
            printed.push("refuses alice".to_owned());
        }
        if !service.writes && service.keys.is_some() {
            printed.push("read-only".to_owned());
        }
        if service.writes && service.after_write.is_none() {
            printed.push("no answers after a write".to_owned());
        }
        if !service.healthy && printed.is_empty() {
            printed.push("unhealthy".to_owned());
        }
        if service.members != good.members && service.keys.is_some() {
            printed.push(format!("{} members", service.members));
        }
        if printed.is_empty() { SERVES.to_owned() } else { printed.join(", ") }
    }
}

/// Describes an outcome in which everything is served, to the right users.
pub const SERVES: &str = "serves";

/// Restores a snapshot with the tool of a version and starts its server. `None` if they are not built.
///
/// Tries a failure once more: a busy machine may be slow, and another process may have taken the port.
///
/// # Panics
/// Panics if the programs cannot be run.
#[must_use]
pub fn restore_and_start(version: &str, snapshot: &[u8]) -> Option<Outcome> {
    let first = try_once(version, snapshot)?;
    if first.rank() == Outcome::BEST {
        return Some(first);
    }
    let second = try_once(version, snapshot)?;
    Some(if second.rank() > first.rank() { second } else { first })
}

fn try_once(version: &str, snapshot: &[u8]) -> Option<Outcome> {
    let folder = tempfile::tempdir().expect("a directory");
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, snapshot).expect("a file");
    match restore(version, &path, &member_config, false)? {
        Err(printed) => Some(Outcome::NotRestored(printed)),
        Ok(()) => start(version, &member_config, folder.path()),
    }
}

/// Starts a server of a version on a data directory, and queries it. `None` if it is not built.
#[must_use]
pub fn start(version: &str, member_config: &MemberConfig, logs: &Path) -> Option<Outcome> {
    Some(match Servers::try_start(version, member_config, logs)? {
        Ok(servers) => Outcome::Answers(query(&servers)),
        Err(printed) => Outcome::NotStarted(printed),
    })
}

/// Restores a snapshot with the tool of a version; the error is the tool's message. `None` if it is not built.
///
/// # Panics
/// Panics if it cannot be run.
#[must_use]
pub fn restore(
    version: &str,
    path: &Path,
    member_config: &MemberConfig,
    skip_hash_check: bool,
) -> Option<Result<(), String>> {
    // Until 3.4 only etcdctl can restore.
    let tool = if version == "3.4" { "etcdctl" } else { "etcdutl" };
    reference(version, tool)?;
    let mut command = program(version, tool)?;
    command
        .args(["snapshot", "restore"])
        .arg(path)
        .arg("--data-dir")
        .arg(&member_config.data)
        .args(["--name", &member_config.name]);
    command.args(["--initial-cluster", &format!("{}={}", member_config.name, member_config.peer_url())]);
    command.args(["--initial-advertise-peer-urls", &member_config.peer_url()]).env("ETCDCTL_API", "3");
    if skip_hash_check {
        command.arg("--skip-hash-check");
    }
    let output = command.stdin(Stdio::null()).output().expect("the tool runs");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(printed) })
}

/// Returns the number of keys and the revision, from the header of a response.
fn count(servers: &Servers, user: Option<&str>) -> Option<(u64, u64)> {
    // etcdctl 3.4 has no --count-only.
    let get = ["get", "", "--prefix", "--keys-only", "--limit=1", "--write-out=fields", "--command-timeout=5s"];
    let output = servers.etcdctl(user, &get);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(&format!("\"{name}\" : ")))?;
        line.trim().parse::<u64>().ok()
    };
    output.status.success().then(|| (field("Count").unwrap_or(0), field("Revision").unwrap_or(0)))
}

fn query(servers: &Servers) -> ServedState {
    let open = count(servers, None);
    // A server without authentication refuses a request with a user.
    let user = if open.is_some() { None } else { Some(ROOT) };
    let keys = open.or_else(|| count(servers, user));
    let members = servers.etcdctl(user, &["member", "list", "--command-timeout=5s"]);
    let healthy = servers.healthy();
    let reads = |from: &str, to: &str, user: &str| {
        let get = ["get", from, to, "--limit=1", "--command-timeout=5s"];
        servers.etcdctl(Some(user), &get).status.success()
    };
    let put = servers.etcdctl(user, &["put", "zz/written", "after the restore", "--command-timeout=5s"]);
    ServedState {
        keys,
        open: open.is_some(),
        alice: open.is_none() && reads("app/", "app0", ALICE),
        writes: put.status.success(),
        after_write: count(servers, user),
        healthy,
        members: String::from_utf8_lossy(&members.stdout).lines().count(),
    }
}
