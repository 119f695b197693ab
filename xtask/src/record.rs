//! Records `tests/cases/`: real servers of every version write histories, their own `etcdctl` saves them, and the
//! reference programs describe the files. A server started on each file replays its history.

mod expect;
mod kubernetes_answers;
mod kubernetes_cluster;
mod kubernetes_kubelet;
mod kubernetes_recordings;
mod kubernetes_restore;
mod replay;
mod scenario;
mod server;

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{reference, repo};

/// Options of `cargo xtask record`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the cases of this version, such as 3.6
    #[arg(long, value_name = "VERSION")]
    only: Option<String>,

    /// Keep the snapshots and record only the replays of servers started on them
    #[arg(long)]
    replays: bool,

    /// Record only how servers start on files that lack necessary entries, in docs/what-etcd-starts-from.md
    #[arg(long, conflicts_with_all = ["only", "replays"])]
    starts: bool,

    /// Record the Kubernetes clusters in tests/kubernetes, or the one with that name: builds kube-apiserver, which takes a quarter of an hour (needs Go and openssl)
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "all", conflicts_with_all = ["only", "replays", "starts"])]
    kubernetes: Option<String>,
}

/// Records the cases.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.starts {
        return record_starts();
    }
    if let Some(name) = &arguments.kubernetes {
        return kubernetes_recordings::record((name != "all").then_some(name));
    }
    let record = if arguments.replays { replay::record_version } else { scenario::record_version };
    // The expected outputs come from several versions, whichever one is recorded.
    let versions = reference::versions()?;
    for version in &versions {
        reference::ensure_version(version)?;
    }
    let history = reference::ensure_own("history")?;
    let chosen: Vec<_> =
        versions.iter().filter(|version| arguments.only.as_ref().is_none_or(|only| only == *version)).collect();
    ensure!(!chosen.is_empty(), "There is no such version. Choose one of {}.", versions.join(", "));
    for version in chosen {
        record(version, &history)?;
    }
    Ok(())
}

/// Runs the test that compares the starts of servers, in the mode in which it writes the outcomes.
fn record_starts() -> Result<()> {
    for version in reference::versions()? {
        reference::ensure_version(&version)?;
    }
    let mut cargo = Command::new("cargo");
    cargo.args([
        "test",
        "--locked",
        "--package",
        "etcdsnap-tests",
        "--test",
        "starts",
        "--",
        "the_recorded",
        "the_oldest",
        "--test-threads=1",
    ]);
    repo::run(cargo.env("ETCDSNAP_RECORD_STARTS", "1").env("ETCDSNAP_REQUIRE_REFERENCE", "1").current_dir(repo::root()))
}
