//! What `kube encryption` takes.

use super::args_kube::KubeFileArgs;
use super::args_look::LookForm;
use super::exit;

/// Arguments of `kube encryption`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct EncryptionArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
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
