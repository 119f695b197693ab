//! Arguments of `kube check`.

use super::args_kube_common::ChoiceArgs;
use super::args_kube_common::KubeFileArgs;
use super::args_restore::RestoreForm;
use super::exit;

/// Arguments of `kube check`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE_CHECK)]
pub struct KubeCheckArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Print every recorded finding, not only the first few of each kind
    #[arg(long)]
    pub all: bool,
    /// Output form
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output",
        value_name = "FORM",
        default_value = "text"
    )]
    pub write_out: RestoreForm,
}
