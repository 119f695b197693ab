//! An etcd that speaks plain text at one port, for the test's own needs, and TLS at another; and what our program and etcdctl get from it with the same flags.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::cli;
use crate::server::{Servers, program, seats};
use crate::tls::{Authority, Key, Pair, Whose};

/// The names that the servers' certificates are for.
pub const NAMES: &[&str] = &["127.0.0.1", "localhost"];

/// A server with TLS.
pub struct Secured {
    /// Where all its files are.
    pub folder: tempfile::TempDir,
    /// The server.
    pub servers: Servers,
    /// Where it speaks TLS.
    pub url: String,
    /// The port of that.
    pub port: u16,
    /// The authority that signed its certificate, unless the server was started with one of its own.
    pub authority: Authority,
}

impl Secured {
    /// A server with a certificate for `whose`; none when the version's etcd is not built.
    #[must_use]
    pub fn start(version: &str, whose: Whose<'_>, key: Key, client_certificates: bool, extra: &[&str]) -> Option<Self> {
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

    /// A server with the flags that `flags` makes of an authority and the folder.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn with(version: &str, flags: impl FnOnce(&Authority, &Path) -> Vec<String>) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a directory");
        // The second place lends its port for clients.
        let seats = seats(folder.path(), &["one", "spare"]);
        let authority = Authority::new(folder.path(), "authority");
        let port = seats[1].client;
        let url = format!("https://127.0.0.1:{port}");
        // IPv6 too, where this machine has it.
        let six = std::net::TcpListener::bind(("::1", port))
            .map_or_else(|_| String::new(), |_| format!(",https://[::1]:{port}"));
        let mut all = vec![format!("--listen-client-urls={},{url}{six}", seats[0].client_url())];
        all.extend(flags(&authority, folder.path()));
        let servers = Servers::start_with(version, &seats[..1], folder.path(), &all)?;
        Some(Self { folder, servers, url, port, authority })
    }

    /// The file that is saved.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("snapshot.db")
    }

    /// Saves from the TLS port.
    #[must_use]
    pub fn save(&self, flags: &[&str]) -> Output {
        self.save_at(&self.url, flags)
    }

    /// Saves from another address. A file is there exactly when it succeeds, and nothing else is left; it is removed.
    ///
    /// # Panics
    /// When that is not so.
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

    /// What ours says, after etcdctl has read a key with the same flags: both succeed, or both do not.
    ///
    /// # Panics
    /// When one succeeds and the other does not.
    #[must_use]
    pub fn save_as_etcdctl(&self, flags: &[&str]) -> Output {
        self.save_at_as_etcdctl(&self.url, flags)
    }

    /// The same at another address.
    ///
    /// # Panics
    /// When one succeeds and the other does not.
    #[must_use]
    pub fn save_at_as_etcdctl(&self, url: &str, flags: &[&str]) -> Output {
        let theirs = etcdctl_reads(url, flags);
        let ours = self.save_at(url, flags);
        let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        let (said, they_said) = (text(&ours), text(&theirs));
        assert_eq!(ours.status.success(), theirs.status.success(), "{flags:?}\nours: {said}\netcdctl: {they_said}");
        ours
    }

    /// The flag that names the authority.
    #[must_use]
    pub fn cacert(&self) -> String {
        format!("--cacert={}", self.authority.cert.display())
    }
}

/// What etcdctl says when it is to read a key.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn etcdctl_reads(url: &str, flags: &[&str]) -> Output {
    let mut etcdctl = program("3.7", "etcdctl").expect("etcdctl is built with etcd");
    etcdctl.args([&format!("--endpoints={url}"), "--command-timeout=3s"]).args(flags).args(["get", "x"]);
    etcdctl.stdin(Stdio::null()).output().expect("etcdctl runs")
}

/// etcd's flags for a certificate of its own.
#[must_use]
pub fn certificate_flags(pair: &Pair) -> [String; 2] {
    [format!("--cert-file={}", pair.cert.display()), format!("--key-file={}", pair.key.display())]
}

/// A client's flags for a certificate of its own.
#[must_use]
pub fn client_flags(pair: &Pair) -> [String; 2] {
    [format!("--cert={}", pair.cert.display()), format!("--key={}", pair.key.display())]
}

/// Checks that nothing was saved (exit code 2), and that `words` stand in what is said about it, however the lines are broken.
///
/// # Panics
/// When that is not so.
pub fn refused(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(one_line.contains(word), "{word:?} is not in: {text}");
    }
}
