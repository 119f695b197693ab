//! What the commands take that make a new snapshot out of an old one.

use std::path::PathBuf;

use super::args_common::{MetaArgs, WorkArgs};
use super::args_restore::RestoreForm;
use super::args_revision::AskedTime;
use super::exit;

/// Arguments of `compact`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct CompactArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// The revision up to which history goes, or `latest`
    #[arg(long, value_name = "N", default_value = "latest", allow_negative_numbers = true, value_parser = revision)]
    pub rev: i64,
    /// The time up to which history goes, as --at of the other commands takes it
    #[arg(long, value_name = "TIME", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
}

/// Arguments of `defrag`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct DefragArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
}

/// Arguments of `cut`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE, group = clap::ArgGroup::new("choice").required(true).multiple(true))]
pub struct CutArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// Keys that begin with this stay, and others go; may be given several times
    #[arg(long, value_name = "PREFIX", group = "choice", conflicts_with_all = ["drop", "drop_type"])]
    pub keep: Vec<String>,
    /// Keys that begin with this go, and others stay; may be given several times
    #[arg(long, value_name = "PREFIX", group = "choice")]
    pub drop: Vec<String>,
    /// Objects of Kubernetes of these types stay, beside what --keep names: `secrets,configmaps`, in kubectl's words
    #[arg(long, value_name = "TYPE", group = "choice", value_delimiter = ',', conflicts_with_all = ["drop", "drop_type"])]
    pub keep_type: Vec<String>,
    /// Objects of Kubernetes of these types go, beside what --drop names: `events`
    #[arg(long, value_name = "TYPE", group = "choice", value_delimiter = ',')]
    pub drop_type: Vec<String>,
    /// Where Kubernetes keeps its objects: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    /// Write a snapshot without any key, too
    #[arg(long)]
    pub allow_empty: bool,
}

/// An old file and a new one.
#[derive(Debug, clap::Args)]
pub struct NewFileArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to make; one that is there is replaced
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// In which form to print what was done
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Arguments of `salvage`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_SALVAGE)]
pub struct SalvageArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to make; one that is there is replaced
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Say what would be in it, and write nothing
    #[arg(long, conflicts_with = "output")]
    pub dry_run: bool,
    /// Take pages in their place in the newest tree alone, and not what an older state of the database or a wrong place still holds
    #[arg(long)]
    pub only_tree: bool,
    /// Leave out what an older state of the database holds at or below the last compaction: a key that was deleted since may be among it
    #[arg(long)]
    pub proven_only: bool,
    /// Where users and roles cannot be read whole, write a file without any, open to everybody
    #[arg(long)]
    pub reset_auth: bool,
    /// In which form to print what was found
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
    #[command(flatten)]
    pub work: WorkArgs,
}

/// A revision, or `latest`, which is 0.
fn revision(text: &str) -> Result<i64, &'static str> {
    if text == "latest" {
        return Ok(0);
    }
    text.parse()
        .ok()
        .filter(|revision| *revision >= 1)
        .ok_or("a whole number or `latest` is wanted; revisions begin at 1")
}
