//! Commands that read a snapshot.

mod absent_key;
pub mod auth;
pub mod chosen_revision;
pub mod cluster;
pub mod compared_side;
pub mod diff;
pub mod encrypted;
pub mod export;
mod filter;
pub mod find;
pub mod get;
pub mod hashkv;
pub mod history;
pub mod key_text;
pub mod keys;
mod live_snapshot;
pub mod text_table;
pub mod usage;
mod usage_group;
mod usage_kinds;

use std::path::Path;

use etcdsnap::core::store::{KeyRange, LostParts};
use etcdsnap::{Snapshot, printable, printable_path, typed_path};

use super::args::{MetaArgs, WorkArgs};
use super::args_inspect::IntervalArgs;
use super::exit::Exit;
use super::failure::Failure;
use super::progress_bar::Bar;
use super::{judge_files, output};

/// Opens a snapshot and shows a progress bar.
pub fn open(path: &Path, work: WorkArgs, meta: MetaArgs) -> Result<(Snapshot, Bar), Failure> {
    judge_files::check_not_written(&[path])?;
    judge_files::warn_when_in_use(path);
    let bar = Bar::new(path);
    let snapshot = Snapshot::open(path, work.threads, &bar)?.with_meta(meta.choice());
    Ok((snapshot, bar))
}

/// Returns the range of keys that start with `prefix` and lie in the interval.
fn range(prefix: &[u8], interval: &IntervalArgs) -> Result<KeyRange, Failure> {
    let mut range = KeyRange::prefix(prefix);
    let from = interval.from.as_deref().map(key_text::typed).transpose()?;
    let to = interval.to.as_deref().map(key_text::typed).transpose()?;
    if let (Some(from), Some(to)) = (&from, &to)
        && from >= to
    {
        let what = format!("no key lies between --from {} and --to {}", key_text::key(from), key_text::key(to));
        return Err(Failure::new(what, "--from is the first key of the interval; --to is the first key after it."));
    }
    if let Some(from) = from {
        range = range.from(&from);
    }
    if let Some(to) = to {
        range = range.until(&to);
    }
    Ok(range)
}

/// Counts the places that could not be read, and quotes the first.
fn places(lost: &LostParts) -> String {
    let places = super::render::grouped_number::counted(lost.places, "place", "places");
    let first = lost.first.as_ref().map(|first| format!("; the first: {} [{}]", printable(&first.message), first.code));
    format!("{places} could not be read{}", first.unwrap_or_default())
}

/// Reports how many items of a list were dropped because of its size limit; returns the exit code.
fn left_out(path: &Path, count: u64, one: &str, many: &str) -> Exit {
    if count == 0 {
        return Exit::Done;
    }
    let items = super::render::grouped_number::counted(count, one, many);
    let what = format!("{} has {items} more than can be listed; they are left out", printable_path(path));
    output::complain(&what, "etcd never writes so many: this file is damaged or forged.");
    Exit::Damage
}

/// Reports what an answer may lack; returns the exit code. Damage that does not affect the answer is reported, too, but does not change the exit code.
pub fn report_losses(path: &Path, lost: &LostParts) -> Exit {
    if lost.first.is_none() {
        if let Some(elsewhere) = &lost.elsewhere {
            let found = format!("{} [{}]", printable(&elsewhere.message), elsewhere.code);
            let what = format!("{} is damaged, but this answer is complete: {found}", printable_path(path));
            output::complain(&what, &format!("For details: etcdsnap verify {}", typed_path(path)));
        }
        return Exit::Done;
    }
    let what = format!("{} is damaged, and this may not be all: {}", printable_path(path), places(lost));
    output::complain(&what, &format!("For details: etcdsnap verify {}", typed_path(path)));
    Exit::Damage
}
