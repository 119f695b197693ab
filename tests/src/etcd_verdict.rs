//! What a real etcd of a version makes of a snapshot: restored with its own tool, started, and asked.

use std::path::Path;
use std::process::Stdio;

use crate::programs::reference;
use crate::server::{Seat, Servers, program, seats};

/// The user that may do everything in the recorded snapshots with users.
const ROOT: &str = "root:root-secret";

/// One who may read some.
const ALICE: &str = "alice:alice-secret";

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The version's own restore refused the file; what it said.
    NotRestored(String),
    /// The server ended, or never answered; what it said.
    NotStarted(String),
    /// It answers.
    Answers(Service),
}

/// How a server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Keys that root, or everybody, can read, and the revision; none when the server refuses.
    pub keys: Option<(u64, u64)>,
    /// Whether keys can be read without a user.
    pub open: bool,
    /// Whether alice can read what she may, where a server asks who asks.
    pub alice: bool,
    /// Whether root can write, or everybody.
    pub writes: bool,
    /// The same as `keys` after the write.
    pub after_write: Option<(u64, u64)>,
    /// Members that it lists.
    pub members: usize,
    /// Whether it says that it is healthy.
    pub healthy: bool,
}

impl Outcome {
    const BEST: u32 = 6;

    /// How far it came.
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

    /// In the words of `docs/what-etcd-starts-from.md`; `good` is how the unchanged file is served.
    #[must_use]
    pub fn describe(&self, good: &Service) -> String {
        let service = match self {
            Self::NotRestored(_) => return "no restore".to_owned(),
            Self::NotStarted(_) => return "no start".to_owned(),
            Self::Answers(service) => service,
        };
        let mut said = Vec::new();
        match (service.keys, good.keys.unwrap_or_default()) {
            (None, _) => said.push("refuses root".to_owned()),
            (Some((keys, _)), (wanted, _)) if keys != wanted => said.push(format!("{keys} keys instead of {wanted}")),
            (Some((_, revision)), (_, wanted)) if revision != wanted => {
                said.push("another revision".to_owned());
            }
            _ => {}
        }
        if service.open && !good.open {
            said.push("open to all".to_owned());
        }
        if !service.open && !service.alice && good.alice {
            said.push("refuses alice".to_owned());
        }
        if !service.writes && service.keys.is_some() {
            said.push("read-only".to_owned());
        }
        if service.writes && service.after_write.is_none() {
            said.push("no answers after a write".to_owned());
        }
        if !service.healthy && said.is_empty() {
            said.push("unhealthy".to_owned());
        }
        if service.members != good.members && service.keys.is_some() {
            said.push(format!("{} members", service.members));
        }
        if said.is_empty() { SERVES.to_owned() } else { said.join(", ") }
    }
}

/// The outcome of a file that is served whole, to those who should be served.
pub const SERVES: &str = "serves";

/// Restores a snapshot with the tool of a version and starts its server. None when they are not built.
///
/// What fails is tried once more: a machine with other work to do may be slow, and somebody may have taken the port.
///
/// # Panics
/// When the programs cannot be run.
#[must_use]
pub fn observe(version: &str, snapshot: &[u8]) -> Option<Outcome> {
    let first = observe_once(version, snapshot)?;
    if first.rank() == Outcome::BEST {
        return Some(first);
    }
    let second = observe_once(version, snapshot)?;
    Some(if second.rank() > first.rank() { second } else { first })
}

fn observe_once(version: &str, snapshot: &[u8]) -> Option<Outcome> {
    let folder = tempfile::tempdir().expect("a directory");
    let seat = seats(folder.path(), &["m"]).remove(0);
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, snapshot).expect("a file");
    match restore(version, &path, &seat, false)? {
        Err(said) => Some(Outcome::NotRestored(said)),
        Ok(()) => start(version, &seat, folder.path()),
    }
}

/// Starts a server of a version over a data directory, and asks it. None when it is not built.
#[must_use]
pub fn start(version: &str, seat: &Seat, logs: &Path) -> Option<Outcome> {
    Some(match Servers::attempt(version, seat, logs)? {
        Ok(servers) => Outcome::Answers(ask(&servers)),
        Err(said) => Outcome::NotStarted(said),
    })
}

/// Makes a data directory of a snapshot with the tool of a version; what it said when it refused. None when it is not built.
///
/// # Panics
/// When it cannot be run.
#[must_use]
pub fn restore(version: &str, path: &Path, seat: &Seat, skip_hash_check: bool) -> Option<Result<(), String>> {
    // Until 3.4 only etcdctl restores.
    let tool = if version == "3.4" { "etcdctl" } else { "etcdutl" };
    reference(version, tool)?;
    let mut command = program(version, tool)?;
    command.args(["snapshot", "restore"]).arg(path).arg("--data-dir").arg(&seat.data).args(["--name", &seat.name]);
    command.args(["--initial-cluster", &format!("{}={}", seat.name, seat.peer_url())]);
    command.args(["--initial-advertise-peer-urls", &seat.peer_url()]).env("ETCDCTL_API", "3");
    if skip_hash_check {
        command.arg("--skip-hash-check");
    }
    let output = command.stdin(Stdio::null()).output().expect("the tool runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(said) })
}

/// Number of keys and revision, as the header of an answer has them.
fn count(servers: &Servers, user: Option<&str>) -> Option<(u64, u64)> {
    // etcdctl 3.4 has no --count-only.
    let get = ["get", "", "--prefix", "--keys-only", "--limit=1", "--write-out=fields", "--command-timeout=5s"];
    let output = servers.etcdctl(user, &get);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let field = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("\"{name}\" : ")))?;
        line.trim().parse::<u64>().ok()
    };
    output.status.success().then(|| (field("Count").unwrap_or(0), field("Revision").unwrap_or(0)))
}

fn ask(servers: &Servers) -> Service {
    let open = count(servers, None);
    // Asked with a user, a server without authentication refuses.
    let user = if open.is_some() { None } else { Some(ROOT) };
    let keys = open.or_else(|| count(servers, user));
    let members = servers.etcdctl(user, &["member", "list", "--command-timeout=5s"]);
    let healthy = servers.healthy();
    let reads = |from: &str, to: &str, user: &str| {
        let get = ["get", from, to, "--limit=1", "--command-timeout=5s"];
        servers.etcdctl(Some(user), &get).status.success()
    };
    let put = servers.etcdctl(user, &["put", "zz/written", "after the restore", "--command-timeout=5s"]);
    Service {
        keys,
        open: open.is_some(),
        alice: open.is_none() && reads("app/", "app0", ALICE),
        writes: put.status.success(),
        after_write: count(servers, user),
        healthy,
        members: String::from_utf8_lossy(&members.stdout).lines().count(),
    }
}
