//! What `kube manifests` takes.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use etcdsnap::core::kubernetes::manifest_fields::fields;

use super::args_kube_common::KubeFileArgs;
use super::args_kube_common::NamespaceArgs;
use super::exit;

/// Arguments of `kube manifests`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE)]
pub struct ManifestsArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// Types of objects with commas between and names behind them, or TYPE/NAME for each object [default: all that is in the namespace, and the namespace itself]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// The directory to make; `-` is the standard output, as one stream of YAML
    #[arg(short, long, value_name = "DIR", default_value = "-")]
    pub output: PathBuf,
    /// For this namespace instead of the one that they were in: their own, and what they refer to in the old one, such as the subjects of role bindings
    ///
    /// Names of services in texts, such as `db.shop.svc`, stay as they are, and are told.
    #[arg(long, value_name = "NS", conflicts_with = "all_namespaces")]
    pub to_namespace: Option<String>,
    /// Objects that are deleted and still in the history, with their last state
    #[arg(long)]
    pub deleted: bool,
    /// Fields that stay, with commas between, although they would be taken out
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = PossibleValuesParser::new(fields()))]
    pub keep: Vec<String>,
    /// Objects that a controller owns, too, such as the pods of a Deployment
    #[arg(long)]
    pub include_owned: bool,
    /// What is in no namespace, too: cluster roles, volumes, classes, webhooks
    #[arg(long)]
    pub cluster_scoped: bool,
    /// Secrets, too, with their values
    #[arg(long)]
    pub show_secrets: bool,
}
