//! Arguments of the commands that read a snapshot.

use etcdsnap::core::Revision;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;

use super::args_common::{DecryptArgs, EtcdForm, MetaArgs, MetaPage, WorkArgs, one_or_more};
use super::args_revision::{AskedTime, RevisionArgs, revision};
use super::args_save::LiveArgs;
use super::exit;

/// Arguments that most of these commands share.
#[derive(Debug, Clone, clap::Args)]
pub struct InspectArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: InspectForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// A half-open interval of keys, like etcd's `range_end`.
#[derive(Debug, clap::Args)]
pub struct IntervalArgs {
    /// Only keys from this one on, including it
    #[arg(long, value_name = "KEY")]
    pub from: Option<String>,
    /// Only keys before this one
    #[arg(long, value_name = "KEY")]
    pub to: Option<String>,
}

/// Arguments of `keys`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KeysArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// Only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Print revisions, sizes and leases, too
    #[arg(short, long)]
    pub long: bool,
    /// Print at most this many keys
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// Only keys that meet all of these conditions: words that the key contains; kind:TYPE or ns:NAMESPACE; size, create, rev, version or lease, then =, !=, <, <=, > or >=, then a number; or key or value, then ~ (contains) or !~ (does not), then a text
    ///
    /// Examples: --filter 'web kind:deploy', --filter 'size>1.5MiB', --filter 'rev>=1000', --filter lease=7f3a, --filter 'key~nginx', --filter 'value~10.0.0.7'. A word matches anywhere in the key,
    /// ignoring case unless it contains a capital letter; ^ before it matches only the start of the key, and ! excludes it. The search of the page uses the same language. Values are
    /// read only for the keys that meet all other conditions. Values of secrets are searched only with --show-secrets.
    #[arg(long, value_name = "CONDITION")]
    pub filter: Vec<String>,
    /// List deleted keys instead of live ones
    #[arg(long)]
    pub deleted: bool,
    /// Let --filter value~TEXT search the values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
}

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KEY)]
pub struct GetArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// The key
    #[arg(value_name = "KEY")]
    pub key: String,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Print key and value in hexadecimal
    #[arg(long, conflicts_with = "raw")]
    pub hex: bool,
    /// Print only the bytes of the value, also of a Kubernetes object
    #[arg(long)]
    pub raw: bool,
    /// Print only the value as it is stored, and a line break
    #[arg(long)]
    pub print_value_only: bool,
    /// Print values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
}

/// Arguments of `history`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KEY)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// The key
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Print the values, too
    #[arg(long)]
    pub values: bool,
    /// Print values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
}

/// Arguments of `find`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_FIND)]
pub struct FindArgs {
    /// The key
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Snapshots and directories with snapshots
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Find all keys that start with KEY
    #[arg(long)]
    pub prefix: bool,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: InspectForm,
    #[command(flatten)]
    pub work: WorkArgs,
}

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_DIFF)]
pub struct DiffArgs {
    /// The older snapshot
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The newer snapshot [default: the running cluster if a flag names it, otherwise A at another revision]
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// Read A at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_a: Revision,
    /// Read A at about this time, given like --at of other commands
    #[arg(long, value_name = "TIME", conflicts_with = "rev_a", value_parser = AskedTime::parse)]
    pub at_a: Option<AskedTime>,
    /// Read B at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_b: Revision,
    /// Read B at about this time, given like --at of other commands
    #[arg(long, value_name = "TIME", conflicts_with = "rev_b", value_parser = AskedTime::parse)]
    pub at_b: Option<AskedTime>,
    /// Only keys that start with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// Print the values, too
    #[arg(long)]
    pub values: bool,
    /// Print values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: InspectForm,
    /// The meta page from which to read A; `older` shows A one transaction earlier, if the file still contains that state
    #[arg(long, value_name = "WHICH", default_value = "newest", hide_default_value = true)]
    pub meta: MetaPage,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct ExportArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Format of the export
    #[arg(long, value_name = "FORM", default_value = "ndjson")]
    pub format: ExportForm,
    /// The file to create; `-` is standard output, and a device or a FIFO is written directly [default: -]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Only keys that start with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Do not protect CSV cells that start with =, +, -, @, a tab or a line break by an apostrophe
    ///
    /// Without this flag, such a cell starts with an apostrophe, so that no spreadsheet runs it as a formula. A cell that starts with an apostrophe itself
    /// gets another one, as does text after a semicolon, a tab or a line break in a cell. To undo it, drop one apostrophe at the start and after each of those.
    #[arg(long)]
    pub csv_raw: bool,
    /// Export every entry that the snapshot still contains, including tombstones, ordered by revision
    #[arg(long)]
    pub history: bool,
    /// Export values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Formats of `export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// One JSON object per line
    Ndjson,
    /// Comma-separated values with a header line
    Csv,
    /// Parquet, compressed with Zstandard
    Parquet,
}

/// Arguments of `usage`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct UsageArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// Only keys that start with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// Group by this many parts of the key after the prefix: with 2 a group is a Kubernetes resource, with 3 a namespace [default: 2]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub depth: Option<NonZeroUsize>,
    /// What to group by
    #[arg(long, value_name = "WHAT", default_value = "prefix")]
    pub by: UsageBy,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver
    #[arg(long, value_name = "PREFIX", default_value = "/registry")]
    pub etcd_prefix: String,
    /// Number of rows in each list
    #[arg(long, value_name = "N", default_value = "20")]
    pub top: usize,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Also show for every bucket its number of pages and how full they are, and the free pages; reads the file once more
    #[arg(long)]
    pub buckets: bool,
}

/// What `usage` groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UsageBy {
    /// Parts of the key: see --depth
    Prefix,
    /// Resources: pods, events, certificates.cert-manager.io
    Resource,
    /// Namespaces
    Namespace,
    /// Resources within each namespace
    ResourceNamespace,
    /// Kinds, with the share of managedFields in their values; reads all values
    Kind,
}

/// Arguments of `hashkv`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct HashKvArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Output form
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: EtcdForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Arguments of the commands that print a small bucket.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct ListArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
}

/// Arguments of `auth`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct AuthArgs {
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// Print the hashes of passwords, too
    #[arg(long)]
    pub show_secrets: bool,
}

/// Output forms of the commands that read a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectForm {
    /// Lines of text
    Simple,
    /// One JSON object per line
    Json,
    /// A table with borders
    Table,
}
