//! Arguments of `kube diff`.

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
    /// The newer snapshot [default: A at another revision]
    #[arg(value_name = "B")]
    pub b: Option<PathBuf>,
    /// Types of objects with commas between, then names; or TYPE/NAME for each object [default: all]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    /// Read A at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_a: Revision,
    /// Read A at about this time, given like --at of other commands
    #[arg(long, value_name = "TIME", conflicts_with = "rev_a", value_parser = AskedTime::parse)]
    pub at_a: Option<AskedTime>,
    /// Read B at this revision [default: the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev_b: Revision,
    /// Read B at about this time
    #[arg(long, value_name = "TIME", conflicts_with = "rev_b", value_parser = AskedTime::parse)]
    pub at_b: Option<AskedTime>,
    /// Read only this namespace [default: all]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Read all namespaces, as without -n
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects that have these labels in A or B, such as `app=web,tier!=db`
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// List Leases and Events, too, and objects that differ only in managedFields
    #[arg(long)]
    pub all: bool,
    /// Show changes of managedFields
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Show values of secrets
    #[arg(long)]
    pub show_secrets: bool,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
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
