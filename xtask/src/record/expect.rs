//! One case on disk: the snapshot, `case.toml`, and what the reference programs say of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::{Context, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::server::program;
use crate::repo;

/// Versions whose `snapshot status` is recorded, and the program that has it.
const STATUS: [(&str, &str); 3] = [("3.7", "etcdutl"), ("3.5", "etcdutl"), ("3.4", "etcdctl")];
const FORMATS: [&str; 4] = ["simple", "json", "table", "fields"];

/// The newest version: its etcdutl computes hashkv from the file, its bbolt checks it.
const NEWEST: &str = "3.7";

/// A case while it is recorded.
pub struct Case {
    folder: PathBuf,
    version: String,
    members: usize,
    pub made: Vec<String>,
    pub features: Vec<&'static str>,
    pub user: Option<String>,
    /// Older revisions whose state is recorded as well.
    pub sampled: Vec<i64>,
}

/// `case.toml`.
#[derive(Serialize)]
struct Description<'a> {
    etcd: String,
    members: usize,
    features: &'a [&'static str],
    made: &'a [String],
    sampled_revisions: &'a [i64],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    size: usize,
    sha256: String,
    trailer: bool,
    status: BTreeMap<&'a str, Exit>,
    bbolt_check: Exit,
    hashkv_offline: Exit,
}

/// How a reference program ended.
#[derive(Serialize)]
struct Exit {
    exit: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    stderr: String,
}

impl Case {
    /// Starts a case anew: what was recorded before is removed.
    pub fn new(version: &str, what: &str, members: usize) -> Result<Self> {
        let folder = repo::root().join("tests/cases").join(format!("{version}-{what}"));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("expected"))?;
        eprintln!("recording {version}-{what}");
        let (made, features, sampled) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { folder, version: version.to_owned(), members, made, features, user: None, sampled })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn snapshot(&self) -> PathBuf {
        self.folder.join("snapshot.db")
    }

    pub fn expected(&self) -> PathBuf {
        self.folder.join("expected")
    }

    /// Asks the reference programs and writes the description.
    pub fn finish(&self) -> Result<()> {
        let snapshot = fs::read(self.snapshot()).context("no snapshot was recorded")?;
        let mut status = BTreeMap::new();
        for (version, tool) in STATUS {
            let mut last = None;
            for format in FORMATS {
                let said = self.ask(version, tool, &["snapshot", "status", "-w", format])?;
                self.keep(&format!("status-{version}.{format}.txt"), &said)?;
                last = Some(exit(&said));
            }
            status.extend(last.map(|exit| (version, exit)));
        }
        let check = self.ask(NEWEST, "bbolt", &["check"])?;
        self.keep("bbolt-check.txt", &check)?;
        let hashkv_offline = self.hashkv_offline()?;

        let server = repo::capture(program(&self.version, "etcd").arg("--version"))?;
        let description = Description {
            etcd: server.lines().next().unwrap_or_default().replace("etcd Version: ", ""),
            members: self.members,
            features: &self.features,
            made: &self.made,
            sampled_revisions: &self.sampled,
            user: self.user.as_deref(),
            size: snapshot.len(),
            sha256: crate::sha256::hex(&Sha256::digest(&snapshot)),
            trailer: snapshot.len() % 512 == 32,
            status,
            bbolt_check: exit(&check),
            hashkv_offline,
        };
        fs::write(self.folder.join("case.toml"), toml::to_string(&description)?)?;
        Ok(())
    }

    /// `etcdutl hashkv` at the latest and at the sampled revisions, one line of JSON each.
    fn hashkv_offline(&self) -> Result<Exit> {
        let mut lines = Vec::new();
        let mut last = Exit { exit: 0, stderr: String::new() };
        for revision in std::iter::once(&0).chain(&self.sampled) {
            let revision = revision.to_string();
            let said = self.ask(NEWEST, "etcdutl", &["hashkv", "-w", "json", "--rev", &revision])?;
            lines.extend_from_slice(&said.stdout);
            last = exit(&said);
        }
        fs::write(self.expected().join("hashkv-offline.jsonl"), lines)?;
        Ok(last)
    }

    /// Runs a program on a copy: some of them write to what they inspect.
    fn ask(&self, version: &str, tool: &str, arguments: &[&str]) -> Result<Output> {
        let folder = TempDir::new()?;
        let copy = folder.path().join("snapshot.db");
        fs::copy(self.snapshot(), &copy)?;
        let mut said = repo::output(program(version, tool).args(arguments).arg("snapshot.db").current_dir(&folder))?;
        if said.status.success() {
            said.stderr.clear();
        }
        Ok(said)
    }

    /// Keeps what a program printed; nothing where it refused the file (the exit code and stderr are in `case.toml`).
    fn keep(&self, name: &str, said: &Output) -> Result<()> {
        if said.status.success() {
            fs::write(self.expected().join(name), &said.stdout)?;
        }
        Ok(())
    }
}

fn exit(said: &Output) -> Exit {
    // A Go panic's trace differs from run to run; its first line says enough.
    let stderr = String::from_utf8_lossy(&said.stderr);
    let stderr = if said.status.code() == Some(2) { stderr.lines().next().unwrap_or_default() } else { &stderr };
    Exit { exit: said.status.code().unwrap_or(-1), stderr: stderr.to_owned() }
}
