//! Arguments of `kube kinds`.

use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::{ChoiceArgs, FormArgs};
use super::exit;

/// Arguments of `kube kinds`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct KindsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub form: FormArgs,
}
