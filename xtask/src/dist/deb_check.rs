//! Checks the Debian package: runs lintian, and installs it in clean systems without and with systemd.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::debian_root::DebianRoot;
use crate::{demo, install, reference, repo};

/// Maximum time for the test's server to start.
const START: Duration = Duration::from_secs(60);

/// Checks a package for this machine's processor.
///
/// # Errors
/// When lintian finds an error, or the installed package does not work.
pub fn check(package: &Path) -> Result<()> {
    lintian(package)?;
    let bare = installed(&[], package)?;
    inside(&bare, "etcdsnap", &["verify", "/tmp/sample.db"])?;
    backup(&bare)?;
    let whole = installed(&["systemd"], package)?;
    ensure!(inside(&whole, "getent", &["passwd", "etcdsnap"])?.contains("/var/backups/etcd"), "no user etcdsnap");
    let owner = inside(&whole, "stat", &["--format=%U %a", "/var/backups/etcd"])?;
    ensure!(owner.trim() == "etcdsnap 700", "/var/backups/etcd belongs to {}", owner.trim());
    let units = ["/usr/lib/systemd/system/etcdsnap.service", "/usr/lib/systemd/system/etcdsnap.timer"];
    inside(&whole, "systemd-analyze", &["verify", "--man=no", units[0], units[1]])?;
    let exposure = ["security", "--offline=yes", "--no-pager", "--threshold=20", units[0]];
    let rating = inside(&whole, "systemd-analyze", &exposure)?;
    eprintln!("{}", rating.lines().last().unwrap_or_default());
    inside(&whole, "dpkg", &["--purge", "etcdsnap"])?;
    ensure!(whole.path("/var/backups/etcd").exists(), "removing the package removed the backups");
    Ok(())
}

/// Runs lintian; prints its warnings, and fails on its errors.
pub fn lintian(package: &Path) -> Result<()> {
    install::installed(&["lintian"], &["lintian"])?.context("lintian is missing: install it")?;
    repo::run(
        Command::new("lintian").args(["--allow-root", "--fail-on", "error", "--tag-display-limit", "0"]).arg(package),
    )
}

/// Creates a system with these packages, and installs the package file in it without any repository.
fn installed(packages: &[&str], package: &Path) -> Result<DebianRoot> {
    let system = DebianRoot::with(packages)?;
    std::fs::copy(package, system.path("/tmp/etcdsnap.deb"))?;
    std::fs::copy(repo::root().join(demo::SAMPLE), system.path("/tmp/sample.db"))?;
    inside(&system, "dpkg", &["--install", "/tmp/etcdsnap.deb"])?;
    ensure!(inside(&system, "dpkg", &["--verify", "etcdsnap"])?.is_empty(), "installed files differ from the package");
    Ok(system)
}

/// Checks that one command after the installation makes a verified backup of a running etcd.
fn backup(system: &DebianRoot) -> Result<()> {
    reference::ensure_version("3.7")?;
    let data = tempfile::tempdir()?;
    let [client, peer] = [free_port()?, free_port()?].map(|port| format!("http://127.0.0.1:{port}"));
    let mut etcd = Command::new(reference::program("3.7", "etcd"));
    etcd.arg("--data-dir").arg(data.path()).args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
    etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
    etcd.args(["--initial-cluster", &format!("default={peer}")]);
    let _etcd = Server(etcd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("etcd")?);
    let started = Instant::now();
    let mut put = Command::new(reference::program("3.7", "etcdctl"));
    put.args(["--endpoints", &client, "put", "greeting", "from a newcomer"]);
    while let Err(error) = repo::capture(&mut put) {
        ensure!(started.elapsed() < START, "etcd does not start: {error:#}");
        sleep(Duration::from_millis(500));
    }
    let save = ["save", "/var/backups/etcd.db", "--endpoints", &client];
    inside(system, "etcdsnap", &save)?;
    let verdict = inside(system, "etcdsnap", &["verify", "/var/backups/etcd.db"])?;
    ensure!(verdict.contains("sound"), "the backup is not sound: {verdict}");
    let value = inside(system, "etcdsnap", &["get", "/var/backups/etcd.db", "greeting"])?;
    ensure!(value.contains("from a newcomer"), "the backup's key holds {value}");
    Ok(())
}

fn inside(system: &DebianRoot, program: &str, arguments: &[&str]) -> Result<String> {
    repo::capture(system.command(program).args(arguments))
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
