//! What `kube events` takes.

use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::{FormArgs, NamespaceArgs};
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
    #[command(flatten)]
    pub form: FormArgs,
}
