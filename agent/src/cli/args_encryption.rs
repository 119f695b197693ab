//! Arguments of `kube encryption`.

use super::args_kube_common::FormArgs;
use super::args_kube_common::KubeFileArgs;
use super::exit;

/// Arguments of `kube encryption`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub struct EncryptionArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    #[command(flatten)]
    pub form: FormArgs,
}
