//! Arguments of `kube manifests`.

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
    /// Types of objects with commas between, then names; or TYPE/NAME for each object [default: everything in the namespace, and the namespace itself]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// The directory to create; `-` writes one YAML stream to standard output
    #[arg(short, long, value_name = "DIR", default_value = "-")]
    pub output: PathBuf,
    /// Change the namespace of the objects to this one, also where they refer to the old one, such as in the subjects of role bindings
    ///
    /// Names of services in texts, such as `db.shop.svc`, are not changed but reported.
    #[arg(long, value_name = "NS", conflicts_with = "all_namespaces")]
    pub to_namespace: Option<String>,
    /// Write objects that are deleted but still in the history, in their last state
    #[arg(long)]
    pub deleted: bool,
    /// Keep these fields, which are removed otherwise; with commas between
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = PossibleValuesParser::new(fields()))]
    pub keep: Vec<String>,
    /// Write objects that a controller owns, too, such as the pods of a Deployment
    #[arg(long)]
    pub include_owned: bool,
    /// Write objects without a namespace, too: cluster roles, volumes, classes, webhooks
    #[arg(long)]
    pub cluster_scoped: bool,
    /// Write secrets, too, with their values
    #[arg(long)]
    pub show_secrets: bool,
}
