//! `etcdsnap kube find PATH… TYPE/NAME`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::core::kubernetes::table_objects::take_managed_fields;
use etcdsnap::core::store::{Key, UnreadRevisions};
use etcdsnap::{
    Decryption, Found, ObjectAnswer, ObjectName, Snapshot, find_object, printable, printable_path, put_path,
};
use serde_json::Map;

use super::object_name;
use super::object_states::ObjectStates;
use super::object_writer::ObjectWriter;
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube::KubeForm;
use crate::cli::args_kube_find::KubeFindArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::find::Tally;
use crate::cli::inspect::{encrypted, key_text, text_table, told};
use crate::cli::judge_files;
use crate::cli::output::{self, Lines};
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::counted;

/// What to do when no file has it.
const ADVICE: &str = "Names are exact, and -n says in which namespace it is: see etcdsnap kube get FILE TYPE -A. One that was deleted is listed with the revision that deleted it, and --last prints its last state where a file still has that.";

/// Runs the command.
///
/// # Errors
/// When no snapshot holds the object, a directory cannot be listed, or stdout cannot be written. A file that cannot be read is told, and the others count.
pub fn run(args: &KubeFindArgs) -> Result<Exit, Failure> {
    let example = "Write the object behind the files: etcdsnap kube find BACKUPS deploy/web -n shop";
    let (paths, object) = words(&args.paths, &args.object);
    let name = object_name::parse(&object, &args.namespace, example)?;
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    let named = paths;
    let paths: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    if paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new("kube find reads files only", "Write the snapshot to a file first."));
    }
    judge_files::check_not_written(&paths)?;
    let bar = Bar::new(Path::new("snapshots"));
    let decryption = encrypted::decryption(&args.decrypt, &paths)?;
    let all = find_object(named, &name, prefix.as_deref(), args.work.threads, &decryption, &bar)?;
    drop(bar);
    let mut tally = Tally::default();
    let mut read = Vec::new();
    for one in &all {
        let Some(answer) = tally.answer(one) else { continue };
        tally.met(told(&one.path, &answer.lost));
        if decryption.is_given() && !answer.unopened.is_empty() {
            encrypted::tell(&answer.unopened);
            tally.met(Exit::Damage);
        }
        if answer.state.as_ref().is_some_and(|state| !state.is_deleted()) {
            tally.holds();
        }
        read.push((one, answer));
    }
    tell_clusters(&read);
    if !read.is_empty() && read.iter().all(|(_, answer)| !answer.has_type) {
        let what = format!("no type of objects in these snapshots is called {}", printable(&name.kind));
        return Err(Failure::new(what, "Write TYPE/NAME, with a type that kubectl would take."));
    }
    let called = format!("{}/{} in namespace {}", name.kind, name.name, name.namespace);
    if args.last {
        if let Some(exit) = last(args, &name, prefix.as_deref(), &decryption, &read)? {
            // A file that could not be read, or not whole, may hold a newer state.
            return Ok(tally.warn_of_doubt(exit));
        }
    } else {
        match args.write_out {
            InspectForm::Json => json(&all, &read)?,
            form => output::print(&text_table::rows(form, &columns(&read), &rows(&read)))?,
        }
    }
    tally.finish(&printable(&called), ADVICE)
}

/// The paths and the object. In front of a word without a slash there may be its type, as in `TYPE NAME`.
fn words<'a>(paths: &'a [PathBuf], last: &str) -> (&'a [PathBuf], String) {
    match paths.split_last() {
        Some((kind, others)) if !last.contains('/') && !others.is_empty() && !kind.exists() => {
            (others, format!("{}/{last}", kind.to_string_lossy()))
        }
        _ => (paths, last.to_owned()),
    }
}

type Read<'f> = (&'f Found<ObjectAnswer>, &'f ObjectAnswer);

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

/// Where the cluster stands in a row; it is left out where all files are of one.
const CLUSTER: usize = 1;

/// Characters of a cluster's uid that stand in a row.
const UID_START: usize = 8;

/// How many clusters the files are of.
fn clusters(read: &[Read<'_>]) -> usize {
    read.iter().map(|(_, answer)| answer.cluster.saturating_add(1)).max().unwrap_or_default()
}

/// Says which files are of which cluster, where they are of several.
fn tell_clusters(read: &[Read<'_>]) {
    let count = clusters(read);
    if count < 2 {
        return;
    }
    let text = format!("The files are of {count} clusters, and only files of the same cluster are compared:");
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

fn columns(read: &[Read<'_>]) -> Vec<text_table::Column> {
    let is_one = clusters(read) < 2;
    COLUMNS.iter().enumerate().filter(|(at, _)| !is_one || *at != CLUSTER).map(|(_, column)| *column).collect()
}

fn rows(read: &[Read<'_>]) -> Vec<Vec<String>> {
    let is_one = clusters(read) < 2;
    let row = |(number, (one, answer)): (usize, &Read<'_>)| {
        let (modified, bytes) = match &answer.state {
            None => ("-".into(), "-".into()),
            Some(state) if state.is_deleted() => (state.mod_revision.to_string(), "-".into()),
            Some(state) => (state.mod_revision.to_string(), state.value_len.to_string()),
        };
        let mut row = vec![
            printable_path(&one.path),
            cluster(answer),
            answer.revision.to_string(),
            answer.taken.map_or_else(|| "-".into(), |taken| rfc3339(taken, None)),
            perhaps(is_uncertain(answer), standing(answer)),
            modified,
            bytes,
            change(read, number).map_or_else(|| "-".into(), |(is_uncertain, change)| perhaps(is_uncertain, change)),
        ];
        if is_one {
            row.remove(CLUSTER);
        }
        row
    };
    read.iter().enumerate().map(row).collect()
}

/// The start of the uid by which a cluster is known.
fn cluster(answer: &ObjectAnswer) -> String {
    let uid = answer.identity.kube_system.as_deref();
    uid.map_or_else(|| "?".into(), |uid| printable(&uid.chars().take(UID_START).collect::<String>()))
}

fn perhaps(is_uncertain: bool, what: &str) -> String {
    if is_uncertain && !what.starts_with("unknown") { format!("perhaps {what}") } else { what.into() }
}

/// Whether the object is there. Nobody knows where it is not found in a damaged file.
fn standing(answer: &ObjectAnswer) -> &'static str {
    match &answer.state {
        None if answer.lost.places > 0 => "unknown",
        None => "absent",
        Some(state) if state.is_deleted() => "deleted",
        Some(_) => "there",
    }
}

/// Whether what is known of the object may not be the last, because later entries are lost.
fn is_uncertain(answer: &ObjectAnswer) -> bool {
    answer.state.as_ref().is_some_and(|state| answer.unread.may_follow(state.mod_revision))
}

/// What became of the object since the snapshot before, which is the next one of the same cluster, and whether that is uncertain; none for the oldest, and where one of
/// the two does not tell.
fn change(read: &[Read<'_>], number: usize) -> Option<(bool, &'static str)> {
    let (_, now) = read.get(number)?;
    let (_, before) = read.get(number.checked_add(1)?).filter(|(_, before)| before.cluster == now.cluster)?;
    let is_known = |answer: &ObjectAnswer| answer.state.is_some() || answer.lost.places == 0;
    if !is_known(now) || !is_known(before) {
        return None;
    }
    let living = |answer: &'_ ObjectAnswer| answer.state.clone().filter(|state| !state.is_deleted());
    let what = match (living(before), living(now)) {
        (None, None) => "absent in both",
        (None, Some(_)) => "created",
        (Some(_), None) => "deleted",
        (Some(before), Some(now)) if !before.is_same_object(&now) => "made anew",
        (Some(before), Some(now)) if before.sha256 == now.sha256 => "same",
        // Encrypted anew, the same value is stored as other bytes.
        (Some(before), Some(now)) if before.is_encrypted || now.is_encrypted => "unknown (encrypted)",
        (Some(_), Some(_)) => "changed",
    };
    Some((is_uncertain(now) || is_uncertain(before), what))
}

/// An object for each snapshot, and for each file that cannot be read.
fn json(all: &[Found<ObjectAnswer>], read: &[Read<'_>]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    let named = |path: &Path| {
        let mut object = Map::new();
        put_path(&mut object, "file", path);
        object
    };
    for (number, (one, answer)) in read.iter().enumerate() {
        let mut object = named(&one.path);
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
        object.insert("object".into(), standing(answer).into());
        if answer.lost.places > 0 {
            uncertain_states::put(&mut object, "lostRevisions", &answer.unread);
            object.insert("uncertain".into(), (answer.state.is_none() || is_uncertain(answer)).into());
        }
        if let Some(state) = &answer.state {
            object.insert("modRevision".into(), state.mod_revision.into());
            if !state.is_deleted() {
                object.insert("createRevision".into(), state.create_revision.into());
                object.insert("valueBytes".into(), state.value_len.into());
            }
            if let Some(uid) = &state.uid {
                object.insert("uid".into(), uid.clone().into());
            }
        }
        if let Some((is_uncertain, change)) = change(read, number) {
            object.insert("change".into(), change.into());
            if is_uncertain {
                object.insert("changeUncertain".into(), true.into());
            }
        }
        key_text::write_line(&mut lines, &object)?;
    }
    for one in all.iter().filter(|one| !one.is_other_file()) {
        if let Err(error) = &one.answer {
            let mut object = named(&one.path);
            object.insert("error".into(), error.to_string().into());
            key_text::write_line(&mut lines, &object)?;
        }
    }
    lines.finish()
}

/// What a damaged file leaves open about the state that is printed from it.
fn tell_doubt(unread: &UnreadRevisions, key: &Key<'_>, written: Revision) {
    let what = if unread.may_follow(key.revision.main) {
        if key.deleted { "it may have been made anew since" } else { "it may have been changed since, or deleted" }
    } else if key.deleted && unread.may_lie_between(written, key.revision.main) {
        "it may have been changed once more before its deletion"
    } else {
        return;
    };
    output::warn(&format!("That file is damaged, and {what}: {}.", uncertain_states::are_lost(unread)));
}

/// Prints the object from the newest file that has it: as it is there, or as it was before its deletion where the file still knows that. None when no file has it.
fn last(
    args: &KubeFindArgs,
    name: &ObjectName,
    prefix: Option<&[u8]>,
    decryption: &Arc<Decryption>,
    read: &[Read<'_>],
) -> Result<Option<Exit>, Failure> {
    for (one, answer) in read {
        if answer.state.is_none() {
            continue;
        }
        let bar = Bar::new(&one.path);
        let snapshot = Snapshot::open(&one.path, args.work.threads, &bar)?.decrypted_by(Arc::clone(decryption));
        let store = snapshot.store()?;
        let revision = store.current();
        let cluster = snapshot.cluster(&store, revision, prefix, &bar)?;
        let Some(key) = name.key(&cluster).map_err(|cause| snapshot.failed(cause))? else { continue };
        let states = ObjectStates::find(&snapshot, &store, std::iter::once(&key), revision, &bar)?;
        drop(bar);
        let Some((place, written)) = states.of(&key) else { continue };
        let taken = answer.taken.map(|taken| format!(", taken about {}", rfc3339(taken, None))).unwrap_or_default();
        let deleted = if key.deleted {
            format!(", before its deletion at revision {}", key.revision.main)
        } else {
            String::new()
        };
        output::warn(&format!("from {}{taken}: as written at revision {written}{deleted}.", printable_path(&one.path)));
        tell_doubt(&cluster.unread, &key, written);
        let value = snapshot.value(&store, place)?;
        let version = written.to_string();
        let options = Options { resource_version: Some(&version), ..Options::default() };
        let mut values = ValueReader::new(args.show_secrets);
        if let Some(mut node) = values.tree(key.key, &value, options) {
            if !args.show_managed_fields {
                take_managed_fields(&mut node);
            }
            let mut writer = ObjectWriter::begin(KubeForm::Yaml, false)?;
            writer.object(node)?;
            writer.finish()?;
        }
        return Ok(Some(values.finish(&snapshot)));
    }
    Ok(None)
}
