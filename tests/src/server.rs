//! Runs real etcd servers with a data directory, on the loopback address and free ports. They are killed when the value is dropped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub use crate::member_config::{MemberConfig, initial_cluster, member_configs};
use crate::programs::{reference, tests_dir};

/// How long a cluster may take to elect its leader, or a server to stop; test machines may be slow.
const TIMEOUT: Duration = Duration::from_secs(90);

/// How long to wait for a server that may be unable to start; a good one takes a second.
const START_TIMEOUT: Duration = Duration::from_secs(12);

/// Running servers of one version.
pub struct Servers {
    version: String,
    running: Vec<(MemberConfig, Child)>,
    logs: PathBuf,
    /// Flags after the usual ones; if etcd gets a flag twice, it uses the last one.
    extra: Vec<String>,
}

impl Servers {
    /// Starts a server for each member and waits until all are healthy. `None` if the version's etcd is not built.
    ///
    /// # Panics
    /// Panics, with the server's log, if one cannot be started, ends, or does not become healthy.
    #[must_use]
    pub fn start(version: &str, member_configs: &[MemberConfig], logs: &Path) -> Option<Self> {
        Self::start_with(version, member_configs, logs, &[])
    }

    /// Starts the servers with additional flags.
    ///
    /// # Panics
    /// Panics as [`start`](Self::start) does.
    #[must_use]
    pub fn start_with(version: &str, member_configs: &[MemberConfig], logs: &Path, extra: &[String]) -> Option<Self> {
        let (running, logs, extra) = (Vec::new(), logs.to_owned(), extra.to_vec());
        let mut servers = Self { version: version.to_owned(), running, logs, extra };
        for member_config in member_configs {
            servers.spawn(member_config, &initial_cluster(member_configs), "new")?;
        }
        servers.wait_until_healthy();
        Some(servers)
    }

    /// Starts servers of that version by the given commands.
    ///
    /// # Panics
    /// Panics as [`start`](Self::start) does.
    #[must_use]
    pub fn start_commands(version: &str, commands: Vec<(MemberConfig, Command)>, logs: &Path) -> Self {
        let mut servers =
            Self { version: version.to_owned(), running: Vec::new(), logs: logs.to_owned(), extra: Vec::new() };
        for (member_config, mut command) in commands {
            servers.run(&member_config, &mut command);
        }
        servers.wait_until_healthy();
        servers
    }

    /// Starts a server on a data directory from which it may be unable to start. `None` if the version's etcd is not built.
    ///
    /// # Errors
    /// Returns the server's log if it ends or stays silent. A server that answers without being healthy is a success.
    pub fn try_start(version: &str, member_config: &MemberConfig, logs: &Path) -> Option<Result<Self, String>> {
        let (running, logs) = (Vec::new(), logs.to_owned());
        let mut servers = Self { version: version.to_owned(), running, logs, extra: Vec::new() };
        servers.spawn(member_config, &initial_cluster(std::slice::from_ref(member_config)), "existing")?;
        let log = servers.log(member_config);
        let wait_until_ready = servers.wait_until_ready(0, START_TIMEOUT);
        let answers =
            servers.running[0].1.try_wait().expect("a child").is_none() && health(member_config.client).is_ok();
        Some(match wait_until_ready.filter(|_| !answers) {
            None => Ok(servers),
            Some(wait_until_ready) => {
                drop(servers);
                Err(format!("{wait_until_ready}\n{}", fs::read_to_string(log).unwrap_or_default()))
            }
        })
    }

    fn spawn(&mut self, member_config: &MemberConfig, initial_cluster: &str, state: &str) -> Option<()> {
        let mut etcd = program(&self.version, "etcd")?;
        etcd.args(["--name", &member_config.name])
            .arg("--data-dir")
            .arg(&member_config.data)
            .args([
                "--listen-client-urls",
                &member_config.client_url(),
                "--advertise-client-urls",
                &member_config.client_url(),
            ])
            .args([
                "--listen-peer-urls",
                &member_config.peer_url(),
                "--initial-advertise-peer-urls",
                &member_config.peer_url(),
            ])
            .args(["--initial-cluster", initial_cluster, "--initial-cluster-state", state])
            .args(&self.extra);
        self.run(member_config, &mut etcd);
        Some(())
    }

    fn run(&mut self, member_config: &MemberConfig, command: &mut Command) {
        let log = File::options().create(true).append(true).open(self.log(member_config)).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.running.push((member_config.clone(), command.spawn().expect("etcd starts")));
    }

    /// Adds a member to the running cluster and starts it.
    ///
    /// # Panics
    /// Panics if the cluster refuses it, or it does not become healthy.
    pub fn add_member(&mut self, member_config: &MemberConfig, user: Option<&str>) {
        self.join(member_config, user, &[]);
        self.wait_until_healthy();
    }

    /// Adds a learner and starts it. A learner serves no reads, so it never becomes healthy; this waits only until it reports its status.
    ///
    /// # Panics
    /// Panics if the cluster refuses it, or it reports nothing.
    pub fn add_learner(&mut self, member_config: &MemberConfig) {
        self.join(member_config, None, &["--learner"]);
        let index = self.running.len() - 1;
        let since = Instant::now();
        while !self.etcdctl_of(index, None, &["endpoint", "status"]).status.success() {
            assert!(since.elapsed() < TIMEOUT, "{} says nothing", member_config.name);
            sleep(Duration::from_millis(100));
        }
    }

    fn join(&mut self, member_config: &MemberConfig, user: Option<&str>, flags: &[&str]) {
        let url = format!("--peer-urls={}", member_config.peer_url());
        let words = [&["member", "add", &member_config.name, &url][..], flags].concat();
        let since = Instant::now();
        // etcd adds members only after the others have been connected for five seconds.
        loop {
            let added = self.etcdctl(user, &words);
            if added.status.success() || since.elapsed() > TIMEOUT {
                stdout_of(&added);
                break;
            }
            assert!(String::from_utf8_lossy(&added.stderr).contains("unhealthy cluster"), "{added:?}");
            sleep(Duration::from_millis(250));
        }
        let mut all: Vec<MemberConfig> = self.running.iter().map(|(member_config, _)| member_config.clone()).collect();
        all.push(member_config.clone());
        self.spawn(member_config, &initial_cluster(&all), "existing").expect("etcd is built");
    }

    /// Returns whether the first server's health check passes.
    #[must_use]
    pub fn healthy(&self) -> bool {
        health(self.running[0].0.client).is_ok_and(|answer| answer.contains(r#""health":"true""#))
    }

    /// Runs the version's etcdctl against the first server.
    ///
    /// # Panics
    /// Panics if it is not built.
    #[must_use]
    pub fn etcdctl(&self, user: Option<&str>, args: &[&str]) -> Output {
        self.etcdctl_of(0, user, args)
    }

    /// Runs the version's etcdctl against another server.
    ///
    /// # Panics
    /// Panics if it is not built.
    #[must_use]
    pub fn etcdctl_of(&self, index: usize, user: Option<&str>, args: &[&str]) -> Output {
        let mut command = self.client(index);
        if let Some(user) = user {
            command.arg(format!("--user={user}"));
        }
        command.args(args).stdin(Stdio::null()).output().expect("etcdctl runs")
    }

    /// Returns the version's etcdctl with these arguments and the first server's address, not started yet.
    ///
    /// # Panics
    /// Panics if it is not built.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.client(0);
        command.args(args);
        command
    }

    fn client(&self, index: usize) -> Command {
        let mut command = program(&self.version, "etcdctl").expect("etcdctl is built with etcd");
        // etcdctl 3.3 uses API version 2 by default.
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={}", self.running[index].0.client_url()));
        command
    }

    /// Returns revision and hash of each server, which are equal in a healthy cluster without writes.
    ///
    /// # Panics
    /// Panics if one does not answer.
    #[must_use]
    pub fn hashes(&self, user: Option<&str>) -> Vec<(u64, u64)> {
        let number = |value: &Value| value.as_u64().expect("a number");
        let ask = |index| {
            let text = stdout_of(&self.etcdctl_of(index, user, &["endpoint", "hashkv", "-w", "json"]));
            let answers: Value = serde_json::from_str(&text).expect("JSON");
            let hash = &answers[0]["HashKV"];
            (number(&hash["header"]["revision"]), number(&hash["hash"]))
        };
        (0..self.running.len()).map(ask).collect()
    }

    /// Waits until all servers report the same revision and hash, and returns it.
    ///
    /// # Panics
    /// Panics if they never agree.
    #[must_use]
    pub fn agreed_hash(&self, user: Option<&str>) -> (u64, u64) {
        let since = Instant::now();
        loop {
            let hashes = self.hashes(user);
            if hashes.iter().all(|hash| *hash == hashes[0]) {
                return hashes[0];
            }
            assert!(since.elapsed() < TIMEOUT, "the servers disagree: {hashes:?}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Queries everything from the first server: keys at the latest and at some older revisions, members, leases, users and roles, alarms, hashes.
    ///
    /// # Panics
    /// Panics if it cannot be queried.
    #[must_use]
    pub fn dump(&self, user: Option<&str>, revisions: &[i64]) -> BTreeMap<String, Value> {
        let out = tempfile::tempdir().expect("a directory");
        let list = revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut history = Command::new(tests_dir().join("reference/bin/history/history"));
        history.args(["-endpoint", &self.running[0].0.client_url(), "-revisions", &list, "-out"]).arg(out.path());
        if let Some(user) = user {
            history.args(["-user", user]);
        }
        stdout_of(&history.arg("dump").stdin(Stdio::null()).output().expect("`cargo xtask reference` builds history"));
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON"))
        };
        fs::read_dir(out.path()).expect("a directory").map(read).collect()
    }

    /// Writes to the first server from several clients at once, compacts, revokes leases, and takes this many snapshots meanwhile, as `out/000.db` and so on.
    ///
    /// # Panics
    /// Panics if the server refuses a request, or the program is not built.
    pub fn load(&self, out: &Path, snapshots: &str) {
        let mut history = Command::new(tests_dir().join("reference/bin/history/history"));
        history.args(["-endpoint", &self.running[0].0.client_url(), "-snapshots", snapshots, "-out"]).arg(out);
        stdout_of(&history.arg("load").stdin(Stdio::null()).output().expect("`cargo xtask reference` builds history"));
    }

    /// Stops every server gracefully.
    ///
    /// # Panics
    /// Panics if one does not stop.
    pub fn stop(mut self) {
        for (_, child) in &self.running {
            kill_process(Pid::from_child(child), Signal::TERM).expect("a running process");
        }
        let since = Instant::now();
        for (member_config, child) in &mut self.running {
            while child.try_wait().expect("a child").is_none() {
                assert!(since.elapsed() < TIMEOUT, "{} does not stop", member_config.name);
                sleep(Duration::from_millis(20));
            }
        }
    }

    /// Kills one server; its data directory stays.
    ///
    /// # Panics
    /// Panics if it cannot be killed.
    pub fn kill(&mut self, index: usize) -> MemberConfig {
        let (member_config, mut child) = self.running.remove(index);
        child.kill().expect("a running process");
        child.wait().expect("a child");
        member_config
    }

    /// Restarts a server that was killed.
    ///
    /// # Panics
    /// Panics if it does not become healthy.
    pub fn restart(&mut self, member_config: &MemberConfig) {
        self.spawn(member_config, &initial_cluster(std::slice::from_ref(member_config)), "existing")
            .expect("etcd is built");
        self.wait_until_healthy();
    }

    /// Writes this many values of a megabyte.
    ///
    /// # Panics
    /// Panics if the server refuses one.
    pub fn put_megabytes(&self, megabytes: usize) {
        let mut rng = crate::seeded_random::SeededRandom::new(1);
        for number in 0..megabytes {
            let value: String = (0..1_000_000).map(|_| char::from(b'a' + rng.below(26) as u8)).collect();
            let mut command = self.command(&["put", &format!("fill/{number}")]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("etcdctl runs");
            child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("etcdctl reads");
            assert!(child.wait().expect("a child").success(), "fill/{number}");
        }
    }

    fn log(&self, member_config: &MemberConfig) -> PathBuf {
        self.logs.join(format!("{}-{}.log", member_config.name, self.version))
    }

    /// Returns whether a server is healthy, or only has an alarm, which a restore keeps and with which it still serves reads.
    fn ready(&self, index: usize) -> bool {
        let answer = health(self.running[index].0.client).unwrap_or_default();
        let reads = || self.etcdctl_of(index, None, &["get", "x", "--command-timeout=2s"]).status.success();
        answer.contains(r#""health":"true""#) || (answer.contains(r#""health":"false""#) && reads())
    }

    fn wait_until_healthy(&mut self) {
        let since = Instant::now();
        for index in 0..self.running.len() {
            if let Some(wait_until_ready) = self.wait_until_ready(index, TIMEOUT.saturating_sub(since.elapsed())) {
                let member_config = self.running[index].0.clone();
                let log = fs::read_to_string(self.log(&member_config)).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(15).collect();
                panic!(
                    "etcd {} ({}) {wait_until_ready}; the end of its log, last first:\n{}",
                    self.version,
                    member_config.name,
                    last.join("\n")
                );
            }
        }
    }

    /// Waits until a server is ready; returns a description if it does not become ready in time.
    fn wait_until_ready(&mut self, index: usize, timeout: Duration) -> Option<String> {
        let since = Instant::now();
        loop {
            if self.ready(index) {
                return None;
            }
            if let Some(status) = self.running[index].1.try_wait().expect("a child") {
                return Some(format!("ended early with {status}"));
            }
            if since.elapsed() > timeout {
                return Some("does not become healthy".to_owned());
            }
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Returns the standard output of a program that must have succeeded.
///
/// # Panics
/// Panics if it failed.
pub fn stdout_of(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Returns a reference program without the caller's etcd environment variables; `None` if it is not built.
#[must_use]
pub fn program(version: &str, name: &str) -> Option<Command> {
    let mut command = Command::new(reference(version, name)?);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("ETCD") {
            command.env_remove(variable);
        }
    }
    Some(command)
}

fn health(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
