//! Arguments of `kube history`.

use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::{FormArgs, NamespaceArgs};
use super::exit;

/// Arguments of `kube history`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE_HISTORY)]
pub struct KubeHistoryArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// The object as TYPE/NAME or TYPE NAME; or several objects, or a type for all of its objects
    #[arg(value_name = "TYPE/NAME", required = true)]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Show changes of managedFields
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Show values of secrets
    #[arg(long)]
    pub show_secrets: bool,
    #[command(flatten)]
    pub form: FormArgs,
}
