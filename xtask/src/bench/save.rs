//! Benchmarks `save` beside etcdctl's, from a local server.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::alternate;
use super::{REFERENCE_VERSION, mib, row};
use crate::{reference, repo};

/// `save` with all checks should take at most this many times as long as etcdctl without any.
const TARGET: f64 = 1.0;
/// Memory should stay below this plus 24 bytes for each revision.
const MEMORY_TARGET: u64 = 96 << 20;
/// How long a server may take to be ready.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Starts a server from the file, and saves from it repeatedly.
pub fn measure(input: &Path, runs: usize, etcdsnap: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix("save-").tempdir_in(input.parent().unwrap_or(Path::new(".")))?;
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out.db"));
    repo::capture(Command::new(etcdsnap).arg("restore").arg(input).arg("--data-dir").arg(&data))?;
    let server = Server::start(&data, &scratch.path().join("log"))?;
    let endpoints = format!("--endpoints={}", server.url);
    let etcdctl = reference::program(REFERENCE_VERSION, "etcdctl");
    let fresh = |program: &Path, words: &[&str]| {
        let _ = fs::remove_file(&out);
        let _ = Command::new("sync").status();
        let mut command = Command::new(program);
        command.arg(&endpoints).args(words).arg(&out).stderr(Stdio::null());
        command
    };
    let (ours, theirs) = alternate(runs, || fresh(etcdsnap, &["save"]), || fresh(&etcdctl, &["snapshot", "save"]))?;
    row("etcdsnap save", &ours);
    row("etcdctl snapshot save", &theirs);
    println!("  {:<26}{:>8.2} ×    target ≤ {TARGET} ×", "times etcdctl", ours.seconds / theirs.seconds);
    println!("  {:<26}{:>8.1} MiB  target ≤ {:.0} MiB\n", "peak memory", mib(ours.peak), mib(MEMORY_TARGET));
    Ok(())
}

/// A server on the loopback address, which is killed when the value is dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(data: &Path, log: &Path) -> Result<Self> {
        let free = || TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let (client, peer) = (free()?, free()?);
        let (url, peer) = (format!("http://{client}"), format!("http://{peer}"));
        let log = File::create(log)?;
        let child = Command::new(reference::program(REFERENCE_VERSION, "etcd"))
            .arg("--data-dir")
            .arg(data)
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url, "--listen-peer-urls", &peer])
            .arg("--quota-backend-bytes=8589934592")
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("etcd does not start")?;
        let mut server = Self { child, url };
        let since = Instant::now();
        // The server accepts connections long before it has loaded its store.
        while !health(client).is_ok_and(|answer| answer.contains("\"health\":\"true\"")) {
            if server.child.try_wait()?.is_some() || since.elapsed() > TIMEOUT {
                bail!("etcd does not become healthy");
            }
            sleep(Duration::from_millis(200));
        }
        Ok(server)
    }
}

fn health(at: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
