//! What `restore` takes: etcdutl's flags, and ours.

use etcdsnap::core::Revision;
use std::path::PathBuf;

use clap::{ArgAction, ValueEnum};

use super::args_revision::AskedTime;
use super::args_save::{path, truth};
use super::exit;

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_RESTORE)]
pub struct RestoreArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The data directory to make; absent or empty [default: NAME.etcd]
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub data_dir: Option<PathBuf>,
    /// Where the write-ahead log goes, when not to its usual place in the data directory
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub wal_dir: Option<PathBuf>,
    /// Make a data directory for every member of the cluster, and a file beside each that says how to start it
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
    /// Sets this cluster's ids apart from those of others with the same URLs
    #[arg(long, value_name = "TOKEN", default_value = "etcd-cluster")]
    pub initial_cluster_token: String,
    /// The member's own peer URLs, as in the cluster [default: http://localhost:2380]
    #[arg(long, value_name = "URLS")]
    pub initial_advertise_peer_urls: Option<String>,
    /// Go on without a SHA-256, as for a copy of member/snap/db, or with a wrong one
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| truth(text, false))]
    pub skip_hash_check: bool,
    /// Raise the latest revision by so much; `auto`: by 1.2 times the maxRaftIndex of OpenShift's revision.json beside the snapshot, or else by a billion
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = bump)]
    pub bump_revision: Option<Bump>,
    /// Mark everything up to the raised revision as compacted; goes together with --bump-revision
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, value_name = "BOOL", action = ArgAction::Set, value_parser = |text: &str| truth(text, false))]
    pub mark_compacted: Option<bool>,
    /// Restore the state at this revision, or the `latest`: what was put or deleted later is gone, and the revision is raised as by --bump-revision auto --mark-compacted
    ///
    /// Users, roles, alarms and leases have no history: they stay as they are at the latest revision. A lease that is gone since, and on which keys of that state hang, is granted anew.
    #[arg(long, value_name = "N", allow_negative_numbers = true, group = "past", value_parser = revision)]
    pub rev: Option<Revision>,
    /// The same by time: 2026-03-09T10:04:00Z, '2026-03-09 10:04' (UTC), or 2h, which is two hours before the snapshot was taken
    ///
    /// etcd keeps no times: this one is told by those that stand in objects of Kubernetes. Which revision was chosen is said on stderr.
    #[arg(long, value_name = "TIME", group = "past", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
    /// With --rev or --at: leave the revision as it is. Clients that know later revisions, as API servers do, must then be started anew
    #[arg(long, requires = "past", conflicts_with_all = ["bump_revision", "mark_compacted"])]
    pub no_bump: bool,
    /// With --rev or --at: for how long leases that are gone since are granted anew, such as 3600 (seconds) or 1h
    #[arg(long, value_name = "TIME", default_value = "1h", requires = "past", allow_negative_numbers = true, value_parser = lease_seconds)]
    pub lease_ttl: i64,
    /// Delete this key before etcd starts, or this object of Kubernetes, such as a webhook that lets nothing through; may be given more than once
    ///
    /// TYPE/NAME is what kubectl takes: `--delete validatingwebhookconfiguration/policy`. A word that is a key of the snapshot is that key. Of the standard input only keys can be named, which `etcdsnap keys` lists.
    #[arg(long, value_name = "KEY|TYPE/NAME")]
    pub delete: Vec<String>,
    /// The namespace of the objects that --delete names
    #[arg(short, long, value_name = "NS", default_value = "default", requires = "delete")]
    pub namespace: String,
    /// Leave out what a compaction at the restored revision removes: etcd starts faster
    #[arg(long)]
    pub compact: bool,
    /// Accepted for etcdutl's sake and ignored: nothing is mapped into memory here
    #[arg(long, value_name = "BYTES")]
    pub initial_memory_map_size: Option<u64>,
    /// What must be sound before the data directory appears
    #[arg(long, value_name = "WHAT", default_value = "full")]
    pub verify: VerifyLevel,
    /// Restore a damaged database all the same
    #[arg(long)]
    pub force: bool,
    /// To whom the files are to belong, as root [default: the owner of the directory that is there, if nobody else can have put it there]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub owner: Option<String>,
    /// Check everything and say what would be written; of a compressed file a temporary copy is made for that (TMPDIR)
    #[arg(long)]
    pub dry_run: bool,
    /// Print the flags with which etcd starts from it
    #[arg(long)]
    pub print_flags: bool,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
}

/// By how much `restore` raises the revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// By so much; 0 for not at all.
    By(u64),
    /// By what is found beside the snapshot.
    Auto,
}

fn bump(text: &str) -> Result<Bump, &'static str> {
    match text {
        "auto" => Ok(Bump::Auto),
        text => text.parse().map(Bump::By).map_err(|_| "a whole number from 0 on is wanted, or `auto`"),
    }
}

/// A revision, or `latest`, which is 0.
pub fn revision(text: &str) -> Result<Revision, &'static str> {
    if text == "latest" {
        return Ok(Revision::ZERO);
    }
    text.parse()
        .ok()
        .filter(|revision| *revision >= Revision::FIRST)
        .ok_or("a whole number or `latest` is wanted; revisions begin at 1")
}

fn lease_seconds(text: &str) -> Result<i64, &'static str> {
    let span = || humantime::parse_duration(text).ok().and_then(|span| i64::try_from(span.as_secs()).ok());
    let seconds = text.parse().ok().or_else(span);
    seconds.filter(|seconds| *seconds >= 1).ok_or("a number of seconds from 1 on is wanted, or a time such as 1h")
}

/// What `restore` checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyLevel {
    /// Every page and every entry
    Full,
    /// Pages, trees and buckets
    Structure,
    /// Nothing but the SHA-256
    None,
}

/// Forms of `restore` and `version`; etcdutl's are those for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestoreForm {
    /// For a person to read
    #[value(aliases = ["simple", "table", "fields"])]
    Text,
    /// For a program to read
    Json,
}
