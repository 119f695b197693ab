//! `etcdsnap cut FILE -o OUT --keep PREFIX… | --drop PREFIX…`

use etcdsnap::core::Revision;
use etcdsnap::core::rewrite::{CutReport, CutSide, KeyChoice, Share};
use etcdsnap::{CutDone, KubernetesPrefixes, Progress, Snapshot, printable};
use serde::Serialize;

use super::args::CutArgs;
use super::args_restore::RestoreForm;
use super::compact_defrag::{self, NewFileObject, Opened, in_place};
use super::exit::Exit;
use super::failure::Failure;
use super::inspect::key_text;
use super::kube::selection;
use super::output;
use super::render::grouped_number::{counted, exact_bytes, grouped_revision};
use super::render::json;

/// Runs the command.
///
/// # Errors
/// When a type is unknown, no key would be left, the file cannot be read or is damaged, or the new one cannot be written.
pub fn run(args: &CutArgs) -> Result<Exit, Failure> {
    let is_keep = !(args.keep.is_empty() && args.keep_type.is_empty());
    let (side, prefixes, types) = match is_keep {
        true => (CutSide::Keep, &args.keep, &args.keep_type),
        false => (CutSide::Drop, &args.drop, &args.drop_type),
    };
    let mut choices: Vec<ChosenKeys> = Vec::new();
    for text in prefixes {
        choices.push(ChosenKeys { words: text.clone(), choice: KeyChoice::Prefix(key_text::typed(text)?) });
    }
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    let Opened { target, bar, snapshot } = compact_defrag::open(&args.new)?;
    if !types.is_empty() {
        choices.extend(of_types(&snapshot, types, prefix.as_deref(), &bar)?);
    }
    let keys: Vec<KeyChoice> = choices.iter().map(|chosen| chosen.choice.clone()).collect();
    let done = etcdsnap::cut(&snapshot, &keys, side, args.allow_empty, target, &bar);
    drop(bar);
    let done = done?;
    for (chosen, entries) in choices.iter().zip(&done.cut.chosen) {
        if *entries == 0 {
            warn(chosen, side);
        }
    }
    let said = match args.new.write_out {
        RestoreForm::Text => text(args, &choices, &done),
        RestoreForm::Json => format!("{}\n", json::line(&object(args, &choices, &done))),
    };
    compact_defrag::print(&args.new, &said)?;
    Ok(Exit::Done)
}

/// A choice of keys, with its name on the command line.
struct ChosenKeys {
    words: String,
    choice: KeyChoice,
}

/// Chooses the keys of Kubernetes objects of some types.
fn of_types(
    snapshot: &Snapshot,
    types: &[String],
    prefix: Option<&[u8]>,
    progress: &dyn Progress,
) -> Result<Vec<ChosenKeys>, Failure> {
    let store = snapshot.store()?;
    let resources = snapshot.cluster(&store, store.current(), prefix, progress)?.resources;
    let prefixes = KubernetesPrefixes::of(prefix);
    let mut chosen = Vec::new();
    for word in types {
        if word.contains('/') {
            let what = format!("{} is not a type of objects", printable(word));
            return Err(Failure::new(what, "To choose keys of single objects, use --keep or --drop."));
        }
        for wanted in selection::parse(std::slice::from_ref(word), &resources)? {
            let choice = KeyChoice::Type { resource: Box::new(wanted.resource), prefixes: prefixes.list().to_vec() };
            chosen.push(ChosenKeys { words: word.clone(), choice });
        }
    }
    Ok(chosen)
}

/// Warns that a choice matches no key.
fn warn(chosen: &ChosenKeys, side: CutSide) {
    let words = printable(&chosen.words);
    let becomes = if side == CutSide::Keep { "stays" } else { "goes" };
    output::warn(&match &chosen.choice {
        KeyChoice::Prefix(prefix) if !prefix.contains(&b'/') => {
            let flag = if side == CutSide::Keep { "--keep-type" } else { "--drop-type" };
            format!(
                "No key starts with {words}, so none {becomes} because of it. To choose a type of Kubernetes objects, use {flag}."
            )
        }
        KeyChoice::Prefix(_) => format!("No key starts with {words}, so none {becomes} because of it."),
        KeyChoice::Type { .. } => format!("There is no object of type {words}, so none {becomes} because of it."),
    });
}

fn text(args: &CutArgs, choices: &[ChosenKeys], done: &CutDone) -> String {
    let share = |share: &Share| {
        let keys = counted(share.keys, "key", "keys");
        format!("{keys} ({}, {})", counted(share.entries, "entry", "entries"), exact_bytes(share.bytes))
    };
    let cut = &done.cut;
    let mut text = format!("cut: {} stay, {} are gone\n", share(&cut.kept), share(&cut.dropped));
    for (chosen, entries) in choices.iter().zip(&cut.chosen) {
        text.push_str(&format!("  {}: {}\n", printable(&chosen.words), counted(*entries, "entry", "entries")));
    }
    if cut.leases > 0 {
        let leases = counted(cut.leases, "lease", "leases");
        text.push_str(&format!("removed because all their keys are gone: {leases}\n"));
    }
    text.push_str(&revisions(cut, done));
    text.push_str(&in_place(&args.new.file, &args.new.output, &done.rewritten));
    text
}

/// Describes how the revisions changed.
fn revisions(cut: &CutReport, done: &CutDone) -> String {
    let latest = done.rewritten.report.status.as_ref().map_or(Revision::ZERO, |status| status.revision);
    match cut.raised_to {
        Some(oldest) => format!(
            "revision {} stays; the oldest readable revision is {}: etcd removes older versions of the keys when it starts\n",
            grouped_revision(latest),
            grouped_revision(oldest)
        ),
        None => format!("revision {} stays\n", grouped_revision(latest)),
    }
}

/// The `-w json` output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CutJson<'r> {
    #[serde(flatten)]
    new: NewFileObject<'r>,
    kept: ShareObject,
    dropped: ShareObject,
    choices: Vec<ChoiceObject<'r>>,
    leases_dropped: u64,
    /// The oldest readable revision; null if it did not change.
    raised_to: Option<Revision>,
    /// Whether an empty entry was written to keep the latest revision, because the entry of that revision was dropped.
    placeholder: bool,
}

#[derive(Serialize)]
struct ShareObject {
    keys: u64,
    entries: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ChoiceObject<'r> {
    name: &'r str,
    entries: u64,
}

fn object<'r>(args: &CutArgs, choices: &'r [ChosenKeys], done: &'r CutDone) -> CutJson<'r> {
    let share = |share: &Share| ShareObject { keys: share.keys, entries: share.entries, bytes: share.bytes };
    let listed = choices.iter().zip(&done.cut.chosen);
    CutJson {
        new: NewFileObject::of(&args.new.output, &done.rewritten),
        kept: share(&done.cut.kept),
        dropped: share(&done.cut.dropped),
        choices: listed.map(|(chosen, entries)| ChoiceObject { name: &chosen.words, entries: *entries }).collect(),
        leases_dropped: done.cut.leases,
        raised_to: done.cut.raised_to,
        placeholder: done.cut.has_placeholder,
    }
}
