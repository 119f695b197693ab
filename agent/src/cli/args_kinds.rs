//! What `kube kinds` takes.

use super::args_kube::KubeFileArgs;
use super::args_kube_common::ChoiceArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube kinds`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KindsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    #[command(flatten)]
    pub choice: ChoiceArgs,
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
