//! What `kube history` takes.

use super::args_kube::KubeFileArgs;
use super::args_kube_common::NamespaceArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube history`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE_HISTORY)]
pub struct KubeHistoryArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// The object as TYPE/NAME or TYPE NAME; several, or a type for all of its objects, too
    #[arg(value_name = "TYPE/NAME", required = true)]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Who set which field, too
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Values of secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    /// In which form to print
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output",
        value_name = "FORM",
        default_value = "simple"
    )]
    pub write_out: LookForm,
}
