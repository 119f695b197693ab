//! Arguments of `kube` and its subcommands.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Subcommand, ValueEnum};
use etcdsnap::core::kubernetes::json_template::TemplateForm;

use super::args_encryption::EncryptionArgs;
use super::args_kinds::KindsArgs;
use super::args_kube_check::KubeCheckArgs;
use super::args_kube_common::{KubeFileArgs, NamespaceArgs};
use super::args_kube_diff::KubeDiffArgs;
use super::args_kube_events::KubeEventsArgs;
use super::args_kube_find::KubeFindArgs;
use super::args_kube_helm::KubeHelmArgs;
use super::args_kube_history::KubeHistoryArgs;
use super::args_manifests::ManifestsArgs;
use super::exit;

/// Arguments of `kube`.
#[derive(Debug, clap::Args)]
pub struct KubeArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KubeCommand,
}

/// The commands below `kube`.
#[derive(Debug, Subcommand)]
pub enum KubeCommand {
    /// Print objects, as `kubectl get` does
    ///
    /// TYPE is what kubectl accepts: plural, singular or short name, or kind; with a group after a dot where the name is ambiguous; several with commas between; `all`; or
    /// TYPE/NAME. Custom resources have the names that their definitions in the snapshot give them. Without -n or -A, it reads the namespace `default`. Unlike kubectl, it accepts names
    /// with -A, too, and finds them in all namespaces.
    ///
    /// A snapshot holds only history that was not compacted, in Kubernetes the last five to ten minutes: --rev and --deleted reach back that far. For older
    /// states, use an older snapshot.
    ///
    /// Values of secrets are hidden unless --show-secrets is given. AGE is counted up to about the time of the snapshot.
    Get(KubeGetArgs),
    /// Write objects as manifests that can be applied again, for example those of a deleted namespace
    ///
    /// Fields that servers and controllers set are removed: uid, resourceVersion, managedFields, owners, status, addresses and ports of services, tokens of pods. These objects are left out: those that a
    /// controller owns, those that every cluster creates itself (kube-root-ca.crt, the service account `default`), tokens of service accounts, events, leases and nodes; and secrets, unless
    /// --show-secrets is given. Objects that were being deleted at the time of the snapshot, and those that ran to completion, are left out unless they are named. Everything that is left out is reported on
    /// stderr. A directory appears when it is complete, and nothing is ever overwritten.
    ///
    /// Without TYPE, everything in the namespace is written, with the namespace itself and the definitions of its custom resources. To get deleted objects, use --rev N with a revision
    /// before the deletion, or --deleted; if the deletion was more than five to ten minutes before the snapshot, use an older snapshot.
    Manifests(ManifestsArgs),
    /// Show for each of many snapshots whether it holds an object, newest first
    ///
    /// An API server compacts its history every five minutes, so one file reaches back five to ten minutes: look for what was lost yesterday in yesterday's file. A PATH is a snapshot or a
    /// directory; of a directory, its files are read, but not its subdirectories. For the latest revision of each file it shows whether the object exists, the revision that wrote or deleted
    /// it, and whether it differs from the one in the snapshot before. --last prints the object from the newest file that has it.
    Find(KubeFindArgs),
    /// List the revisions of an object: when, by whom, and which fields changed
    ///
    /// Paths are those of kubectl's JSONPath. MANAGER is the newest entry of managedFields, the manager that changed fields last. `create` after a `delete` is an object that was created again. For the oldest revision
    /// in the snapshot the changes are unknown, unless it created the object. A snapshot reaches back five to ten minutes; `kube find` reads many.
    History(KubeHistoryArgs),
    /// List the objects that differ between two snapshots or two revisions, field by field; exit code 1 if there are any
    ///
    /// `+` was added, `-` was removed, `~` has other fields; paths are those of kubectl's JSONPath. Leases, Events and objects that differ only in managedFields are counted on stderr and do not change the exit code, unless --all is given or their TYPE is
    /// named. With --rev-a, --rev-b, --at-a or --at-b, a second argument that is not a file is a TYPE, and A is compared with itself.
    Diff(Box<KubeDiffArgs>),
    /// Find problems of objects, and say how to solve them; exit code 1 if there are findings
    ///
    /// Reports objects that do not decode or contradict their keys; missing owners, namespaces, definitions of custom resources, and services of webhooks and APIs; objects that wait to be deleted, with their finalizers; unencrypted secrets beside encrypted ones.
    Check(KubeCheckArgs),
    /// List Events by the time at which they were last seen, as `kubectl events` does
    ///
    /// LAST SEEN is counted up to about the time of the snapshot. An API server keeps Events for an hour.
    Events(KubeEventsArgs),
    /// List releases of Helm, or print the values, manifest or notes of one
    ///
    /// Releases are read from Secrets and ConfigMaps. Unless --show-secrets is given, values are hidden, and manifest and notes are not printed.
    Helm(KubeHelmArgs),
    /// List the kinds of objects: their encoding, number and size
    ///
    /// Bytes are those of values at the revision, without history. MANAGED is the share of managedFields, which record who set which field; UNREADABLE counts objects that cannot be decoded
    /// completely. For encrypted objects the provider is shown.
    Kinds(KindsArgs),
    /// Show by which providers and keys the objects are encrypted, and which secrets are not
    ///
    /// For each resource it counts the objects that are stored in plain text, and those that need each key of the cluster's EncryptionConfiguration or each KMS plugin. Nothing is decrypted, so no key is
    /// needed; but only --encryption-config tells for certain where the name of a key ends in a value. `etcdsnap verify --encryption-config` checks whether all values can be decrypted.
    Encryption(EncryptionArgs),
}

/// Arguments of `kube get`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE)]
pub struct KubeGetArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// Types of objects with commas between, then names; or TYPE/NAME for each object
    #[arg(value_name = "TYPE [NAME]", required = true)]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// Output form
    #[arg(short, long, short_alias = 'w', alias = "write-out", value_name = "FORM", default_value = "table", value_parser = KubeOutputParser)]
    pub output: KubeOutput,
    /// Only objects with these labels, such as `app=web,tier!=db,env in (a,b),!old`
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// Only objects with these field values, such as `status.phase=Running`: the fields that an API server of 1.37 can select by; for custom resources, those of their definition
    #[arg(long, value_name = "FIELDS")]
    pub field_selector: Option<String>,
    /// Sort by the value at this path, such as `.metadata.creationTimestamp`
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,
    /// Add a column for each of these labels, with commas between
    #[arg(short = 'L', long, value_name = "LABELS", value_delimiter = ',')]
    pub label_columns: Vec<String>,
    /// Add a column with all labels
    #[arg(long)]
    pub show_labels: bool,
    /// Print tables without a header line
    #[arg(long)]
    pub no_headers: bool,
    /// Write the type before each name
    #[arg(long)]
    pub show_kind: bool,
    /// Say nothing of named objects that are not there, and end with 0
    #[arg(long)]
    pub ignore_not_found: bool,
    /// Count ages up to this time, in seconds since 1970; for tests that compare with recorded tables
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub now: Option<i64>,
    /// Print objects that are deleted but still in the history, in their last state
    #[arg(long)]
    pub deleted: bool,
    /// Show managedFields in YAML and JSON
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Show values of secrets
    #[arg(long)]
    pub show_secrets: bool,
}

/// Output forms of `kube get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KubeForm {
    /// A table, as kubectl prints it
    Table,
    /// More columns
    Wide,
    /// YAML, as kubectl prints it; several objects as a List
    Yaml,
    /// JSON, as kubectl prints it; several objects as a List
    Json,
    /// One JSON object per line
    Jsonl,
    /// The API server's own JSON, one object per line
    Raw,
    /// TYPE/NAME
    Name,
}

/// The value of `-o`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeOutput {
    /// A named form, such as `yaml`.
    Form(KubeForm),
    /// `custom-columns=TITLE:PATH,…`
    CustomColumns(String),
    /// `jsonpath=TEMPLATE` and `jsonpath-as-json=TEMPLATE`
    Template(TemplateForm, String),
}

/// Parses the value of `-o`.
#[derive(Debug, Clone)]
pub struct KubeOutputParser;

/// The prefix of custom columns.
const CUSTOM_COLUMNS_PREFIX: &str = "custom-columns=";
/// The prefixes of templates.
const TEMPLATE_PREFIXES: [(&str, TemplateForm); 2] =
    [("jsonpath=", TemplateForm::Text), ("jsonpath-as-json=", TemplateForm::Json)];
/// Forms of kubectl that do not exist here, and what to use instead.
const UNSUPPORTED_FORMS: [(&str, &str); 8] = [
    ("go-template-file", GO_TEMPLATE_ADVICE),
    ("go-template", GO_TEMPLATE_ADVICE),
    ("templatefile", GO_TEMPLATE_ADVICE),
    ("template", GO_TEMPLATE_ADVICE),
    ("jsonpath-file", "write the template itself: -o jsonpath=\"$(cat FILE)\""),
    ("custom-columns-file", "write the columns themselves: -o custom-columns=NAME:.metadata.name"),
    ("jsonpath", "write -o jsonpath='{.metadata.name}'"),
    ("custom-columns", "write -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image"),
];
const GO_TEMPLATE_ADVICE: &str = "Go templates are not supported: use -o jsonpath='{.metadata.name}', -o custom-columns=NAME:.metadata.name, or -o json with another program";

impl TypedValueParser for KubeOutputParser {
    type Value = KubeOutput;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        if let Some(columns) = value.to_str().and_then(|value| value.strip_prefix(CUSTOM_COLUMNS_PREFIX)) {
            return Ok(KubeOutput::CustomColumns(columns.to_owned()));
        }
        let text = value.to_str().unwrap_or_default();
        for (before, form) in TEMPLATE_PREFIXES {
            if let Some(template) = text.strip_prefix(before).filter(|template| !template.is_empty()) {
                return Ok(KubeOutput::Template(form, template.to_owned()));
            }
        }
        let word = text.split('=').next().unwrap_or_default();
        if let Some((_, advice)) = UNSUPPORTED_FORMS.iter().find(|(form, _)| word.trim_end_matches("-as-json") == *form)
        {
            let what = format!("-o {word}: {advice}\n");
            return Err(clap::Error::raw(clap::error::ErrorKind::InvalidValue, what).with_cmd(command));
        }
        if let Ok(form) = KubeForm::from_str(text, false) {
            return Ok(KubeOutput::Form(form));
        }
        let forms: Vec<String> = KubeForm::value_variants()
            .iter()
            .filter_map(|form| Some(form.to_possible_value()?.get_name().to_owned()))
            .collect();
        let what = format!(
            "-o {text:?} is not one of {}, custom-columns=TITLE:PATH,…, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE\n",
            forms.join(", ")
        );
        Err(clap::Error::raw(clap::error::ErrorKind::InvalidValue, what).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let forms = KubeForm::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let custom = PossibleValue::new(CUSTOM_COLUMNS_PREFIX).help("Your own columns: TITLE:PATH,TITLE:PATH");
        let template =
            PossibleValue::new("jsonpath=").help("The values that a template finds, such as {.items[*].metadata.name}");
        let as_json = PossibleValue::new("jsonpath-as-json=").help("The same as a JSON array");
        Some(Box::new(forms.chain([custom, template, as_json])))
    }
}
