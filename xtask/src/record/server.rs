//! Runs clusters of real etcd servers on the loopback address, in a temporary directory, until the value is dropped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{reference, repo};

/// How long a cluster may take to elect its leader, or a server to stop.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Running servers of one version.
pub struct Cluster {
    version: String,
    members: Vec<Member>,
    folder: TempDir,
}

struct Member {
    process: Child,
    client: u16,
    data: PathBuf,
}

/// The configuration of a member before its server runs.
pub struct MemberConfig {
    pub name: String,
    client: u16,
    peer: u16,
    pub data: PathBuf,
}

impl MemberConfig {
    pub fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }
}

/// Chooses names, free ports and data directories for a cluster of `count` members.
pub fn member_configs(folder: &Path, count: usize) -> Result<Vec<MemberConfig>> {
    // All listeners stay open until every port is chosen, so no port occurs twice.
    let listeners = (0..count * 2).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<std::io::Result<Vec<_>>>()?;
    let ports = listeners.iter().map(|l| Ok(l.local_addr()?.port())).collect::<std::io::Result<Vec<_>>>()?;
    let member_config = |(i, pair): (usize, &[u16])| {
        let name = format!("member-{}", i + 1);
        MemberConfig { client: pair[0], peer: pair[1], data: folder.join(&name), name }
    };
    Ok(ports.chunks_exact(2).enumerate().map(member_config).collect())
}

/// Returns the value of `--initial-cluster`.
fn initial_cluster(member_configs: &[MemberConfig]) -> String {
    member_configs
        .iter()
        .map(|member_config| format!("{}={}", member_config.name, member_config.peer_url()))
        .collect::<Vec<_>>()
        .join(",")
}

/// Restores a snapshot into the data directory of the first member with the version's own program; returns the program's name.
pub fn restore(
    version: &str,
    snapshot: &Path,
    member_configs: &[MemberConfig],
    flags: &[&str],
) -> Result<&'static str> {
    // Before 3.5, the restore command is part of etcdctl.
    let tool = if ["3.3", "3.4"].contains(&version) { "etcdctl" } else { "etcdutl" };
    let mut restore = program(version, tool);
    restore
        .args(["snapshot", "restore"])
        .arg(snapshot)
        .arg("--data-dir")
        .arg(&member_configs[0].data)
        .args(["--name", &member_configs[0].name])
        .args(["--initial-cluster", &initial_cluster(member_configs)])
        .args(["--initial-advertise-peer-urls", &member_configs[0].peer_url()])
        .args(flags);
    repo::capture(&mut restore)?;
    Ok(tool)
}

impl Cluster {
    /// Starts a new cluster and waits until it has a leader.
    pub fn start(version: &str, count: usize, flags: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let member_configs = member_configs(folder.path(), count)?;
        Self::start_in(version, folder, member_configs, flags)
    }

    /// Starts the given members, whose data directories may hold a restored snapshot.
    pub fn start_in(version: &str, folder: TempDir, member_configs: Vec<MemberConfig>, flags: &[&str]) -> Result<Self> {
        let initial = initial_cluster(&member_configs);
        let mut cluster = Self { version: version.to_owned(), members: Vec::new(), folder };
        for member_config in member_configs {
            let log = File::create(cluster.folder.path().join(format!("{}.log", member_config.name)))?;
            let client = format!("http://127.0.0.1:{}", member_config.client);
            let process = program(version, "etcd")
                .args(["--name", &member_config.name])
                .arg("--data-dir")
                .arg(&member_config.data)
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args([
                    "--listen-peer-urls",
                    &member_config.peer_url(),
                    "--initial-advertise-peer-urls",
                    &member_config.peer_url(),
                ])
                .args(["--initial-cluster", &initial, "--initial-cluster-state", "new"])
                .args(flags)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()
                .context("cannot start etcd")?;
            cluster.members.push(Member { process, client: member_config.client, data: member_config.data });
        }
        cluster.wait_until_healthy()?;
        Ok(cluster)
    }

    pub fn endpoint(&self) -> String {
        endpoint(self.members[0].client)
    }

    /// Returns `etcdctl` of the cluster's own version, with the address of its first member.
    pub fn etcdctl(&self, user: Option<&str>) -> Command {
        let mut command = program(&self.version, "etcdctl");
        command.arg(format!("--endpoints={}", self.endpoint()));
        if let Some(user) = user {
            command.arg(format!("--user={user}"));
        }
        command
    }

    /// Returns our own `history` program, with the address of the first member.
    pub fn ask(&self, history: &Path, user: Option<&str>) -> Command {
        let mut command = Command::new(history);
        command.args(["--endpoint", &self.endpoint()]);
        if let Some(user) = user {
            command.args(["--user", user]);
        }
        command
    }

    /// Saves a snapshot of the first member.
    pub fn save(&self, user: Option<&str>, to: &Path) -> Result<()> {
        repo::capture(self.etcdctl(user).args(["snapshot", "save"]).arg(to)).map(drop)
    }

    /// Stops every member gracefully and copies the first member's database.
    pub fn stop_and_copy_db(mut self, to: &Path) -> Result<()> {
        for member in &mut self.members {
            let pid = Pid::from_child(&member.process);
            kill_process(pid, Signal::TERM)?;
            let since = Instant::now();
            while member.process.try_wait()?.is_none() {
                ensure!(since.elapsed() < TIMEOUT, "etcd does not stop");
                sleep(Duration::from_millis(20));
            }
        }
        fs::copy(self.members[0].data.join("member/snap/db"), to)?;
        Ok(())
    }

    fn wait_until_healthy(&mut self) -> Result<()> {
        let since = Instant::now();
        for member in &mut self.members {
            while !ready(&self.version, member.client) {
                if let Some(status) = member.process.try_wait()? {
                    bail!("etcd {} ended early with {status}", self.version);
                }
                ensure!(since.elapsed() < TIMEOUT, "etcd {} does not become healthy", self.version);
                sleep(Duration::from_millis(50));
            }
        }
        // The cluster version is decided a moment after the leader is elected, and written to the file.
        sleep(Duration::from_millis(1_500));
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

/// Returns a reference program without the caller's etcd environment variables.
pub fn program(version: &str, name: &str) -> Command {
    let mut command = Command::new(reference::program(version, name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("ETCD") {
            command.env_remove(variable);
        }
    }
    if version == "3.3" && name == "etcdctl" {
        command.env("ETCDCTL_API", "3");
    }
    command
}

fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Returns whether a member is healthy, or only has an alarm, which a restore keeps and with which it still serves reads.
fn ready(version: &str, port: u16) -> bool {
    let answer = health(port).unwrap_or_default();
    let reads = || {
        let mut get = program(version, "etcdctl");
        get.arg(format!("--endpoints={}", endpoint(port))).args(["--command-timeout=2s", "get", "x"]);
        repo::capture(&mut get).is_ok()
    };
    answer.contains(r#""health":"true""#) || (answer.contains(r#""health":"false""#) && reads())
}

fn health(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
