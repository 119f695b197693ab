//! `etcdsnap kube find PATH… TYPE/NAME`

use std::path::{Path, PathBuf};

use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::{Found, ObjectAnswer, ObjectName, find_object, printable, printable_path, put_path};
use serde_json::{Map, Value};

use super::find_target::{FindTarget, Read};
use super::{find_last, object_name, uncertain_states};
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube_find::KubeFindArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::find::Tally;
use crate::cli::inspect::{encrypted, key_text, report_losses, text_table};
use crate::cli::judge_files;
use crate::cli::output::{self, Lines};
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::{counted, grouped};

/// The advice when no file has the object.
const ADVICE: &str = "Names are exact, and -n says in which namespace it is: see etcdsnap kube get FILE TYPE -A. One that was deleted is listed with the revision that deleted it, and --last prints its last state where a file still has that.";

/// Runs the command.
///
/// # Errors
/// When no snapshot holds the object, a directory cannot be listed, or stdout cannot be written. A file that cannot be read is reported, and the search goes on.
pub fn run(args: &KubeFindArgs) -> Result<Exit, Failure> {
    let example = "Write the object after the files: etcdsnap kube find BACKUPS deploy/web -n shop";
    let (paths, objects) = words(&args.paths, &args.object);
    let parse = |object: &String| object_name::parse(object, args.namespace.chosen(), example);
    let names: Vec<ObjectName> = objects.iter().map(parse).collect::<Result<_, _>>()?;
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    let named = paths;
    let paths: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    if paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new("kube find reads files only", "Write the snapshot to a file first."));
    }
    judge_files::check_not_written(&paths)?;
    let bar = Bar::new(Path::new("snapshots"));
    let decryption = encrypted::decryption(&args.decrypt, &paths)?;
    let all = find_object(named, &names, prefix.as_deref(), args.work.threads, &decryption, &bar)?;
    drop(bar);
    let mut tally = Tally::default();
    let mut read = Vec::new();
    for one in &all {
        let Some(answer) = tally.answer(one) else { continue };
        tally.met(report_losses(&one.path, &answer.lost));
        if decryption.can_decrypt() && !answer.undecrypted.is_empty() {
            encrypted::report_counts(&answer.undecrypted);
            tally.met(Exit::Damage);
        }
        read.push((one, answer));
    }
    tally.check_searched(named)?;
    report_clusters(&read);
    let has_type = |number: usize| read.iter().any(|(_, answer)| answer.has_types.get(number) == Some(&true));
    if let Some(name) = names.iter().enumerate().find(|(number, _)| !read.is_empty() && !has_type(*number)) {
        let what = format!("no type of objects in these snapshots is called {}", printable(&name.1.kind));
        return Err(Failure::new(
            what,
            "Write TYPE/NAME, with a type that kubectl would take, behind files that exist.",
        ));
    }
    let targets = FindTarget::all(&names, &read);
    if args.last {
        let printed = find_last::print(args, &names, &targets, prefix.as_deref(), &decryption, &read)?;
        if printed.is_found.contains(&true) {
            let missing = targets.iter().zip(&printed.is_found).filter(|(_, is_found)| !**is_found);
            for (target, _) in missing {
                output::complain(&format!("{} is in no snapshot", target.called()), ADVICE);
                tally.met(Exit::Damage);
            }
            // A file that could not be read, or not whole, may hold a newer state.
            return Ok(tally.warn_of_doubt(printed.exit));
        }
    } else {
        match args.write_out {
            InspectForm::Json => json(&all, &read, &targets)?,
            form => output::print(&text_table::rows(form, &columns(&read, &targets), &rows(&read, &targets)))?,
        }
    }
    let held: Vec<(String, u64)> = targets.iter().map(|target| (called(target, args), target.holding(&read))).collect();
    tally.finish_all(&held, ADVICE)
}

/// Names an object in the last sentence, with the namespace that was searched.
fn called(target: &FindTarget, args: &KubeFindArgs) -> String {
    match (&target.namespace, args.namespace.all_namespaces) {
        (None, true) => format!("{} in any namespace", target.called()),
        _ => target.called(),
    }
}

/// Splits the words into paths and objects. A last word without a slash is a name whose type is the word before it (`TYPE NAME`). Several objects are written as TYPE/NAME each; such a word counts as an object if no file has that name.
fn words<'a>(paths: &'a [PathBuf], last: &str) -> (&'a [PathBuf], Vec<String>) {
    if let (Some((kind, others)), false) = (paths.split_last(), last.contains('/'))
        && !others.is_empty()
        && !kind.exists()
    {
        return (others, vec![format!("{}/{last}", kind.to_string_lossy())]);
    }
    let is_object = |path: &&PathBuf| path.to_str().and_then(object_name::split).is_some() && !path.exists();
    let most = if last.contains('/') { paths.len().saturating_sub(1) } else { 0 };
    let count = paths.iter().rev().take(most).take_while(is_object).count();
    let (paths, objects) = paths.split_at(paths.len().saturating_sub(count));
    let objects = objects.iter().map(|object| object.to_string_lossy().into_owned());
    (paths, objects.chain([last.to_owned()]).collect())
}

const NAME: text_table::Column = ("name", false);

const COLUMNS: [text_table::Column; 8] = [
    ("file", false),
    ("cluster", false),
    ("revision", true),
    ("taken", false),
    ("object", false),
    ("mod", true),
    ("bytes", true),
    ("since file below", false),
];

/// The column of the cluster, which is left out if all files are of one cluster.
const CLUSTER: usize = 1;

/// Characters of a cluster's uid that a row shows.
const UID_START: usize = 8;

/// Counts the clusters of the files.
fn clusters(read: &[Read<'_>]) -> usize {
    read.iter().map(|(_, answer)| answer.cluster.saturating_add(1)).max().unwrap_or_default()
}

/// Reports which files are of which cluster, if there are several.
fn report_clusters(read: &[Read<'_>]) {
    let count = clusters(read);
    if count < 2 {
        return;
    }
    let text = format!(
        "The files are of {} clusters, and only files of the same cluster are compared:",
        grouped(count as u64)
    );
    output::warn(&text);
    for number in 0..count {
        let mut of_cluster = read.iter().filter(|(_, answer)| answer.cluster == number);
        let Some((first, answer)) = of_cluster.next() else { continue };
        let more = match of_cluster.count() {
            0 => String::new(),
            more => format!(" and {}", counted(more as u64, "other file", "other files")),
        };
        output::warn(&format!("  {}: {}{more}", printable(&answer.identity.text()), printable_path(&first.path)));
    }
}

fn columns(read: &[Read<'_>], targets: &[FindTarget]) -> Vec<text_table::Column> {
    let is_one = clusters(read) < 2;
    let others = COLUMNS.iter().enumerate().filter(|(at, _)| !is_one || *at != CLUSTER).map(|(_, column)| *column);
    (targets.len() > 1).then_some(NAME).into_iter().chain(others).collect()
}

fn rows(read: &[Read<'_>], targets: &[FindTarget]) -> Vec<Vec<String>> {
    let is_one = clusters(read) < 2;
    let mut rows = Vec::new();
    for target in targets {
        for (number, (one, answer)) in read.iter().enumerate() {
            let (modified, bytes) = match target.state(answer) {
                None => ("-".into(), "-".into()),
                Some(state) if state.is_deleted() => (state.mod_revision.to_string(), "-".into()),
                Some(state) => (state.mod_revision.to_string(), grouped(state.value_len)),
            };
            let change = change(read, target, number);
            let mut row = vec![
                printable_path(&one.path),
                cluster(answer),
                answer.revision.to_string(),
                answer.taken.map_or_else(|| "-".into(), |taken| rfc3339(taken, None)),
                perhaps(is_uncertain(answer, target), standing(answer, target)),
                modified,
                bytes,
                change.map_or_else(|| "-".into(), |(is_uncertain, change)| perhaps(is_uncertain, change)),
            ];
            if is_one {
                row.remove(CLUSTER);
            }
            if targets.len() > 1 {
                row.insert(0, target.short());
            }
            rows.push(row);
        }
    }
    rows
}

/// Returns the start of the uid that identifies a cluster.
fn cluster(answer: &ObjectAnswer) -> String {
    let uid = answer.identity.kube_system.as_deref();
    uid.map_or_else(|| "?".into(), |uid| printable(&uid.chars().take(UID_START).collect::<String>()))
}

fn perhaps(is_uncertain: bool, what: &str) -> String {
    if is_uncertain && !what.starts_with("unknown") { format!("perhaps {what}") } else { what.into() }
}

/// Says whether the object exists. If a damaged file does not show it, that is unknown.
fn standing(answer: &ObjectAnswer, target: &FindTarget) -> &'static str {
    match target.state(answer) {
        None if answer.lost.places > 0 => "unknown",
        None => "absent",
        Some(state) if state.is_deleted() => "deleted",
        Some(_) => "there",
    }
}

/// Whether the known state of the object may be outdated, because later entries are lost.
fn is_uncertain(answer: &ObjectAnswer, target: &FindTarget) -> bool {
    target.state(answer).is_some_and(|state| answer.unread.may_follow(state.mod_revision))
}

/// Returns how the object changed since the previous snapshot of the same cluster (the next row), and whether that is uncertain; `None` for the oldest snapshot, and if one of
/// the two snapshots does not tell.
fn change(read: &[Read<'_>], target: &FindTarget, number: usize) -> Option<(bool, &'static str)> {
    let (_, now) = read.get(number)?;
    let (_, before) = read.get(number.checked_add(1)?).filter(|(_, before)| before.cluster == now.cluster)?;
    let is_known = |answer: &ObjectAnswer| target.state(answer).is_some() || answer.lost.places == 0;
    if !is_known(now) || !is_known(before) {
        return None;
    }
    let living = |answer: &ObjectAnswer| target.state(answer).cloned().filter(|state| !state.is_deleted());
    let what = match (living(before), living(now)) {
        (None, None) => "absent in both",
        (None, Some(_)) => "created",
        (Some(_), None) => "deleted",
        (Some(before), Some(now)) if !before.is_same_object(&now) => "made anew",
        (Some(before), Some(now)) if before.sha256 == now.sha256 => "same",
        // Each encryption of the same value gives other bytes.
        (Some(before), Some(now)) if before.is_encrypted || now.is_encrypted => "unknown (encrypted)",
        (Some(_), Some(_)) => "changed",
    };
    Some((is_uncertain(now, target) || is_uncertain(before, target), what))
}

/// Prints a line for each snapshot and object, and for each file that cannot be read.
fn json(all: &[Found<ObjectAnswer>], read: &[Read<'_>], targets: &[FindTarget]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    for target in targets {
        for number in 0..read.len() {
            if let Some(object) = line(read, target, number) {
                key_text::write_line(&mut lines, &object)?;
            }
        }
    }
    for one in all.iter().filter(|one| !one.is_other_file()) {
        if let Err(error) = &one.answer {
            let mut object = Map::new();
            put_path(&mut object, "file", &one.path);
            object.insert("error".into(), error.to_string().into());
            key_text::write_line(&mut lines, &object)?;
        }
    }
    lines.finish()
}

/// Describes one object in one snapshot.
fn line(read: &[Read<'_>], target: &FindTarget, number: usize) -> Option<Map<String, Value>> {
    let (one, answer) = read.get(number)?;
    let mut object = Map::new();
    put_path(&mut object, "file", &one.path);
    object.insert("type".into(), target.kind.clone().into());
    object.insert("name".into(), target.name.clone().into());
    if let Some(namespace) = &target.namespace {
        object.insert("namespace".into(), namespace.clone().into());
    }
    if let Some(uid) = &answer.identity.kube_system {
        object.insert("clusterUid".into(), uid.clone().into());
    }
    if clusters(read) > 1 {
        object.insert("cluster".into(), answer.cluster.saturating_add(1).into());
    }
    object.insert("snapshotRevision".into(), answer.revision.into());
    if let Some(taken) = answer.taken {
        object.insert("taken".into(), rfc3339(taken, None).into());
    }
    object.insert("object".into(), standing(answer, target).into());
    let state = target.state(answer);
    if answer.lost.places > 0 {
        uncertain_states::put(&mut object, "lostRevisions", &answer.unread);
        object.insert("uncertain".into(), (state.is_none() || is_uncertain(answer, target)).into());
    }
    if let Some(state) = state {
        object.insert("modRevision".into(), state.mod_revision.into());
        if !state.is_deleted() {
            object.insert("createRevision".into(), state.create_revision.into());
            object.insert("valueBytes".into(), state.value_len.into());
        }
        if let Some(uid) = &state.uid {
            object.insert("uid".into(), uid.clone().into());
        }
    }
    if let Some((is_uncertain, change)) = change(read, target, number) {
        object.insert("change".into(), change.into());
        if is_uncertain {
            object.insert("changeUncertain".into(), true.into());
        }
    }
    Some(object)
}
