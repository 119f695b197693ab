//! What `kube diff` takes.

use etcdsnap::core::Revision;
use std::path::PathBuf;

use super::args_common::{DecryptArgs, MetaArgs, WorkArgs};
use super::args_kube_common::FormArgs;
use super::args_revision::AskedTime;
use super::args_revision::revision;
use super::exit;

/// Arguments of `kube diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_DIFF)]
pub struct KubeDiffArgs {
    /// The older snapshot
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The newer one; left out, A is compared with itself at another revision
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// Types of objects with commas between and names behind them, or TYPE/NAME for each object [default: all]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    /// A as it was at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_a: Revision,
    /// A as it was at about this time, as --at of the other commands takes it
    #[arg(long, value_name = "TIME", conflicts_with = "rev_a", value_parser = AskedTime::parse)]
    pub at_a: Option<AskedTime>,
    /// B as it was at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_b: Revision,
    /// B as it was at about this time
    #[arg(long, value_name = "TIME", conflicts_with = "rev_b", value_parser = AskedTime::parse)]
    pub at_b: Option<AskedTime>,
    /// Only in this namespace [default: all of them]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// In all namespaces, as without -n
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects that have these labels on either side, such as `app=web,tier!=db`
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// Leases and Events, too, and objects whose fields are alike
    #[arg(long)]
    pub all: bool,
    /// Who set which field, too
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Values of secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    /// Where Kubernetes keeps its objects: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}
