//! What `kube` and the commands below it take.

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
    /// TYPE is what kubectl takes: plural, singular or short name, or kind, with a group behind a point where it is not clear, several with commas between, `all`, or
    /// TYPE/NAME. Custom resources have the names that their definitions in the snapshot give them. Without -n or -A it looks into the namespace `default`. Unlike kubectl, it takes names
    /// with -A, too, and finds them in all namespaces.
    ///
    /// A snapshot remembers what has not been compacted away, which in Kubernetes is five to ten minutes: --rev and --deleted reach back so far. What is older
    /// is in an older snapshot.
    ///
    /// Values of secrets are hidden unless --show-secrets is given. AGE counts to about the time at which the snapshot was taken.
    Get(KubeGetArgs),
    /// Write objects as manifests that can be applied again, such as those of a namespace that was deleted
    ///
    /// Taken out is what servers and controllers set: uid, resourceVersion, managedFields, owners, status, addresses and ports of services, tokens of pods. Left out are objects that a
    /// controller owns, that every cluster makes itself (kube-root-ca.crt, the service account `default`), tokens of service accounts, events, leases and nodes; and secrets, unless
    /// --show-secrets is given. Left out are, too, objects that were being deleted when the snapshot was taken, and what ran to its end, unless they are named. What was left out is said on
    /// stderr. A directory appears when it is complete, and nothing is ever overwritten.
    ///
    /// Without TYPE it is all that is in the namespace, the namespace itself, and the definitions of its custom resources. What was deleted comes back with --rev N, a revision
    /// before the deletion, or with --deleted; if that is longer ago than five to ten minutes, with an older snapshot.
    Manifests(ManifestsArgs),
    /// Tell of each of many snapshots whether it has an object, the newest first
    ///
    /// An API server compacts its history every five minutes, so one file remembers five to ten minutes: what was lost yesterday is in the file of yesterday. A PATH is a snapshot or a
    /// directory, whose files are looked into and whose own directories are not. Each is asked as of its latest revision: whether the object is there, the revision that wrote or deleted
    /// it, and whether it differs from the one in the snapshot before. --last prints it from the newest file that has it.
    Find(KubeFindArgs),
    /// List the revisions of an object: when, who wrote it, and what changed, field by field
    ///
    /// Paths are those of kubectl's JSONPath. MANAGER is the newest entry of managedFields, which is who changed fields last. `create` behind a `delete` is an object that was made anew. Of the first revision
    /// that is kept nobody knows what it changed, unless it created the object. A snapshot remembers five to ten minutes; `kube find` looks into many.
    History(KubeHistoryArgs),
    /// List the objects that two snapshots, or two revisions of one, do not have alike, field by field; exit code 1 when there are any
    ///
    /// `+` was added, `-` removed, `~` has other fields; paths are those of kubectl's JSONPath. Leases, Events and what differs in managedFields alone is folded: counted on stderr, and no difference to the exit code, unless --all is given or its TYPE is
    /// named. With --rev-a, --rev-b, --at-a or --at-b a second word that is no file is a TYPE, and A is compared with itself.
    Diff(Box<KubeDiffArgs>),
    /// Look for what is wrong with the objects, and say what to do; exit code 1 when there are findings
    ///
    /// Objects that do not decode, or contradict their keys; owners, namespaces, definitions of custom resources, and services of webhooks and of APIs that are gone; objects that wait to be deleted, and their finalizers; secrets in plain beside encrypted ones.
    Check(KubeCheckArgs),
    /// List the Events by the time at which they were last seen, as `kubectl events` does
    ///
    /// LAST SEEN counts to about the time at which the snapshot was taken. An API server keeps Events for an hour.
    Events(KubeEventsArgs),
    /// List releases of Helm, or print what it keeps of one: values, manifest, notes
    ///
    /// Releases are read from Secrets and ConfigMaps. Values are hidden, and manifest and notes not printed, unless --show-secrets is given.
    Helm(KubeHelmArgs),
    /// List the kinds of objects: how they are stored, how many there are, and what they take
    ///
    /// Bytes are those of values at the revision, without history. MANAGED is the share of managedFields, which say who set which field; UNREADABLE counts objects that cannot be decoded to
    /// their end. Of encrypted objects the provider is told.
    Kinds(KindsArgs),
    /// Tell by which providers and keys the objects are encrypted, and which secrets are not
    ///
    /// For each resource: how many objects are stored plain, and how many need which key of the cluster's EncryptionConfiguration, or which KMS plugin. Nothing is opened, so no key is
    /// needed; where a name ends in a value is told for certain only with --encryption-config. `etcdsnap verify --encryption-config` tells whether all of it opens.
    Encryption(EncryptionArgs),
}

/// Arguments of `kube get`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP_KUBE)]
pub struct KubeGetArgs {
    #[command(flatten)]
    pub file: KubeFileArgs,
    /// Types of objects with commas between and names behind them, or TYPE/NAME for each object
    #[arg(value_name = "TYPE [NAME]", required = true)]
    pub objects: Vec<String>,
    #[command(flatten)]
    pub namespace: NamespaceArgs,
    /// In which form to print
    #[arg(short, long, short_alias = 'w', alias = "write-out", value_name = "FORM", default_value = "table", value_parser = KubeOutputParser)]
    pub output: KubeOutput,
    /// Only objects with these labels, such as `app=web,tier!=db,env in (a,b),!old`
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,
    /// Only objects with these values, such as `status.phase=Running`: the fields that an API server of 1.37 selects by, of custom resources those of their definition
    #[arg(long, value_name = "FIELDS")]
    pub field_selector: Option<String>,
    /// In the order of what is at this path, such as `.metadata.creationTimestamp`
    #[arg(long, value_name = "PATH")]
    pub sort_by: Option<String>,
    /// A column for each of these labels, with commas between
    #[arg(short = 'L', long, value_name = "LABELS", value_delimiter = ',')]
    pub label_columns: Vec<String>,
    /// A column with all labels
    #[arg(long)]
    pub show_labels: bool,
    /// Tables without their titles
    #[arg(long)]
    pub no_headers: bool,
    /// Count ages to this time, in seconds since 1970, as tests do that compare with recorded tables
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub now: Option<i64>,
    /// Objects that are deleted and still in the history, with their last state
    #[arg(long)]
    pub deleted: bool,
    /// In YAML and JSON who set which field, too
    #[arg(long)]
    pub show_managed_fields: bool,
    /// Values of secrets, too
    #[arg(long)]
    pub show_secrets: bool,
}

/// Forms of `kube get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KubeForm {
    /// Columns, as kubectl prints them
    Table,
    /// More columns
    Wide,
    /// YAML, as kubectl prints it; several objects as a List
    Yaml,
    /// JSON, as kubectl prints it; several objects as a List
    Json,
    /// One JSON object a line
    Jsonl,
    /// The JSON of the API server itself, one object a line
    Raw,
    /// TYPE/NAME
    Name,
}

/// What `-o` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeOutput {
    /// A form by its name.
    Form(KubeForm),
    /// `custom-columns=TITLE:PATH,…`
    CustomColumns(String),
    /// `jsonpath=TEMPLATE` and `jsonpath-as-json=TEMPLATE`
    Template(TemplateForm, String),
}

/// Reads it.
#[derive(Debug, Clone)]
pub struct KubeOutputParser;

/// What stands before custom columns.
const CUSTOM: &str = "custom-columns=";
/// What stands before templates.
const TEMPLATES: [(&str, TemplateForm); 2] =
    [("jsonpath=", TemplateForm::Text), ("jsonpath-as-json=", TemplateForm::Json)];
/// Forms of kubectl that are not there, and what is there instead.
const ELSEWHERE: [(&str, &str); 8] = [
    ("go-template-file", TEMPLATE_ADVICE),
    ("go-template", TEMPLATE_ADVICE),
    ("templatefile", TEMPLATE_ADVICE),
    ("template", TEMPLATE_ADVICE),
    ("jsonpath-file", "write the template itself: -o jsonpath=\"$(cat FILE)\""),
    ("custom-columns-file", "write the columns themselves: -o custom-columns=NAME:.metadata.name"),
    ("jsonpath", "write -o jsonpath='{.metadata.name}'"),
    ("custom-columns", "write -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image"),
];
const TEMPLATE_ADVICE: &str = "templates of Go are not read here: use -o jsonpath='{.metadata.name}', -o custom-columns=NAME:.metadata.name, or -o json with another program";

impl TypedValueParser for KubeOutputParser {
    type Value = KubeOutput;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, clap::Error> {
        if let Some(columns) = value.to_str().and_then(|value| value.strip_prefix(CUSTOM)) {
            return Ok(KubeOutput::CustomColumns(columns.to_owned()));
        }
        let text = value.to_str().unwrap_or_default();
        for (before, form) in TEMPLATES {
            if let Some(template) = text.strip_prefix(before).filter(|template| !template.is_empty()) {
                return Ok(KubeOutput::Template(form, template.to_owned()));
            }
        }
        let word = text.split('=').next().unwrap_or_default();
        if let Some((_, advice)) = ELSEWHERE.iter().find(|(form, _)| word.trim_end_matches("-as-json") == *form) {
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
            "-o {text:?} is none of {}, custom-columns=TITLE:PATH,…, jsonpath=TEMPLATE, jsonpath-as-json=TEMPLATE\n",
            forms.join(", ")
        );
        Err(clap::Error::raw(clap::error::ErrorKind::InvalidValue, what).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let forms = KubeForm::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let custom = PossibleValue::new(CUSTOM).help("Columns of your own: TITLE:PATH,TITLE:PATH");
        let template = PossibleValue::new("jsonpath=").help("What a template finds, such as {.items[*].metadata.name}");
        let as_json = PossibleValue::new("jsonpath-as-json=").help("The same as lists in JSON");
        Some(Box::new(forms.chain([custom, template, as_json])))
    }
}
