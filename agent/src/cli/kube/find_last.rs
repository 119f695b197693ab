//! `kube find --last`: prints the last state of each object, from the newest file that has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::core::kubernetes::table_objects::take_managed_fields;
use etcdsnap::core::store::{Key, UnreadRevisions};
use etcdsnap::{Decryption, ObjectName, Snapshot, printable_path};

use super::find_target::{FindTarget, Read};
use super::object_states::ObjectStates;
use super::object_writer::ObjectWriter;
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_kube::KubeForm;
use crate::cli::args_kube_find::KubeFindArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::grouped_revision;

/// The result of printing.
pub struct Printed {
    /// For each object, whether a file has it.
    pub is_found: Vec<bool>,
    /// The exit code: whether all of them could be read completely.
    pub exit: Exit,
}

/// Prints each object from the newest file that has it. If that file only records its deletion, prints the state before, if it is still there. Several objects are printed as a List.
///
/// # Errors
/// When a file cannot be read any more, or stdout cannot be written.
pub fn print(
    args: &KubeFindArgs,
    names: &[ObjectName],
    targets: &[FindTarget],
    prefix: Option<&[u8]>,
    decryption: &Arc<Decryption>,
    read: &[Read<'_>],
) -> Result<Printed, Failure> {
    let mut found: BTreeMap<usize, Option<Node<'static>>> = BTreeMap::new();
    let mut exit = Exit::Done;
    for one in read {
        let waiting: Vec<usize> = (0..targets.len())
            .filter(|at| {
                !found.contains_key(at) && targets.get(*at).is_some_and(|target| target.state(one.1).is_some())
            })
            .collect();
        if !waiting.is_empty() {
            exit = exit.max(from_file(args, names, (targets, &waiting), prefix, decryption, *one, &mut found)?);
        }
    }
    if !found.is_empty() {
        let mut writer = ObjectWriter::begin(KubeForm::Yaml, targets.len() > 1)?;
        let is_found = (0..targets.len()).map(|at| found.contains_key(&at)).collect();
        for node in found.into_values().flatten() {
            writer.object(node)?;
        }
        writer.finish()?;
        return Ok(Printed { is_found, exit });
    }
    Ok(Printed { is_found: vec![false; targets.len()], exit })
}

/// Adds the objects with the indexes `waiting` that this file has. An object that cannot be read is reported and counts as found, without its contents.
fn from_file(
    args: &KubeFindArgs,
    names: &[ObjectName],
    (targets, waiting): (&[FindTarget], &[usize]),
    prefix: Option<&[u8]>,
    decryption: &Arc<Decryption>,
    (one, answer): Read<'_>,
    found: &mut BTreeMap<usize, Option<Node<'static>>>,
) -> Result<Exit, Failure> {
    let bar = Bar::new(&one.path);
    let snapshot = Snapshot::open(&one.path, args.work.threads, &bar)?.with_decryption(Arc::clone(decryption));
    let store = snapshot.store()?;
    let revision = store.current();
    let cluster = snapshot.cluster(&store, revision, prefix, &bar)?;
    let mut keys: Vec<(usize, &FindTarget, Key<'_>)> = Vec::new();
    for at in waiting {
        let Some(target) = targets.get(*at) else { continue };
        let Some(name) = names.get(target.object.0) else { continue };
        let of_name = name.keys(&cluster).map_err(|cause| snapshot.failed(cause))?;
        keys.extend(of_name.get(&target.object.1).map(|key| (*at, target, *key)));
    }
    let states = ObjectStates::find(&snapshot, &store, keys.iter().map(|(.., key)| key), revision, &bar)?;
    drop(bar);
    let mut values = ValueReader::new(args.show_secrets);
    for (at, target, key) in keys {
        let Some((place, written)) = states.of(&key) else { continue };
        let of = if targets.len() > 1 { format!("{} ", target.called()) } else { String::new() };
        let taken = answer.taken.map(|taken| format!(", taken about {}", rfc3339(taken, None))).unwrap_or_default();
        let deleted = if key.deleted {
            format!(", before its deletion at revision {}", grouped_revision(key.revision.main))
        } else {
            String::new()
        };
        let path = printable_path(&one.path);
        let revision = grouped_revision(written);
        output::warn(&format!("{of}from {path}{taken}: as written at revision {revision}{deleted}."));
        report_doubt(&cluster.unread, &key, written);
        let value = snapshot.value(&store, place)?;
        let version = written.to_string();
        let options = Options { resource_version: Some(&version), ..Options::default() };
        let node = values.tree(key.key, &value, options).map(|mut node| {
            if !args.show_managed_fields {
                take_managed_fields(&mut node);
            }
            node.into_owned()
        });
        found.insert(at, node);
    }
    Ok(values.finish(&snapshot))
}

/// Warns if the state from a damaged file may be outdated.
fn report_doubt(unread: &UnreadRevisions, key: &Key<'_>, written: Revision) {
    let what = if unread.may_follow(key.revision.main) {
        if key.deleted { "it may have been made anew since" } else { "it may have been changed since, or deleted" }
    } else if key.deleted && unread.may_lie_between(written, key.revision.main) {
        "it may have been changed once more before its deletion"
    } else {
        return;
    };
    output::warn(&format!("That file is damaged, and {what}: {}.", uncertain_states::are_lost(unread)));
}
