//! Runs an etcd with plain text at one port, for the test's own use, and TLS at another, and compares our program with etcdctl under the same flags.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::certificates::{Authority, CertificateFiles, CertificateUse, Key};
use crate::cli;
use crate::server::{Servers, member_configs, program};

/// The names in the servers' certificates.
pub const NAMES: &[&str] = &["127.0.0.1", "localhost"];

/// A server with TLS.
pub struct TlsServer {
    /// The directory of all its files.
    pub folder: tempfile::TempDir,
    /// The server.
    pub servers: Servers,
    /// Its TLS URL.
    pub url: String,
    /// The port of that URL.
    pub port: u16,
    /// The authority that signed its certificate, unless the server created its certificate itself.
    pub authority: Authority,
}

impl TlsServer {
    /// Starts a server with a certificate for `whose`; `None` if the version's etcd is not built.
    #[must_use]
    pub fn start(
        version: &str,
        whose: CertificateUse<'_>,
        key: Key,
        client_certificates: bool,
        extra: &[&str],
    ) -> Option<Self> {
        Self::with(version, |authority, _| {
            let mut flags = certificate_flags(&authority.sign("server", whose, key)).to_vec();
            if client_certificates {
                flags.push("--client-cert-auth".into());
                flags.push(format!("--trusted-ca-file={}", authority.cert.display()));
            }
            flags.extend(extra.iter().map(|flag| (*flag).to_owned()));
            flags
        })
    }

    /// Starts a server with the flags that `flags` returns for an authority and the folder.
    ///
    /// # Panics
    /// Panics if it cannot be started.
    #[must_use]
    pub fn with(version: &str, flags: impl FnOnce(&Authority, &Path) -> Vec<String>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a directory");
        // The second member's client port becomes the TLS port.
        let member_configs = member_configs(folder.path(), &["one", "spare"]);
        let authority = Authority::new(folder.path(), "authority");
        let port = member_configs[1].client;
        let url = format!("https://127.0.0.1:{port}");
        // Also IPv6, if this machine has it.
        let six = std::net::TcpListener::bind(("::1", port))
            .map_or_else(|_| String::new(), |_| format!(",https://[::1]:{port}"));
        let mut all = vec![format!("--listen-client-urls={},{url}{six}", member_configs[0].client_url())];
        all.extend(flags(&authority, folder.path()));
        let servers = Servers::start_with(version, &member_configs[..1], folder.path(), &all)?;
        Some(Self { folder, servers, url, port, authority })
    }

    /// Returns the path that [`save`](Self::save) writes to.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("snapshot.db")
    }

    /// Saves from the TLS port.
    #[must_use]
    pub fn save(&self, flags: &[&str]) -> Output {
        self.save_at(&self.url, flags)
    }

    /// Saves from another address. Checks that the file exists exactly if the save succeeds, and that nothing else remains; then removes it.
    ///
    /// # Panics
    /// Panics if a check fails.
    #[must_use]
    pub fn save_at(&self, url: &str, flags: &[&str]) -> Output {
        let endpoints = format!("--endpoints={url}");
        let file = self.file();
        let output = cli::run(&[&["save", &endpoints][..], flags, &[file.to_str().expect("UTF-8")]].concat());
        assert_eq!(output.status.success(), file.exists(), "{output:?}");
        let litter = std::fs::read_dir(self.folder.path()).expect("a directory").flatten();
        let litter: Vec<_> = litter.filter(|entry| entry.file_name().to_string_lossy().contains("etcdsnap")).collect();
        assert!(litter.is_empty(), "{litter:?}");
        let _ = std::fs::remove_file(file);
        output
    }

    /// Reads a key with etcdctl, then saves with the same flags: both must succeed, or both fail. Returns our output.
    ///
    /// # Panics
    /// Panics if only one succeeds.
    #[must_use]
    pub fn save_as_etcdctl(&self, flags: &[&str]) -> Output {
        self.save_at_as_etcdctl(&self.url, flags)
    }

    /// Does the same at another address.
    ///
    /// # Panics
    /// Panics if only one succeeds.
    #[must_use]
    pub fn save_at_as_etcdctl(&self, url: &str, flags: &[&str]) -> Output {
        let theirs = etcdctl_reads(url, flags);
        let ours = self.save_at(url, flags);
        let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        let (printed, they_said) = (text(&ours), text(&theirs));
        assert_eq!(ours.status.success(), theirs.status.success(), "{flags:?}\nours: {printed}\netcdctl: {they_said}");
        ours
    }

    /// Returns the flag that names the authority.
    #[must_use]
    pub fn cacert(&self) -> String {
        format!("--cacert={}", self.authority.cert.display())
    }
}

/// Reads a key with etcdctl.
///
/// # Panics
/// Panics if it is not built.
#[must_use]
pub fn etcdctl_reads(url: &str, flags: &[&str]) -> Output {
    let mut etcdctl = program("3.7", "etcdctl").expect("etcdctl is built with etcd");
    etcdctl.args([&format!("--endpoints={url}"), "--command-timeout=3s"]).args(flags).args(["get", "x"]);
    etcdctl.stdin(Stdio::null()).output().expect("etcdctl runs")
}

/// Returns etcd's flags for its own certificate.
#[must_use]
pub fn certificate_flags(pair: &CertificateFiles) -> [String; 2] {
    [format!("--cert-file={}", pair.cert.display()), format!("--key-file={}", pair.key.display())]
}

/// Returns a client's flags for its own certificate.
#[must_use]
pub fn client_flags(pair: &CertificateFiles) -> [String; 2] {
    [format!("--cert={}", pair.cert.display()), format!("--key={}", pair.key.display())]
}

/// Asserts that nothing was saved (exit code 2), and that the message contains `words`, however its lines are wrapped.
///
/// # Panics
/// Panics if that is not so.
pub fn assert_refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(one_line.contains(word), "{word:?} is not in: {text}");
    }
}
