//! What `kube helm` takes.

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
    /// What to get
    #[arg(value_name = "WHAT", required_if_eq("action", "get"))]
    pub what: Option<HelmPart>,
    /// Of which release
    #[arg(value_name = "RELEASE", required_if_eq("action", "get"))]
    pub release: Option<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// List every revision that Helm keeps
    #[arg(long)]
    pub revisions: bool,
    /// Get Helm's revision of this number [default: the newest]
    #[arg(long, value_name = "N")]
    pub revision: Option<u64>,
    /// Values, manifest, notes and the description in JSON as they are: they may have secrets in them
    #[arg(long)]
    pub show_secrets: bool,
    /// In which form to print the list
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
    /// Print what Helm keeps of a release, as `helm get` does
    Get,
}

/// A part of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HelmPart {
    /// The values that were given, as YAML; hidden, but for their names, unless --show-secrets is given
    Values,
    /// What was applied
    Manifest,
    /// What Helm said at the end
    Notes,
}
