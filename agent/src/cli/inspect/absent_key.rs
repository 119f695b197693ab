//! Reports that no key was found, and suggests keys that the user may have meant.

use std::path::Path;

use etcdsnap::core::Revision;
use etcdsnap::core::store::{KeyRange, Store};
use etcdsnap::{Error, FileSource, NoProgress, Snapshot, typed_path};

use super::key_text;
use crate::cli::args_inspect::IntervalArgs;
use crate::cli::output;
use crate::cli::render::grouped_number::{counted, grouped_revision};

/// Returns the advice for a key that does not exist but is the beginning of other keys; `None` if no key starts with it. Reads the whole file.
///
/// # Errors
/// When the file cannot be read.
pub fn advice_for_prefix(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    key: &[u8],
    at: Revision,
    file: &Path,
) -> Result<Option<String>, Error> {
    let query = store.query(KeyRange::prefix(key), at);
    let (index, _) = snapshot.keys(store, &query, &NoProgress)?;
    let folder = [key, b"/"].concat();
    let (mut all, mut in_folder) = (0_u64, 0_u64);
    for state in index.iter().filter(|state| !state.deleted) {
        all = all.saturating_add(1);
        in_folder = in_folder.saturating_add(u64::from(state.key.starts_with(&folder)));
    }
    let name = key_text::key(if in_folder > 0 && in_folder == all { &folder } else { key });
    let count = counted(all, "key starts", "keys start");
    let revision = if at == store.current() { String::new() } else { format!(" --rev {at}") };
    Ok((all > 0).then(|| format!("{count} with {name}: etcdsnap keys {} {name}{revision}", typed_path(file))))
}

/// Warns that no key starts with a prefix and lies in an interval; `kind` says what else was asked for.
pub fn report_none(prefix: &[u8], interval: &IntervalArgs, kind: Option<&str>, revision: Revision) {
    let mut conditions = Vec::new();
    if !prefix.is_empty() {
        conditions.push(format!("starts with {}", key_text::key(prefix)));
    }
    if interval.from.is_some() || interval.to.is_some() {
        conditions.push("lies in the interval".to_owned());
    }
    conditions.extend(kind.map(str::to_owned));
    if conditions.is_empty() {
        conditions.push("exists".to_owned());
    }
    output::warn(&format!("No key {} at revision {}.", conditions.join(" and "), grouped_revision(revision)));
}
