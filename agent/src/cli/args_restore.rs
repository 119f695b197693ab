//! Arguments of `restore`: those of etcdutl, and our own.

use etcdsnap::core::Revision;
use std::path::PathBuf;

use clap::{ArgAction, ValueEnum};

use super::args_revision::AskedTime;
use super::args_save::{go_bool, path_or_empty};
use super::exit;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_RESTORE)]
pub struct RestoreArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data directory to create; must be absent or empty [default: NAME.etcd]
    #[arg(long, value_name = "DIR", value_parser = path_or_empty())]
    pub data_dir: Option<PathBuf>,
    /// The directory of the write-ahead log [default: its usual place in the data directory]
    #[arg(long, value_name = "DIR", value_parser = path_or_empty())]
    pub wal_dir: Option<PathBuf>,
    /// Make a data directory for every member of the cluster in this directory, and beside each a file that says how to start it
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with_all = ["data_dir", "wal_dir", "name", "initial_advertise_peer_urls", "print_flags"]
    )]
    pub all_members: Option<PathBuf>,
    /// The member's name
    #[arg(long, default_value = "default")]
    pub name: String,
    /// The members of the new cluster: NAME=URL,… [default: default=http://localhost:2380]
    #[arg(long, value_name = "MEMBERS")]
    pub initial_cluster: Option<String>,
    /// A token that makes this cluster's ids differ from those of other clusters with the same URLs
    #[arg(long, value_name = "TOKEN", default_value = "etcd-cluster")]
    pub initial_cluster_token: String,
    /// The member's own peer URLs, as listed in the cluster [default: http://localhost:2380]
    #[arg(long, value_name = "URLS")]
    pub initial_advertise_peer_urls: Option<String>,
    /// Restore even if the SHA-256 is missing, as in a copy of member/snap/db, or does not match
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| go_bool(text, false))]
    pub skip_hash_check: bool,
    /// Add this number to the latest revision; `auto` adds 1.2 times the maxRaftIndex of OpenShift's revision.json beside the snapshot, or else a billion
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = bump)]
    pub bump_revision: Option<Bump>,
    /// Mark all revisions up to the raised one as compacted; requires --bump-revision
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| go_bool(text, false))]
    pub mark_compacted: Option<bool>,
    /// Restore the state at this revision, or at the `latest`: later writes and deletions are undone, and the revision is raised as by --bump-revision auto --mark-compacted
    ///
    /// Users, roles, alarms and leases have no history: they stay as they are at the latest revision. If keys of that state use a lease that no longer exists, the lease is granted again.
    #[arg(long, value_name = "N", allow_negative_numbers = true, group = "past", value_parser = revision)]
    pub rev: Option<Revision>,
    /// Restore the state at about this time: 2026-03-09T10:04:00Z, '2026-03-09 10:04' (UTC), or 2h, which is two hours before the snapshot was taken
    ///
    /// etcd stores no times: they are estimated from the timestamps in Kubernetes objects. The chosen revision is reported on stderr.
    #[arg(long, value_name = "TIME", group = "past", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
    /// With --rev or --at: do not raise the revision. Then restart all clients that know later revisions, such as API servers
    #[arg(long, requires = "past", conflicts_with_all = ["bump_revision", "mark_compacted"])]
    pub no_bump: bool,
    /// With --rev or --at: the time to live of leases that are granted again, such as 3600 (seconds) or 1h
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "past", allow_negative_numbers = true, value_parser = lease_seconds)]
    pub lease_ttl: i64,
    /// Delete this key or Kubernetes object before etcd starts, for example a webhook that blocks every request. May be given several times
    ///
    /// TYPE/NAME is what kubectl accepts: `--delete validatingwebhookconfiguration/policy`. If the snapshot has a key with exactly the given name, that key is deleted. With standard input only keys can be named; `etcdsnap keys` lists them.
    #[arg(long, value_name = "KEY|TYPE/NAME")]
    pub delete: Vec<String>,
    /// The namespace of the objects that --delete names
    #[arg(short, long, value_name = "NS", default_value = "default", requires = "delete")]
    pub namespace: String,
    /// Leave out the old versions that a compaction at the restored revision removes, so that etcd starts faster
    #[arg(long)]
    pub compact: bool,
    /// Ignored; accepted for compatibility with etcdutl
    #[arg(long, value_name = "BYTES")]
    pub initial_memory_map_size: Option<u64>,
    /// What to check before the data directory appears
    #[arg(long, value_name = "WHAT", default_value = "full")]
    pub verify: VerifyLevel,
    /// Restore even if the database is damaged
    #[arg(long)]
    pub force: bool,
    /// As root: the owner of the files [default: the owner of the existing directory, unless another user could have put it there]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub owner: Option<String>,
    /// Check everything and report what would be written; a compressed file is unpacked to a temporary copy for this (TMPDIR)
    #[arg(long)]
    pub dry_run: bool,
    /// Print the flags with which to start etcd
    #[arg(long)]
    pub print_flags: bool,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
}

/// By how much `restore` raises the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// By this number; 0 for not at all.
    By(u64),
    /// By a number that follows from OpenShift's `revision.json` beside the snapshot.
    Auto,
}

fn bump(text: &str) -> Result<Bump, &'static str> {
    match text {
        "auto" => Ok(Bump::Auto),
        text => text.parse().map(Bump::By).map_err(|_| "expected a whole number of at least 0, or `auto`"),
    }
}

/// Parses a revision, or `latest` as 0.
pub fn revision(text: &str) -> Result<Revision, &'static str> {
    if text == "latest" {
        return Ok(Revision::ZERO);
    }
    text.parse()
        .ok()
        .filter(|revision| *revision >= Revision::FIRST)
        .ok_or("expected a whole number or `latest`; revisions begin at 1")
}

fn lease_seconds(text: &str) -> Result<i64, &'static str> {
    let span = || humantime::parse_duration(text).ok().and_then(|span| i64::try_from(span.as_secs()).ok());
    let seconds = text.parse().ok().or_else(span);
    seconds.filter(|seconds| *seconds >= 1).ok_or("expected a number of seconds of at least 1, or a time such as 1h")
}

/// How much `restore` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyLevel {
    /// Every page and every entry
    Full,
    /// Pages, trees and buckets
    Structure,
    /// Only the SHA-256
    None,
}

/// Output forms of `restore` and `version`; etcdutl's forms map to those for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestoreForm {
    /// For people
    #[value(aliases = ["simple", "table", "fields"])]
    Text,
    /// For programs
    Json,
}
