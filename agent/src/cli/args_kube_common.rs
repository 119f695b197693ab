//! Arguments that the subcommands of `kube` share.

use std::path::PathBuf;

use super::args_common::{DecryptArgs, MetaArgs, WorkArgs};
use super::args_inspect::InspectForm;
use super::args_revision::RevisionArgs;

/// Chooses the output form.
#[derive(Debug, Clone, clap::Args)]
pub struct FormArgs {
    /// Output form
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

/// Chooses the file, the revision and the prefix to read.
#[derive(Debug, clap::Args)]
pub struct KubeFileArgs {
    /// A snapshot; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub revision: RevisionArgs,
    /// Prefix of Kubernetes' keys: --etcd-prefix of kube-apiserver [default: /registry, and OpenShift's]
    #[arg(long, value_name = "PREFIX")]
    pub etcd_prefix: Option<String>,
    #[command(flatten)]
    pub decrypt: DecryptArgs,
    #[command(flatten)]
    pub work: WorkArgs,
    #[command(flatten)]
    pub meta: MetaArgs,
}

/// Chooses the namespaces to read.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct NamespaceArgs {
    /// Read this namespace [default: default]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Read all namespaces, even if -n is given
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl NamespaceArgs {
    /// Returns the namespace to read; `None` means all.
    pub fn chosen(&self) -> Option<&str> {
        (!self.all_namespaces).then(|| self.namespace.as_deref().unwrap_or("default"))
    }
}

/// Chooses objects; by default, all.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ChoiceArgs {
    /// Types of objects with commas between, then names; or TYPE/NAME for each object [default: all]
    #[arg(value_name = "TYPE [NAME]")]
    pub objects: Vec<String>,
    /// Read only this namespace, and the namespace itself [default: all]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Read all namespaces, as without -n
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

impl ChoiceArgs {
    /// Returns the only namespace to read; `None` means all.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|_| !self.all_namespaces)
    }
}
