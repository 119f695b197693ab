//! What `kube kinds` takes.

use super::args_kube::KubeFileArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube kinds`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KindsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// In which form to print
    #[arg(short, long, value_name = "FORM", default_value = "simple")]
    pub write_out: LookForm,
}
