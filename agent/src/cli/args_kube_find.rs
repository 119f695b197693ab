//! Arguments of `kube find`.

use std::path::PathBuf;

use super::args_common::{DecryptArgs, WorkArgs};
use super::args_inspect::InspectForm;
use super::args_kube_common::NamespaceArgs;
use super::exit;

/// Arguments of `kube find`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE_FIND)]
pub struct KubeFindArgs {
    /// Snapshots and directories with snapshots
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The object, as TYPE/NAME or TYPE NAME; several as TYPE/NAME each
    #[arg(required = true, value_name = "TYPE/NAME")]
    pub object: String,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Instead of the list, print the object as YAML from the newest file that has it; if that file only records its deletion, print the last state before the deletion, if the file still contains it
    #[arg(long)]
    pub last: bool,
    /// Show managedFields in YAML
    #[arg(long, requires = "last")]
    pub show_managed_fields: bool,
    /// Show values of secrets
    #[arg(long, requires = "last")]
    pub show_secrets: bool,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    /// Output form of the list
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output",
        value_name = "FORM",
        default_value = "simple",
        conflicts_with = "last"
    )]
    pub write_out: InspectForm,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
}
