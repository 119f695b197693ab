//! `etcdsnap kube kinds FILE`

use etcdsnap::grouped_number::{grouped, percent};
use etcdsnap::{KindUsage, ObjectKind, printable};
use serde_json::Map;

use super::kube_file;
use super::not_found::FinishedSearch;
use super::selection;
use super::uncertain_states;
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kinds::KindsArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::{self, key_text, text_table};
use crate::cli::output::{self, Lines};

const COLUMNS: [text_table::Column; 8] = [
    ("group", false),
    ("version", false),
    ("kind", false),
    ("stored as", false),
    ("count", true),
    ("bytes", true),
    ("managed", true),
    ("unreadable", true),
];

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &KindsArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &args.choice.objects)?;
    let store = snapshot.store()?;
    let mut cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    let lost = std::mem::take(&mut cluster.lost);
    let wanted = selection::parse(&args.choice.objects, &cluster.resources)?;
    let namespace = args.choice.namespace();
    let kinds = snapshot.kinds(&store, &cluster, |object| selection::has(&wanted, object, namespace), &bar)?;
    drop(bar);
    let exit = inspect::report_losses(&args.file.file, &lost).max(inspect::encrypted::report_undecrypted(&snapshot));
    uncertain_states::report_living(&cluster, |object| selection::has(&wanted, object, namespace));
    match args.form.write_out {
        InspectForm::Json => json(&kinds)?,
        _ if kinds.is_empty() && (!wanted.is_empty() || namespace.is_some()) => {
            let search = FinishedSearch { cluster: &cluster, namespace, deleted: None, is_damaged: lost.places > 0 };
            search.nothing(&wanted);
            search.report_where_else(&wanted);
        }
        _ if kinds.is_empty() => {
            output::print_to_stderr("No objects of Kubernetes are in this snapshot. Is --etcd-prefix another one?\n")
        }
        form => output::print(&text_table::rows(form, &COLUMNS, &kinds.iter().map(row).collect::<Vec<_>>()))?,
    }
    let undecodable = kinds.iter().any(|(_, usage)| usage.undecodable > 0);
    Ok(exit.max(if undecodable { Exit::Damage } else { Exit::Done }))
}

fn row((kind, usage): &(ObjectKind, KindUsage)) -> Vec<String> {
    let text = |text: &str| if text.is_empty() { "-".to_owned() } else { printable(text) };
    vec![
        text(&kind.group),
        text(&kind.version),
        text(&kind.kind),
        printable(&kind.form.to_string()),
        grouped(usage.count),
        grouped(usage.bytes),
        share(usage),
        grouped(usage.undecodable),
    ]
}

/// Formats the share of managedFields in whole percent.
fn share(usage: &KindUsage) -> String {
    format!("{} %", percent(usage.managed_bytes, usage.bytes).unwrap_or(0))
}

fn json(kinds: &[(ObjectKind, KindUsage)]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    for (kind, usage) in kinds {
        let mut object = Map::new();
        object.insert("group".into(), kind.group.clone().into());
        object.insert("version".into(), kind.version.clone().into());
        object.insert("kind".into(), kind.kind.clone().into());
        object.insert("storedAs".into(), kind.form.to_string().into());
        object.insert("count".into(), usage.count.into());
        object.insert("bytes".into(), usage.bytes.into());
        object.insert("managedFieldsBytes".into(), usage.managed_bytes.into());
        object.insert("notDecodable".into(), usage.undecodable.into());
        key_text::write_line(&mut lines, &object)?;
    }
    lines.finish()
}
