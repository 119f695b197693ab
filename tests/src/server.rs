//! Real etcd servers over data directories, on the loopback address and free ports. They end with the value, by their own process handle.

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

use crate::free_port;
use crate::programs::{reference, tests_dir};

/// How long a cluster may take to elect its leader, or a server to stop; machines that test are slow at times.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long a server may take that is expected to fail; a good one takes a second.
const ATTEMPT: Duration = Duration::from_secs(12);

/// A member's place: its name, ports and data directory.
#[derive(Debug, Clone)]
pub struct Seat {
    /// The member's name.
    pub name: String,
    /// The port for clients.
    pub client: u16,
    /// The port for peers.
    pub peer: u16,
    /// The data directory.
    pub data: PathBuf,
}

impl Seat {
    /// Where the other members reach it.
    #[must_use]
    pub fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer)
    }

    /// Where clients reach it.
    #[must_use]
    pub fn client_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client)
    }
}

/// Places with free ports, whose data directories would lie in `folder`.
///
/// # Panics
/// When there are no free ports.
#[must_use]
pub fn seats(folder: &Path, names: &[&str]) -> Vec<Seat> {
    // All listeners live until every port is known, so no port comes up twice.
    let listeners: Vec<_> = (0..names.len() * 2).map(|_| free_port::listener()).collect();
    let port = |index: usize| listeners[index].local_addr().expect("a bound socket").port();
    let seat = |(index, name): (usize, &&str)| Seat {
        name: (*name).to_owned(),
        client: port(index * 2),
        peer: port(index * 2 + 1),
        data: folder.join(name),
    };
    names.iter().enumerate().map(seat).collect()
}

/// The value of `--initial-cluster`.
#[must_use]
pub fn initial_cluster(seats: &[Seat]) -> String {
    seats.iter().map(|seat| format!("{}={}", seat.name, seat.peer_url())).collect::<Vec<_>>().join(",")
}

/// Running servers of one version.
pub struct Servers {
    version: String,
    running: Vec<(Seat, Child)>,
    logs: PathBuf,
    /// Flags behind the usual ones, of which the last of a kind counts.
    extra: Vec<String>,
}

impl Servers {
    /// Starts a server in each place and waits until all are healthy. None when the version's etcd is not built.
    ///
    /// # Panics
    /// When one cannot be started, ends, or does not become healthy; its log is shown then.
    #[must_use]
    pub fn start(version: &str, seats: &[Seat], logs: &Path) -> Option<Self> {
        Self::start_with(version, seats, logs, &[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(version: &str, seats: &[Seat], logs: &Path, extra: &[String]) -> Option<Self> {
        let (running, logs, extra) = (Vec::new(), logs.to_owned(), extra.to_vec());
        let mut servers = Self { version: version.to_owned(), running, logs, extra };
        for seat in seats {
            servers.spawn(seat, &initial_cluster(seats), "new")?;
        }
        servers.wait_until_healthy();
        Some(servers)
    }

    /// The same with servers of that version that other commands start.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_commands(version: &str, commands: Vec<(Seat, Command)>, logs: &Path) -> Self {
        let mut servers =
            Self { version: version.to_owned(), running: Vec::new(), logs: logs.to_owned(), extra: Vec::new() };
        for (seat, mut command) in commands {
            servers.run(&seat, &mut command);
        }
        servers.wait_until_healthy();
        servers
    }

    /// Starts a server over a data directory that may be in no state to start from. None when the version's etcd is not built.
    ///
    /// # Errors
    /// What its log says when it ends, or says nothing. A server that answers, but is not healthy, is none.
    pub fn attempt(version: &str, seat: &Seat, logs: &Path) -> Option<Result<Self, String>> {
        let (running, logs) = (Vec::new(), logs.to_owned());
        let mut servers = Self { version: version.to_owned(), running, logs, extra: Vec::new() };
        servers.spawn(seat, &initial_cluster(std::slice::from_ref(seat)), "existing")?;
        let log = servers.log(seat);
        let trouble = servers.trouble(0, ATTEMPT);
        let answers = servers.running[0].1.try_wait().expect("a child").is_none() && health(seat.client).is_ok();
        Some(match trouble.filter(|_| !answers) {
            None => Ok(servers),
            Some(trouble) => {
                drop(servers);
                Err(format!("{trouble}\n{}", fs::read_to_string(log).unwrap_or_default()))
            }
        })
    }

    fn spawn(&mut self, seat: &Seat, initial_cluster: &str, state: &str) -> Option<()> {
        let mut etcd = program(&self.version, "etcd")?;
        etcd.args(["--name", &seat.name])
            .arg("--data-dir")
            .arg(&seat.data)
            .args(["--listen-client-urls", &seat.client_url(), "--advertise-client-urls", &seat.client_url()])
            .args(["--listen-peer-urls", &seat.peer_url(), "--initial-advertise-peer-urls", &seat.peer_url()])
            .args(["--initial-cluster", initial_cluster, "--initial-cluster-state", state])
            .args(&self.extra);
        self.run(seat, &mut etcd);
        Some(())
    }

    fn run(&mut self, seat: &Seat, command: &mut Command) {
        let log = File::options().create(true).append(true).open(self.log(seat)).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        self.running.push((seat.clone(), command.spawn().expect("etcd starts")));
    }

    /// Adds a member to the running cluster and starts it.
    ///
    /// # Panics
    /// When the cluster refuses it, or it does not become healthy.
    pub fn add(&mut self, seat: &Seat, user: Option<&str>) {
        self.join(seat, user, &[]);
        self.wait_until_healthy();
    }

    /// Adds a learner and starts it. It is never healthy, as it answers no reads: it is only waited for until it says how it is.
    ///
    /// # Panics
    /// When the cluster refuses it, or it says nothing.
    pub fn add_learner(&mut self, seat: &Seat) {
        self.join(seat, None, &["--learner"]);
        let index = self.running.len() - 1;
        let since = Instant::now();
        while !self.etcdctl_of(index, None, &["endpoint", "status"]).status.success() {
            assert!(since.elapsed() < PATIENCE, "{} says nothing", seat.name);
            sleep(Duration::from_millis(100));
        }
    }

    fn join(&mut self, seat: &Seat, user: Option<&str>, flags: &[&str]) {
        let url = format!("--peer-urls={}", seat.peer_url());
        let words = [&["member", "add", &seat.name, &url][..], flags].concat();
        let since = Instant::now();
        // etcd takes members in only when the others have been connected for five seconds.
        loop {
            let added = self.etcdctl(user, &words);
            if added.status.success() || since.elapsed() > PATIENCE {
                said(&added);
                break;
            }
            assert!(String::from_utf8_lossy(&added.stderr).contains("unhealthy cluster"), "{added:?}");
            sleep(Duration::from_millis(250));
        }
        let mut all: Vec<Seat> = self.running.iter().map(|(seat, _)| seat.clone()).collect();
        all.push(seat.clone());
        self.spawn(seat, &initial_cluster(&all), "existing").expect("etcd is built");
    }

    /// Whether the first server says that it is healthy.
    #[must_use]
    pub fn healthy(&self) -> bool {
        health(self.running[0].0.client).is_ok_and(|answer| answer.contains(r#""health":"true""#))
    }

    /// What the version's etcdctl says, asking the first server.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn etcdctl(&self, user: Option<&str>, args: &[&str]) -> Output {
        self.etcdctl_of(0, user, args)
    }

    /// The same, asking another server.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn etcdctl_of(&self, index: usize, user: Option<&str>, args: &[&str]) -> Output {
        let mut command = self.client(index);
        if let Some(user) = user {
            command.arg(format!("--user={user}"));
        }
        command.args(args).stdin(Stdio::null()).output().expect("etcdctl runs")
    }

    /// The version's etcdctl with these arguments and the first server's address, not started yet.
    ///
    /// # Panics
    /// When it is not built.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.client(0);
        command.args(args);
        command
    }

    fn client(&self, index: usize) -> Command {
        let mut command = program(&self.version, "etcdctl").expect("etcdctl is built with etcd");
        // etcdctl 3.3 speaks version 2 unless it is told otherwise.
        command.env("ETCDCTL_API", "3").arg(format!("--endpoints={}", self.running[index].0.client_url()));
        command
    }

    /// Revision and hash of each server, which agree in a healthy cluster at rest.
    ///
    /// # Panics
    /// When one does not answer.
    #[must_use]
    pub fn hashes(&self, user: Option<&str>) -> Vec<(u64, u64)> {
        let number = |value: &Value| value.as_u64().expect("a number");
        let ask = |index| {
            let text = said(&self.etcdctl_of(index, user, &["endpoint", "hashkv", "-w", "json"]));
            let answers: Value = serde_json::from_str(&text).expect("JSON");
            let hash = &answers[0]["HashKV"];
            (number(&hash["header"]["revision"]), number(&hash["hash"]))
        };
        (0..self.running.len()).map(ask).collect()
    }

    /// Waits until all servers have the same revision and hash, which is returned.
    ///
    /// # Panics
    /// When they never agree.
    #[must_use]
    pub fn agreed_hash(&self, user: Option<&str>) -> (u64, u64) {
        let since = Instant::now();
        loop {
            let hashes = self.hashes(user);
            if hashes.iter().all(|hash| *hash == hashes[0]) {
                return hashes[0];
            }
            assert!(since.elapsed() < PATIENCE, "the servers disagree: {hashes:?}");
            sleep(Duration::from_millis(100));
        }
    }

    /// All that the first server says of itself: keys at the latest and at some older revisions, members, leases, users and roles, alarms, hashes.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn dump(&self, user: Option<&str>, revisions: &[i64]) -> BTreeMap<String, Value> {
        let out = tempfile::tempdir().expect("a directory");
        let list = revisions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mut history = Command::new(tests_dir().join("reference/bin/history/history"));
        history.args(["-endpoint", &self.running[0].0.client_url(), "-revisions", &list, "-out"]).arg(out.path());
        if let Some(user) = user {
            history.args(["-user", user]);
        }
        said(&history.arg("dump").stdin(Stdio::null()).output().expect("`cargo xtask reference` builds history"));
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON"))
        };
        fs::read_dir(out.path()).expect("a directory").map(read).collect()
    }

    /// Writes from several sides at once to the first server, compacts, revokes leases, and takes so many snapshots meanwhile, as `out/000.db` and so on.
    ///
    /// # Panics
    /// When the server refuses something, or the program is not built.
    pub fn load(&self, out: &Path, snapshots: &str) {
        let mut history = Command::new(tests_dir().join("reference/bin/history/history"));
        history.args(["-endpoint", &self.running[0].0.client_url(), "-snapshots", snapshots, "-out"]).arg(out);
        said(&history.arg("load").stdin(Stdio::null()).output().expect("`cargo xtask reference` builds history"));
    }

    /// Stops every server in its own time.
    ///
    /// # Panics
    /// When one does not stop.
    pub fn stop(mut self) {
        for (_, child) in &self.running {
            kill_process(Pid::from_child(child), Signal::TERM).expect("a running process");
        }
        let since = Instant::now();
        for (seat, child) in &mut self.running {
            while child.try_wait().expect("a child").is_none() {
                assert!(since.elapsed() < PATIENCE, "{} does not stop", seat.name);
                sleep(Duration::from_millis(20));
            }
        }
    }

    /// Kills one server; its data directory stays.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self, index: usize) -> Seat {
        let (seat, mut child) = self.running.remove(index);
        child.kill().expect("a running process");
        child.wait().expect("a child");
        seat
    }

    /// Starts a server that was killed once more.
    ///
    /// # Panics
    /// When it does not become healthy.
    pub fn restart(&mut self, seat: &Seat) {
        self.spawn(seat, &initial_cluster(std::slice::from_ref(seat)), "existing").expect("etcd is built");
        self.wait_until_healthy();
    }

    /// Writes so many values of a megabyte.
    ///
    /// # Panics
    /// When the server refuses one.
    pub fn fill(&self, megabytes: usize) {
        let mut dice = crate::seeded_random::Dice::new(1);
        for number in 0..megabytes {
            let value: String = (0..1_000_000).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
            let mut command = self.command(&["put", &format!("fill/{number}")]);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("etcdctl runs");
            child.stdin.take().expect("a pipe").write_all(value.as_bytes()).expect("etcdctl reads");
            assert!(child.wait().expect("a child").success(), "fill/{number}");
        }
    }

    fn log(&self, seat: &Seat) -> PathBuf {
        self.logs.join(format!("{}-{}.log", seat.name, self.version))
    }

    /// Whether a server is healthy, or has nothing but an alarm, which is restored with the rest: then it reads all the same.
    fn ready(&self, index: usize) -> bool {
        let answer = health(self.running[index].0.client).unwrap_or_default();
        let reads = || self.etcdctl_of(index, None, &["get", "x", "--command-timeout=2s"]).status.success();
        answer.contains(r#""health":"true""#) || (answer.contains(r#""health":"false""#) && reads())
    }

    fn wait_until_healthy(&mut self) {
        let since = Instant::now();
        for index in 0..self.running.len() {
            if let Some(trouble) = self.trouble(index, PATIENCE.saturating_sub(since.elapsed())) {
                let seat = self.running[index].0.clone();
                let log = fs::read_to_string(self.log(&seat)).unwrap_or_default();
                let last: Vec<_> = log.lines().rev().take(15).collect();
                panic!(
                    "etcd {} ({}) {trouble}; the end of its log, last first:\n{}",
                    self.version,
                    seat.name,
                    last.join("\n")
                );
            }
        }
    }

    /// Waits until a server is ready; what is wrong when it is not in time.
    fn trouble(&mut self, index: usize, patience: Duration) -> Option<String> {
        let since = Instant::now();
        loop {
            if self.ready(index) {
                return None;
            }
            if let Some(status) = self.running[index].1.try_wait().expect("a child") {
                return Some(format!("ended early with {status}"));
            }
            if since.elapsed() > patience {
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

/// The standard output of a program that must have succeeded.
///
/// # Panics
/// When it did not.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// A reference program without the caller's own etcd settings; none when it is not built.
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
