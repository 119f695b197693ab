//! Arguments of `kube helm`.

use clap::ValueEnum;

use super::args_inspect::InspectForm;
use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::NamespaceArgs;
use super::exit;

/// Arguments of `kube helm`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE)]
pub struct KubeHelmArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// What to do
    #[arg(value_name = "ACTION")]
    pub action: HelmAction,
    /// Which part of the release to print
    #[arg(value_name = "WHAT", required_if_eq("action", "get"))]
    pub part: Option<HelmPart>,
    /// The name of the release
    #[arg(value_name = "RELEASE", required_if_eq("action", "get"))]
    pub release: Option<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// List every revision that Helm stored
    #[arg(long)]
    pub revisions: bool,
    /// Print this revision (Helm's number) [default: the newest]
    #[arg(long, value_name = "N")]
    pub revision: Option<u64>,
    /// Show what may contain secrets: values, manifest and notes, and with JSON the description
    #[arg(long)]
    pub show_secrets: bool,
    /// Output form of the list
    #[arg(
        short,
        long,
        visible_short_alias = 'o',
        visible_alias = "output",
        value_name = "FORM",
        default_value = "simple"
    )]
    pub write_out: InspectForm,
}

/// What to do with releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HelmAction {
    /// List releases, each with its newest revision
    List,
    /// Print a part of a release, as `helm get` does
    Get,
}

/// A part of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HelmPart {
    /// The values that the user gave, as YAML; only their names unless --show-secrets is given
    Values,
    /// The applied manifest; needs --show-secrets
    Manifest,
    /// The notes that Helm printed; needs --show-secrets
    Notes,
}
