//! Arguments of the commands that write a new snapshot from an old one.

use etcdsnap::core::Revision;
use std::path::PathBuf;

use super::args_common::{MetaArgs, WorkArgs};
use super::args_restore::{RestoreForm, revision};
use super::args_revision::AskedTime;
use super::args_save::path_or_empty;
use super::exit;

/// Arguments of `compact`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct CompactArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// Compact at this revision, or at the `latest`
    #[arg(long, value_name = "N", default_value = "latest", allow_negative_numbers = true, value_parser = revision)]
    pub rev: Revision,
    /// Compact at about this time, given like --at of other commands
    #[arg(long, value_name = "TIME", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
}

/// Arguments of `defrag`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct DefragArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "data_dir")]
    pub file: Option<PathBuf>,
    /// The file to create; an existing one is replaced
    #[arg(short, long, value_name = "OUT", required_unless_present = "data_dir")]
    pub output: Option<PathBuf>,
    /// Rewrite the database of a stopped member in place, with the same entries, owner, mode and consistent index
    ///
    /// The database is locked as etcd locks it. The new database replaces it after it was written, read back and synced; until then the old one is unchanged.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "output", "meta"], value_parser = path_or_empty())]
    pub data_dir: Option<PathBuf>,
    /// Output form
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
    /// Keep keys that start with this, and drop all others; may be given several times
    #[arg(long, value_name = "PREFIX", group = "choice", conflicts_with_all = ["drop", "drop_type"])]
    pub keep: Vec<String>,
    /// Drop keys that start with this, and keep all others; may be given several times
    #[arg(long, value_name = "PREFIX", group = "choice")]
    pub drop: Vec<String>,
    /// Keep Kubernetes objects of these types, in addition to --keep; names as in kubectl: `secrets,configmaps`
    #[arg(long, value_name = "TYPE", group = "choice", value_delimiter = ',', conflicts_with_all = ["drop", "drop_type"])]
    pub keep_type: Vec<String>,
    /// Drop Kubernetes objects of these types, such as `events`, in addition to --drop
    #[arg(long, value_name = "TYPE", group = "choice", value_delimiter = ',')]
    pub drop_type: Vec<String>,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    /// Write the snapshot even if no key is left
    #[arg(long)]
    pub allow_empty: bool,
}

/// Arguments of `redact`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_REWRITE)]
pub struct RedactArgs {
    #[command(flatten)]
    pub new: NewFileArgs,
    /// Replace each text by one of the same length, so that sizes stay the same
    #[arg(long)]
    pub keep_size: bool,
    /// Do not redact objects of this kind, such as `ConfigMap`; may be given several times
    #[arg(long, value_name = "KIND")]
    pub show_kind: Vec<String>,
    /// Do not redact this field and the fields below it, given by the last names of its path, such as `conditions.message` or `args`; has no effect in secrets. May be given several times
    #[arg(long, value_name = "PATH", value_parser = field_path)]
    pub show_field: Vec<FieldPath>,
    /// Also hash names of objects, namespaces, hosts and members, labels, images and addresses
    #[arg(long)]
    pub hide_names: bool,
    /// Leave values that an API server encrypted as they are
    #[arg(long)]
    pub keep_encrypted: bool,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
}

/// The last names of a field's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath(pub Vec<String>);

/// An input file and an output file.
#[derive(Debug, clap::Args)]
pub struct NewFileArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to create; an existing one is replaced
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,
    /// Output form
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
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file to create; an existing one is replaced
    #[arg(short, long, value_name = "OUT", required_unless_present = "dry_run")]
    pub output: Option<PathBuf>,
    /// Report what would be recovered, and write nothing
    #[arg(long, conflicts_with = "output")]
    pub dry_run: bool,
    /// Use only pages of the newest tree that are in their right place, not pages of an older state, misplaced pages, or pages to which nothing points
    #[arg(long)]
    pub only_tree: bool,
    /// Leave out entries that may have been deleted since: those of an older state at or below the last compaction, and those of a page to which nothing points
    #[arg(long)]
    pub proven_only: bool,
    /// If users and roles cannot be read completely, write a file without any, which gives everybody access
    #[arg(long)]
    pub reset_auth: bool,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub write_out: RestoreForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Parses names with dots between, without list indexes.
fn field_path(text: &str) -> Result<FieldPath, &'static str> {
    let names: Vec<String> = text.trim_start_matches('.').split('.').map(str::to_owned).collect();
    match names.iter().all(|name| !name.is_empty() && !name.contains(['[', '*', ' '])) {
        true => Ok(FieldPath(names)),
        false => Err("expected names of fields with dots between, without list indexes, such as `conditions.message`"),
    }
}
