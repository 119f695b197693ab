//! What `kube history` takes.

use super::args_kube::KubeFileArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube history`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE_HISTORY)]
pub struct KubeHistoryArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// The object
    #[arg(value_name = "TYPE/NAME")]
    pub object: String,
    /// Its namespace
    #[arg(short, long, value_name = "NS", default_value = "default")]
    pub namespace: String,
    /// Who set which field, too
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Values of secrets, too
    #[arg(long)]
    pub show_secrets: bool,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: LookForm,
}
