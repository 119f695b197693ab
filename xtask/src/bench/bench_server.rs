//! An etcd server for measurements.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::REFERENCE_VERSION;
use crate::reference;

/// How long a server may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(120);
/// The pause between two health checks during start-up.
const READY_POLL: Duration = Duration::from_millis(20);

/// A server on the loopback address, which is killed when the value is dropped.
pub struct Server {
    child: Child,
    /// Its client URL.
    pub url: String,
}

impl Server {
    /// Starts a server on a data directory, and waits until it is healthy.
    pub fn start(data: &Path, log: &Path) -> Result<Self> {
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
        // The server listens long before it has loaded its store.
        while !health(client).is_ok_and(|answer| answer.contains("\"health\":\"true\"")) {
            if server.child.try_wait()?.is_some() || since.elapsed() > READY_TIMEOUT {
                bail!("etcd does not become healthy");
            }
            sleep(READY_POLL);
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
