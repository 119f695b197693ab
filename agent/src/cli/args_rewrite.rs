//! What the commands take that make a new snapshot out of an old one.

use etcdsnap::core::Revision;
use std::path::PathBuf;

use super::args_common::{MetaArgs, WorkArgs};
use super::args_restore::{RestoreForm, revision};
use super::args_revision::AskedTime;
use super::args_save::path;
use super::exit;

/// Arguments of `compact`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct CompactArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// The revision up to which history goes, or `latest`
    #[arg(long, value_name = "N", default_value = "latest", allow_negative_numbers = true, value_parser = revision)]
    pub rev: Revision,
    /// The time up to which history goes, as --at of the other commands takes it
    #[arg(long, value_name = "TIME", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
}

/// Arguments of `defrag`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct DefragArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE", required_unless_present = "data_dir")]
    pub file: Option<PathBuf>,
    /// The file to make; one that is there is replaced
    #[arg(short, long, value_name = "OUT", required_unless_present = "data_dir")]
    pub output: Option<PathBuf>,
    /// Write the database of a stopped member anew in its place: the same entries, owner and mode, and raft's place in the log
    ///
    /// The database is locked as etcd locks it. The new one takes its name when it is complete, read back and on the disk; until then the old one stays as it is.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "output", "meta"], value_parser = path())]
    pub data_dir: Option<PathBuf>,
    /// In which form to print what was done
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
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

/// Arguments of `redact`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct RedactArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// What is replaced keeps its length, so that questions of space are answered as before
    #[arg(long)]
    pub keep_size: bool,
    /// Objects of this kind stay as they are, such as `ConfigMap`; may be given several times
    #[arg(long, value_name = "KIND")]
    pub show_kind: Vec<String>,
    /// This field stays as it is, with all that is in it: the last names of its path, such as `conditions.message`, `args`; not in secrets. May be given several times
    #[arg(long, value_name = "PATH", value_parser = field_path)]
    pub show_field: Vec<FieldPath>,
    /// Names of objects, namespaces, hosts and members, labels, images and addresses are hashed, too
    #[arg(long)]
    pub hide_names: bool,
    /// Values that an API server encrypted stay as they are
    #[arg(long)]
    pub keep_encrypted: bool,
    /// Where Kubernetes keeps its objects: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
}

/// The last names of the path of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(pub Vec<String>);

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
    /// Take pages in their place in the newest tree alone, and not what an older state of the database, a wrong place or a page that hangs in no tree still holds
    #[arg(long)]
    pub only_tree: bool,
    /// Leave out what may have been deleted since: what an older state holds at or below the last compaction, and what a single page says that hangs in no tree
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
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Names with dots between, without the places in lists.
fn field_path(text: &str) -> Result<FieldPath, &'static str> {
    let names: Vec<String> = text.trim_start_matches('.').split('.').map(str::to_owned).collect();
    match names.iter().all(|name| !name.is_empty() && !name.contains(['[', '*', ' '])) {
        true => Ok(FieldPath(names)),
        false => Err("names of fields with dots between are wanted, without the places in lists: `conditions.message`"),
    }
}
