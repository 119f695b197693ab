//! Runs a Kubernetes control plane on the loopback address: etcd, kube-apiserver, and optionally its controllers. It ends when the value is dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::server::Cluster;
use crate::{reference, repo};

/// The etcd version that Kubernetes 1.37 ships.
const ETCD: &str = "3.6";

/// How long a server may take to become ready.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A token with all rights, valid only for the recording's own server.
const TOKEN: &str = "recording";

/// The running servers.
pub struct Kubernetes {
    folder: TempDir,
    port: u16,
    proxy: u16,
    server: Option<Process>,
    _forwarder: Option<Process>,
    controllers: Vec<Process>,
    // etcd is the last field, so it stops last: without it the API server would hang.
    pub etcd: Cluster,
}

/// A program that is killed when the value is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a program with its output in a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(child.with_context(|| format!("cannot start {}", command.get_program().display()))?))
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.0), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An answer of the API server.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Kubernetes {
    /// Starts etcd, and the API server with an optional EncryptionConfiguration.
    pub fn start(encryption: Option<&Path>, flags: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let etcd = Cluster::start(ETCD, 1, &[])?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        drop(listener);
        let path = folder.path();
        let mut openssl = Command::new("openssl");
        repo::capture(
            openssl
                .args(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"])
                .arg(path.join("accounts.pem")),
        )?;
        fs::write(path.join("tokens.csv"), format!("{TOKEN},recorder,recorder,system:masters\n"))?;
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{{name: a, context: {{cluster: a, user: a}}}}]\nclusters: [{{name: a, cluster: {{server: \"https://127.0.0.1:{port}\", insecure-skip-tls-verify: true}}}}]\nusers: [{{name: a, user: {{token: {TOKEN}}}}}]\n"
        );
        fs::write(path.join("config"), config)?;
        let mut kubernetes =
            Self { folder, port, proxy: 0, server: None, _forwarder: None, controllers: Vec::new(), etcd };
        kubernetes.serve(encryption, flags)?;
        kubernetes.forward()?;
        Ok(kubernetes)
    }

    /// Starts the API server, replacing the running one.
    pub fn serve(&mut self, encryption: Option<&Path>, flags: &[&str]) -> Result<()> {
        self.server = None;
        let path = self.folder.path();
        let mut command = Command::new(reference::program("apiserver", "kube-apiserver"));
        command
            .arg(format!("--etcd-servers={}", self.etcd.endpoint()))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
            .arg(format!("--secure-port={}", self.port))
            .arg(format!("--cert-dir={}", path.join("certificates").display()))
            .arg(format!("--token-auth-file={}", path.join("tokens.csv").display()))
            .args(["--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc"])
            .arg(format!("--service-account-key-file={}", path.join("accounts.pem").display()))
            .arg(format!("--service-account-signing-key-file={}", path.join("accounts.pem").display()))
            .args(["--service-cluster-ip-range=10.96.0.0/16", "--etcd-compaction-interval=0"])
            .args(flags);
        if let Some(encryption) = encryption {
            command.arg(format!("--encryption-provider-config={}", encryption.display()));
        }
        self.server = Some(Process::start(&mut command, &path.join("kube-apiserver.log"))?);
        let since = Instant::now();
        while repo::capture(self.kubectl().args(["get", "--raw", "/readyz"])).is_err() {
            if let Some(Process(child)) = &mut self.server
                && let Some(status) = child.try_wait()?
            {
                let log = fs::read_to_string(path.join("kube-apiserver.log")).unwrap_or_default();
                let lines: Vec<&str> = log.lines().rev().take(10).collect();
                bail!("kube-apiserver ended early with {status}:\n{}", lines.join("\n"));
            }
            ensure!(since.elapsed() < TIMEOUT, "kube-apiserver does not become ready");
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Forwards plain HTTP for [`ask`](Self::ask), as `kubectl proxy` does.
    fn forward(&mut self) -> Result<()> {
        let mut command = self.kubectl();
        command.args(["proxy", "--port=0"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start kubectl proxy")?;
        let out = child.stdout.take().context("kubectl proxy has no stdout")?;
        self._forwarder = Some(Process(child));
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        self.proxy = port.with_context(|| format!("kubectl proxy says {line:?}"))?;
        Ok(())
    }

    /// Starts controllers and scheduler. Node heartbeats are ignored, since no kubelet sends any.
    pub fn control(&mut self) -> Result<()> {
        let path = self.folder.path();
        let config = format!("--kubeconfig={}", path.join("config").display());
        let mut manager = Command::new(reference::program("apiserver", "kube-controller-manager"));
        manager
            .arg(&config)
            .args(["--secure-port=0", "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller"])
            .arg(format!("--service-account-private-key-file={}", path.join("accounts.pem").display()))
            .arg(format!("--root-ca-file={}", path.join("certificates/apiserver.crt").display()));
        let mut scheduler = Command::new(reference::program("apiserver", "kube-scheduler"));
        scheduler.arg(&config).arg("--secure-port=0");
        for (command, log) in [(&mut manager, "kube-controller-manager.log"), (&mut scheduler, "kube-scheduler.log")] {
            self.controllers.push(Process::start(command, &path.join(log))?);
        }
        Ok(())
    }

    /// Stops the controllers while `work` runs, so that nothing changes except the API server's own Lease.
    pub fn with_controllers_stopped<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.controllers.iter().try_for_each(|process| process.signal(Signal::STOP))?;
        let done = work();
        self.controllers.iter().try_for_each(|process| process.signal(Signal::CONT))?;
        done
    }

    /// Returns `kubectl` with the API server's address.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(reference::program("apiserver", "kubectl"));
        command.arg("--kubeconfig").arg(self.path("config")).env("HOME", self.folder.path()).env_remove("KUBECONFIG");
        command
    }

    /// Runs kubectl with these words, and returns its output.
    pub fn run(&self, words: &str) -> Result<String> {
        repo::capture(self.kubectl().args(words.split(' ')))
    }

    /// Returns the path of a file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a GET to the API server.
    pub fn get(&self, path: &str) -> Result<Value> {
        let mut answer = self.ask("GET", path, "", "")?;
        let since = Instant::now();
        // The API server needs a while until it can store new types; it reports that, so try again.
        while answer.status == 429 && since.elapsed() < TIMEOUT {
            sleep(Duration::from_millis(500));
            answer = self.ask("GET", path, "", "")?;
        }
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.body);
        Ok(serde_json::from_str(&answer.body)?)
    }

    /// Sends a JSON merge patch.
    pub fn patch(&self, path: &str, body: &Value) -> Result<()> {
        let answer = self.ask("PATCH", path, "application/merge-patch+json", &body.to_string())?;
        ensure!(answer.status == 200, "PATCH {path}: {} {}", answer.status, answer.body);
        Ok(())
    }

    /// Sends a request over a new connection.
    pub fn ask(&self, method: &str, path: &str, content_type: &str, body: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.proxy))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("a response without headers")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok(Answer { status, body: body.to_owned() })
    }

    /// Returns etcd's current revision.
    pub fn revision(&self) -> Result<i64> {
        let output = repo::capture(self.etcd.etcdctl(None).args(["endpoint", "status", "-w", "json"]))?;
        let output: Value = serde_json::from_str(&output)?;
        output.pointer("/0/Status/header/revision").and_then(Value::as_i64).context("etcd reports no revision")
    }
}
