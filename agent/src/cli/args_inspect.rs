//! What the commands take that look into a snapshot.

use etcdsnap::core::Revision;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;

use super::args_common::{DecryptArgs, EtcdForm, MetaArgs, MetaPage, WorkArgs, one_or_more};
use super::args_revision::{AskedTime, RevisionArgs, revision};
use super::args_save::LiveArgs;
use super::exit;

/// What all of them take.
#[derive(Debug, Clone, clap::Args)]
pub struct InspectArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: InspectForm,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Some of the keys in their order, a half-open interval as etcd's `range_end` makes it.
#[derive(Debug, clap::Args)]
pub struct IntervalArgs {
    /// Only keys from this one on
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
    /// Only keys that begin with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Revisions, sizes and leases, too
    #[arg(short, long)]
    pub long: bool,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// Only those for which all of this is true: words that the key has in it; kind:TYPE or ns:NAMESPACE; size, create, rev, version or lease, then =, !=, <, <=, > or >=, then a number; or key or value, then ~ (has in it) or !~, then a text
    ///
    /// Such as --filter 'web kind:deploy', --filter 'size>1.5MiB', --filter 'rev>=1000', --filter lease=7f3a, --filter 'key~nginx', --filter 'value~10.0.0.7'. A word finds its text anywhere in the key,
    /// whatever its capitals unless it has one itself; ^ before it stands for the beginning of the key, ! for not that. It is the language of the page's search. Values are
    /// read for the keys that meet all other conditions, which takes as long as reading them. Values of secrets are searched with --show-secrets alone.
    #[arg(long, value_name = "CONDITION")]
    pub filter: Vec<String>,
    /// Deleted keys instead of those that live
    #[arg(long)]
    pub deleted: bool,
    /// Have --filter value~TEXT search the values of Kubernetes secrets, too
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
    /// Key and value in hexadecimal
    #[arg(long, conflicts_with = "raw")]
    pub hex: bool,
    /// The value's bytes and nothing else, of a Kubernetes object too
    #[arg(long)]
    pub raw: bool,
    /// The value without the key, as it is stored, and a line break
    #[arg(long)]
    pub print_value_only: bool,
    /// Values of Kubernetes secrets, too
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
    /// The values, too
    #[arg(long)]
    pub values: bool,
    /// Values of Kubernetes secrets, too
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
    /// KEY is what the keys begin with
    #[arg(long)]
    pub prefix: bool,
    /// In which form to print
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
    /// The newer one [default: the running cluster, where flags name it, or A at another revision]
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// A as it was at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_a: Revision,
    /// A as it was at about this time, as --at of the other commands takes it
    #[arg(long, value_name = "TIME", conflicts_with = "rev_a", value_parser = AskedTime::parse)]
    pub at_a: Option<AskedTime>,
    /// B as it was at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_b: Revision,
    /// B as it was at about this time, as --at of the other commands takes it
    #[arg(long, value_name = "TIME", conflicts_with = "rev_b", value_parser = AskedTime::parse)]
    pub at_b: Option<AskedTime>,
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// The values, too
    #[arg(long)]
    pub values: bool,
    /// Values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: InspectForm,
    /// By which of its two meta pages to read A: `older` shows it as it was one transaction earlier, where that is still in the file
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
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// In which form
    #[arg(long, value_name = "FORM", default_value = "ndjson")]
    pub format: ExportForm,
    /// The file to make; `-` is the standard output, and a device or a FIFO is written directly [default: -]
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Only keys that begin with this
    #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// CSV as it is: a key or value that begins with =, +, -, @, a tab or a line break gets no apostrophe in front
    ///
    /// Without it such a cell begins with an apostrophe, so that no spreadsheet takes it for a formula and computes it. So does one that begins with an apostrophe
    /// itself, and so does what follows a semicolon, a tab or a line break in a cell: a reader drops an apostrophe at the start and behind each of those.
    #[arg(long)]
    pub csv_raw: bool,
    /// Every entry that is retained, tombstones too, in the order of revisions
    #[arg(long)]
    pub history: bool,
    /// Values of Kubernetes secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Forms of `export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A JSON object a line
    Ndjson,
    /// Comma-separated values with a line of titles
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
    /// Only keys that begin with this
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    #[command(flatten)]
    pub interval: IntervalArgs,
    /// Sum up by so many parts of the name behind the prefix: 2 is a Kubernetes resource, 3 a namespace [default: 2]
    #[arg(long, value_name = "N", value_parser = one_or_more)]
    pub depth: Option<NonZeroUsize>,
    /// Sum up what Kubernetes keeps by what it is, instead of by parts of the name
    #[arg(long, value_name = "WHAT", default_value = "prefix")]
    pub by: UsageBy,
    /// Where Kubernetes keeps its objects: --etcd-prefix of kube-apiserver
    #[arg(long, value_name = "PREFIX", default_value = "/registry")]
    pub etcd_prefix: String,
    /// How many rows of each list
    #[arg(long, value_name = "N", default_value = "20")]
    pub top: usize,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Tell of every bucket how many pages it takes and how full they are, and of the free pages; reads the file once more
    #[arg(long)]
    pub buckets: bool,
}

/// By what `usage` sums up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UsageBy {
    /// Parts of the name: see --depth
    Prefix,
    /// Resources: pods, events, certificates.cert-manager.io
    Resource,
    /// Namespaces
    Namespace,
    /// The resources of each namespace
    ResourceNamespace,
    /// Kinds, with the share of managedFields in the values of their objects, which are read for it
    Kind,
}

/// Arguments of `hashkv`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct HashKvArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// In which form to print
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
    /// The hashes of passwords, too
    #[arg(long)]
    pub show_secrets: bool,
}

/// Forms of what is in a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectForm {
    /// Plain lines
    Simple,
    /// One JSON object a line
    Json,
    /// A table with lines around it
    Table,
}
