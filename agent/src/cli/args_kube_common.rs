//! Arguments that the commands below `kube` have alike.

use std::path::PathBuf;

use super::args_common::{DecryptArgs, MetaArgs, WorkArgs};
use super::args_inspect::InspectForm;
use super::args_revision::RevisionArgs;

/// In which form to print.
#[derive(Debug, Clone, clap::Args)]
pub struct FormArgs {
    /// In which form to print
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

/// Which objects, of which file.
#[derive(Debug, clap::Args)]
pub struct KubeFileArgs {
    /// A snapshot; `-` is the standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Where Kubernetes keeps its objects: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// In which namespaces to look.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct NamespaceArgs {
    /// In this namespace [default: default]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// In all namespaces, whatever -n says
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl NamespaceArgs {
    /// The namespace to look into; none for all of them.
    pub fn chosen(&self) -> Option<&str> {
        (!self.all_namespaces).then(|| self.namespace.as_deref().unwrap_or("default"))
    }
}

/// Of which objects to speak, where it is all of them unless some are named.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ChoiceArgs {
    /// Types of objects with commas between and names behind them, or TYPE/NAME for each object [default: all]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    /// Only in this namespace, and it itself [default: all of them]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// In all namespaces, as without -n
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl ChoiceArgs {
    /// The only namespace to look into; none for all of them.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|_| !self.all_namespaces)
    }
}
