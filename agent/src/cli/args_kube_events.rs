//! Arguments of `kube events`.

use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::{FormArgs, NamespaceArgs};
use super::exit;

/// Arguments of `kube events`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KubeEventsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// Only Events about these objects: types with commas between, then names; or TYPE/NAME for each object [default: all]
    #[arg(value_name = "TYPE [NAME]", conflicts_with = "about")]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Only Events of these types, with commas between: Normal, Warning
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    pub types: Vec<String>,
    /// Only Events about this object
    #[arg(long = "for", value_name = "TYPE/NAME")]
    pub about: Option<String>,
    #[command(flatten)]
    pub form: FormArgs,
}
