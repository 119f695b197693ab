//! The keys that `restore --delete` names, as keys of etcd or as Kubernetes objects.

use std::path::Path;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::resources::Resources;
use etcdsnap::{NoProgress, Snapshot};

use super::not_found::FinishedSearch;
use super::{object_name, selection};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::key_text;

/// Returns the keys that the words of `--delete` mean. A word is a key of etcd, or an object as TYPE/NAME that exists at `revision` (by default the latest). With a stream, which cannot be read twice, every word is a key.
///
/// # Errors
/// When an object is not there, or the file cannot be read.
pub fn keys(
    file: &Path,
    words: &[String],
    namespace: &str,
    revision: Option<Revision>,
    is_stream: bool,
) -> Result<Vec<Vec<u8>>, Failure> {
    let keys: Vec<Vec<u8>> = words.iter().map(|word| key_text::typed(word)).collect::<Result<_, _>>()?;
    let builtin = Resources::builtin();
    // A word that begins with a type is an object, unless there is such a key. Types of custom resources have a dot in their name.
    let may_be_object = |word: &String| {
        let kind = object_name::split(word).map_or("", |(kind, _)| kind);
        kind.contains('.') || !builtin.called(kind).is_empty()
    };
    if is_stream || !words.iter().any(may_be_object) {
        return Ok(keys);
    }
    let snapshot = Snapshot::open(file, None, &NoProgress)?;
    let store = snapshot.store()?;
    let revision = revision.unwrap_or_else(|| store.current());
    // The restore itself reports a revision that does not exist.
    if store.at(revision).is_err() {
        return Ok(keys);
    }
    let cluster = snapshot.cluster(&store, revision, None, &NoProgress)?;
    let search = FinishedSearch {
        cluster: &cluster,
        namespace: Some(namespace),
        deleted: None,
        is_damaged: cluster.lost.places > 0,
    };
    let mut found = Vec::new();
    let mut exit = Exit::Done;
    for (word, key) in words.iter().zip(keys) {
        let is_known = !may_be_object(word) || cluster.has_key(&key);
        let types = object_name::split(word).map(|(kind, _)| cluster.resources.called(kind)).unwrap_or_default();
        if is_known || types.is_empty() {
            found.push(key);
            continue;
        }
        let wanted = selection::parse(std::slice::from_ref(word), &cluster.resources)?;
        let objects = cluster.objects(|key, object| !key.deleted && selection::has(&wanted, object, Some(namespace)));
        let objects = objects.map_err(|cause| snapshot.failed(cause))?;
        exit = exit.max(search.missing(&wanted, |_, _| !objects.is_empty()));
        found.extend(objects.into_iter().map(|(key, _)| key.key.to_vec()));
    }
    if exit == Exit::Done {
        return Ok(found);
    }
    let advice = "Nothing was written. Name the namespace of an object with -n, or give its key in etcd.";
    Err(Failure { what: "an object that is to be deleted is not there".into(), advice: advice.into(), exit })
}
