//! Writes one case: the snapshot, `case.toml`, and the output of the reference programs.

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

/// Versions whose `snapshot status` is recorded, and the program that provides it.
const STATUS: [(&str, &str); 3] = [("3.7", "etcdutl"), ("3.5", "etcdutl"), ("3.4", "etcdctl")];
const FORMATS: [&str; 4] = ["simple", "json", "table", "fields"];

/// The newest version: its etcdutl computes hashkv from the file, and its bbolt checks it.
const NEWEST: &str = "3.7";

/// A case that is being recorded.
pub struct Case {
    folder: PathBuf,
    version: String,
    members: usize,
    pub made: Vec<String>,
    pub features: Vec<&'static str>,
    pub user: Option<String>,
    /// Older revisions whose state is recorded, too.
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

/// The result of a reference program.
#[derive(Serialize)]
struct Exit {
    exit: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    stderr: String,
}

impl Case {
    /// Starts a new recording of a case and removes the previous one.
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

    /// Runs the reference programs and writes the description.
    pub fn finish(&self) -> Result<()> {
        let snapshot = fs::read(self.snapshot()).context("no snapshot was recorded")?;
        let mut status = BTreeMap::new();
        for (version, tool) in STATUS {
            let mut last = None;
            for format in FORMATS {
                let output = self.run_on_copy(version, tool, &["snapshot", "status", "-w", format])?;
                self.store_output(&format!("status-{version}.{format}.txt"), &output)?;
                last = Some(exit(&output));
            }
            status.extend(last.map(|exit| (version, exit)));
        }
        let check = self.run_on_copy(NEWEST, "bbolt", &["check"])?;
        self.store_output("bbolt-check.txt", &check)?;
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

    /// Runs `etcdutl hashkv` at the latest and at the sampled revisions; returns one line of JSON each.
    fn hashkv_offline(&self) -> Result<Exit> {
        let mut lines = Vec::new();
        let mut last = Exit { exit: 0, stderr: String::new() };
        for revision in std::iter::once(&0).chain(&self.sampled) {
            let revision = revision.to_string();
            let output = self.run_on_copy(NEWEST, "etcdutl", &["hashkv", "-w", "json", "--rev", &revision])?;
            lines.extend_from_slice(&output.stdout);
            last = exit(&output);
        }
        fs::write(self.expected().join("hashkv-offline.jsonl"), lines)?;
        Ok(last)
    }

    /// Runs a program on a copy, since some of them write to the file that they inspect.
    fn run_on_copy(&self, version: &str, tool: &str, arguments: &[&str]) -> Result<Output> {
        let folder = TempDir::new()?;
        let copy = folder.path().join("snapshot.db");
        fs::copy(self.snapshot(), &copy)?;
        let mut output = repo::output(program(version, tool).args(arguments).arg("snapshot.db").current_dir(&folder))?;
        if output.status.success() {
            output.stderr.clear();
        }
        Ok(output)
    }

    /// Stores a program's output, unless it refused the file (`case.toml` has the exit code and stderr).
    fn store_output(&self, name: &str, output: &Output) -> Result<()> {
        if output.status.success() {
            fs::write(self.expected().join(name), &output.stdout)?;
        }
        Ok(())
    }
}

fn exit(output: &Output) -> Exit {
    // The trace of a Go panic differs from run to run; its first line suffices.
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr = if output.status.code() == Some(2) { stderr.lines().next().unwrap_or_default() } else { &stderr };
    Exit { exit: output.status.code().unwrap_or(-1), stderr: stderr.to_owned() }
}
