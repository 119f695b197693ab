//! `etcdsnap kube check FILE`

use etcdsnap::core::kubernetes::object_trouble::Trouble;
use etcdsnap::core::store::UnreadRevisions;
use etcdsnap::{ClusterCheck, ObjectFinding, printable};
use serde_json::{Map, Value};

use super::kube_file;
use super::selection::{self, Wanted};
use super::uncertain_states;
use crate::cli::args_kube_check::KubeCheckArgs;
use crate::cli::args_restore::RestoreForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::{self, key_text};
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::{counted, grouped};
use crate::cli::render::wrap;

/// Maximum number of findings of one kind in text output without --all.
const SHOWN: usize = 10;

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeCheckArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &args.choice.objects)?;
    let store = snapshot.store()?;
    let cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    let wanted = selection::parse(&args.choice.objects, &cluster.resources)?;
    let mut found = snapshot.check(&store, &cluster, &bar)?;
    if !wanted.is_empty() || args.choice.namespace().is_some() {
        let cut = keep(&mut found, &wanted, args.choice.namespace());
        if cut > 0 {
            let findings = counted(cut, "finding", "findings");
            output::warn(&format!("{findings} were only counted, so they are not checked for these objects."));
        }
    }
    drop(bar);
    let exit = inspect::report_losses(&args.file.file, &cluster.lost);
    uncertain_states::report_living(&cluster, |object| selection::has(&wanted, object, args.choice.namespace()));
    if found.is_damaged {
        output::warn(
            "Objects that seem to be missing may only be lost, so missing owners, namespaces, definitions and services were not reported.",
        );
    }
    if found.unread > 0 {
        let unread = counted(found.unread, "object", "objects");
        output::warn(&format!("{unread} could not be decoded: encrypted, or stored as CBOR."));
    }
    match args.write_out {
        RestoreForm::Text => output::print(&text(&found, args.all))?,
        RestoreForm::Json => json(&found, &cluster.unread)?,
    }
    let exit = exit.max(inspect::encrypted::report_undecrypted(&snapshot));
    Ok(if found.counts.is_empty() { exit } else { exit.max(Exit::Damage) })
}

/// Keeps the findings about the wanted objects. Returns the number of counted findings of which the object is unknown.
fn keep(found: &mut ClusterCheck, wanted: &[Wanted], namespace: Option<&str>) -> u64 {
    let total: u64 = found.counts.values().sum();
    let cut = total.saturating_sub(found.findings.len() as u64);
    found.findings.retain(|finding| selection::has_finding(wanted, finding, namespace));
    found.counts.clear();
    for finding in &found.findings {
        let count = found.counts.entry(finding.trouble).or_default();
        *count = count.saturating_add(1);
    }
    cut
}

fn text(found: &ClusterCheck, all: bool) -> String {
    let objects = counted(found.objects, "object", "objects");
    if found.counts.is_empty() {
        return format!("{objects} checked, nothing found.\n");
    }
    let total = found.counts.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let mut text = format!("{objects} checked, {}.\n", counted(total, "finding", "findings"));
    for trouble in Trouble::ALL {
        let Some(count) = found.counts.get(&trouble) else { continue };
        text.push_str(&format!("\n{} ({})\n", trouble.code(), grouped(*count)));
        let mut shown = 0_u64;
        let limit = if all { usize::MAX } else { SHOWN };
        for finding in found.findings.iter().filter(|finding| finding.trouble == trouble).take(limit) {
            text.push_str(&format!("  {}\n", finding_line(finding)));
            shown = shown.saturating_add(1);
        }
        let more = count.saturating_sub(shown);
        if more > 0 {
            let how = if all { "which are not kept" } else { "--all prints them" };
            text.push_str(&format!("  and {} more ({how})\n", grouped(more)));
        }
        text.push_str(&wrap("  → ", "    ", trouble.advice()));
    }
    text
}

/// Formats a finding: the object and the problem.
fn finding_line(finding: &ObjectFinding) -> String {
    let ObjectFinding { group, resource, namespace, name, what, .. } = finding;
    let dot = if group.is_empty() { "" } else { "." };
    let slash = if name.is_empty() { "" } else { "/" };
    let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    printable(&format!("{resource}{dot}{group}{slash}{name}{place}: {what}"))
}

/// Prints a JSON object for each finding, and one with the counts.
fn json(found: &ClusterCheck, unread: &UnreadRevisions) -> Result<(), Failure> {
    let mut lines = Lines::new();
    for finding in &found.findings {
        let mut object = Map::new();
        object.insert("code".into(), finding.trouble.code().into());
        object.insert("group".into(), finding.group.clone().into());
        object.insert("resource".into(), finding.resource.clone().into());
        object.insert("namespace".into(), finding.namespace.clone().into());
        object.insert("name".into(), finding.name.clone().into());
        object.insert("what".into(), finding.what.clone().into());
        object.insert("advice".into(), finding.trouble.advice().into());
        key_text::write_line(&mut lines, &object)?;
        if !lines.wanted() {
            return lines.finish();
        }
    }
    let counts: Map<String, Value> =
        found.counts.iter().map(|(trouble, count)| (trouble.code().to_owned(), (*count).into())).collect();
    let mut total = Map::new();
    total.insert("objects".into(), found.objects.into());
    total.insert("notLookedInto".into(), found.unread.into());
    total.insert("damaged".into(), found.is_damaged.into());
    if found.is_damaged {
        uncertain_states::put(&mut total, "lostRevisions", unread);
    }
    total.insert("findingCounts".into(), counts.into());
    key_text::write_line(&mut lines, &total)?;
    lines.finish()
}
