//! Flags and commands of kubectl that `kube` does not have, and what to use instead.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use etcdsnap::printable;

/// Flags, what is wrong with them, and what to do; `{}` stands for the flag.
const FLAGS: &[(&[&str], &str, &str)] = &[
    (
        &[
            "--as",
            "--as-group",
            "--as-uid",
            "--cache-dir",
            "--certificate-authority",
            "--chunk-size",
            "--client-certificate",
            "--client-key",
            "--cluster",
            "--context",
            "--disable-compression",
            "--insecure-skip-tls-verify",
            "--kubeconfig",
            "--password",
            "--request-timeout",
            "--server",
            "--tls-server-name",
            "--token",
            "--user",
            "--username",
            "-s",
        ],
        "{} is for requests to an API server, and here none is asked",
        "Leave it out: everything is read from the snapshot.",
    ),
    (
        &["--output-watch-events", "--watch", "--watch-only", "-w"],
        "a snapshot does not change, so there is nothing to watch",
        "Leave {} out. etcdsnap kube history FILE TYPE/NAME lists the changes that the snapshot still knows.",
    ),
    (
        &["--filename", "--kustomize", "--recursive", "-R", "-f", "-k"],
        "{} reads the names of objects from files, which kube does not",
        "Name the objects: TYPE NAME…, or TYPE/NAME for each.",
    ),
    (
        &["--export"],
        "kube does not have {} of kubectl",
        "etcdsnap kube manifests FILE TYPE/NAME -n NS writes objects without the fields that servers set.",
    ),
    (
        &["--raw", "--server-print", "--subresource", "--template"],
        "kube does not have {} of kubectl",
        "-o json, -o jsonpath=TEMPLATE and -o custom-columns=TITLE:PATH print the parts of an object that you want.",
    ),
];

/// Commands, and what to do instead.
const COMMANDS: &[(&[&str], &str)] = &[
    (
        &["describe"],
        "etcdsnap kube get FILE TYPE NAME -n NS -o yaml prints an object with all its fields, and etcdsnap kube events FILE -n NS lists the events.",
    ),
    (&["api-resources", "explain"], "etcdsnap kube kinds FILE lists the types of objects in a snapshot."),
    (
        &["backup", "export", "restore"],
        "etcdsnap kube manifests FILE -n NS writes objects that kubectl can apply. etcdsnap restore FILE makes a data directory of a whole snapshot.",
    ),
    (&["rollout"], "etcdsnap kube history FILE TYPE/NAME -n NS lists what changed in an object."),
    (
        &["attach", "cp", "debug", "exec", "logs", "port-forward", "proxy", "top", "wait"],
        "A snapshot holds the objects of a cluster, not what its containers do and print.",
    ),
    (
        &[
            "annotate",
            "apply",
            "autoscale",
            "cordon",
            "create",
            "delete",
            "drain",
            "edit",
            "expose",
            "label",
            "patch",
            "replace",
            "run",
            "scale",
            "set",
            "taint",
            "uncordon",
        ],
        "A snapshot is only read. etcdsnap kube manifests FILE TYPE/NAME -n NS writes objects that kubectl can apply to a cluster.",
    ),
];

/// Flags without a value in `kube`, which kubectl also takes with one.
const SWITCHES: &[&str] = &[
    "--all-namespaces",
    "--ignore-not-found",
    "--no-headers",
    "--show-kind",
    "--show-labels",
    "--show-managed-fields",
];

/// Replaces `--switch=true` by `--switch` in a command line of `kube`, and drops `--switch=false`.
pub fn without_values(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let words: Vec<OsString> = words.into_iter().collect();
    let command = words.iter().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    if command.is_none_or(|command| command != "kube") {
        return words;
    }
    let switch = |word: OsString| {
        let Some((name, value)) = word.to_str().and_then(|text| text.split_once('=')) else { return Some(word) };
        match value {
            "true" if SWITCHES.contains(&name) => Some(name.into()),
            "false" if SWITCHES.contains(&name) => None,
            _ => Some(word),
        }
    };
    words.into_iter().filter_map(switch).collect()
}

/// Returns what is wrong and what to do, if an error about the command line of `kube` is about a word of kubectl.
pub fn explain(error: &clap::Error) -> Option<(String, String)> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    // kubectl's -w takes no value; here it is another word for -o.
    let lacks_form = error.kind() == ErrorKind::InvalidValue
        && text(ContextKind::InvalidArg).starts_with("--output")
        && text(ContextKind::InvalidValue).is_empty();
    let has = |wanted: &str| std::env::args_os().any(|word| word == wanted);
    if lacks_form && has("kube") && has("-w") {
        return flag("-w");
    }
    let rendered = error.render().to_string();
    let usage = rendered.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or_default();
    let mut words = usage.split(' ').skip(1);
    if words.next() != Some("kube") {
        return None;
    }
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let word = text(ContextKind::InvalidArg);
            flag(word.split('=').next().unwrap_or(word))
        }
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand);
            let (_, advice) = COMMANDS.iter().find(|(words, _)| words.contains(&word))?;
            Some((format!("kube does not have the command {}", printable(word)), (*advice).to_owned()))
        }
        ErrorKind::MissingRequiredArgument if words.next() == Some("get") => {
            let advice = "Write both: etcdsnap kube get FILE TYPE [NAME], such as etcdsnap kube get backup.db pods -A. The types in a snapshot: etcdsnap kube kinds FILE";
            Some(("the snapshot or the type of objects is missing".to_owned(), advice.to_owned()))
        }
        _ => None,
    }
}

/// Explains a flag of kubectl.
fn flag(word: &str) -> Option<(String, String)> {
    let (_, what, advice) = FLAGS.iter().find(|(words, ..)| words.contains(&word))?;
    Some((what.replace("{}", word), advice.replace("{}", word)))
}
