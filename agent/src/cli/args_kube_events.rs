//! What `kube events` takes.

use super::args_kube::KubeFileArgs;
use super::args_kube_common::NamespaceArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube events`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KubeEventsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Only of these types, with commas between: Normal, Warning
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    pub types: Vec<String>,
    /// Only about this object
    #[arg(long = "for", value_name = "TYPE/NAME")]
    pub about: Option<String>,
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
