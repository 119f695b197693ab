//! `etcdsnap kube find PATH… TYPE/NAME`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::special::rfc3339;
use etcdsnap::{
    Decryption, Found, ObjectAnswer, ObjectName, Snapshot, find_object, printable, printable_path, put_path,
};
use serde_json::Map;

use super::object_name;
use super::object_states::ObjectStates;
use super::object_writer::ObjectWriter;
use super::value_reader::{ValueReader, take_managed_fields};
use crate::cli::args_kube::KubeForm;
use crate::cli::args_kube_find::KubeFindArgs;
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::input;
use crate::cli::look::find::Tally;
use crate::cli::look::{bytes, encrypted, table, told};
use crate::cli::output::{self, Lines};
use crate::cli::progress::Bar;

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
    let prefix = args.etcd_prefix.as_deref().map(bytes::typed).transpose()?;
    let named = paths;
    let paths: Vec<&Path> = named.iter().map(PathBuf::as_path).collect();
    if paths.iter().any(|path| path.as_os_str() == "-") {
        return Err(Failure::new("kube find reads files only", "Write the snapshot to a file first."));
    }
    input::check_not_written(&paths)?;
    let bar = Bar::new(Path::new("snapshots"));
    let decryption = encrypted::decryption(&args.decrypt)?;
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
            LookForm::Json => json(&all, &read)?,
            form => output::print(&table::rows(form, &COLUMNS, &rows(&read)))?,
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

const COLUMNS: [table::Column; 7] = [
    ("file", false),
    ("revision", true),
    ("taken", false),
    ("object", false),
    ("mod", true),
    ("bytes", true),
    ("since file below", false),
];

fn rows(read: &[Read<'_>]) -> Vec<Vec<String>> {
    let row = |(number, (one, answer)): (usize, &Read<'_>)| {
        let (modified, bytes) = match &answer.state {
            None => ("-".into(), "-".into()),
            Some(state) if state.is_deleted() => (state.mod_revision.to_string(), "-".into()),
            Some(state) => (state.mod_revision.to_string(), state.value_len.to_string()),
        };
        vec![
            printable_path(&one.path),
            answer.revision.to_string(),
            answer.taken.map_or_else(|| "-".into(), |taken| rfc3339(taken, None)),
            standing(answer).into(),
            modified,
            bytes,
            change(read, number).unwrap_or("-").into(),
        ]
    };
    read.iter().enumerate().map(row).collect()
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

/// What became of the object since the snapshot before, which stands behind; none for the oldest, and where one of the two does not tell.
fn change(read: &[Read<'_>], number: usize) -> Option<&'static str> {
    let value = |number: usize| {
        let (_, answer) = read.get(number)?;
        let is_known = answer.state.is_some() || answer.lost.places == 0;
        is_known.then(|| answer.state.as_ref().and_then(|state| state.sha256))
    };
    let is_encrypted = |number: usize| {
        let state = read.get(number).and_then(|(_, answer)| answer.state.as_ref());
        state.is_some_and(|state| state.is_encrypted)
    };
    Some(match (value(number.checked_add(1)?)?, value(number)?) {
        (None, None) => "absent in both",
        (None, Some(_)) => "created",
        (Some(_), None) => "deleted",
        (Some(before), Some(now)) if before == now => "same",
        // Encrypted anew, the same value is stored as other bytes.
        (Some(_), Some(_)) if is_encrypted(number) || number.checked_add(1).is_some_and(is_encrypted) => {
            "unknown (encrypted)"
        }
        (Some(_), Some(_)) => "changed",
    })
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
        object.insert("snapshotRevision".into(), answer.revision.into());
        if let Some(taken) = answer.taken {
            object.insert("taken".into(), rfc3339(taken, None).into());
        }
        object.insert("object".into(), standing(answer).into());
        if answer.lost.places > 0 {
            object.insert("damaged".into(), true.into());
        }
        if let Some(state) = &answer.state {
            object.insert("modRevision".into(), state.mod_revision.into());
            if !state.is_deleted() {
                object.insert("createRevision".into(), state.create_revision.into());
                object.insert("valueBytes".into(), state.value_len.into());
            }
        }
        if let Some(change) = change(read, number) {
            object.insert("change".into(), change.into());
        }
        bytes::write_line(&mut lines, &object)?;
    }
    for one in all.iter().filter(|one| !one.is_other_file()) {
        if let Err(error) = &one.answer {
            let mut object = named(&one.path);
            object.insert("error".into(), error.to_string().into());
            bytes::write_line(&mut lines, &object)?;
        }
    }
    lines.finish()
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
