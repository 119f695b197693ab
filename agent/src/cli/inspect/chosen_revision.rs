//! Finds the revision that the command line asks for, by number or by time.

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::time_text::about;
use etcdsnap::core::store::{RevisionUnavailable, Store};
use etcdsnap::grouped_number::grouped_revision;
use etcdsnap::{FileSource, Snapshot};

use crate::cli::args_revision::{AskedTime, RevisionArgs, When};
use crate::cli::failure::Failure;
use crate::cli::output;

/// Advice when the file does not reach back far enough.
const OLDER: &str = "Look for older states in an older snapshot.";

/// Returns the revision that the arguments ask for.
///
/// # Errors
/// When the snapshot does not have it, or its objects contain no timestamps.
pub fn chosen(snapshot: &Snapshot, store: &Store<'_, FileSource>, args: &RevisionArgs) -> Result<Revision, Failure> {
    chosen_by(snapshot, store, args.rev, args.at.as_ref())
}

/// Like [`chosen`], for flags with other names.
///
/// # Errors
/// As [`chosen`].
pub fn chosen_by(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    revision: Revision,
    time: Option<&AskedTime>,
) -> Result<Revision, Failure> {
    match time {
        Some(time) => at_time(snapshot, store, time).map(|(revision, _)| revision),
        None => numbered(store, revision),
    }
}

/// Returns the revision at a time that must not be after the snapshot: a user who wants to go back would not mean the latest state.
///
/// # Errors
/// As [`chosen`]; also for a time after the snapshot.
pub fn chosen_of_the_past(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    time: &AskedTime,
) -> Result<Revision, Failure> {
    match at_time(snapshot, store, time)? {
        (revision, false) => Ok(revision),
        (revision, true) => Err(Failure::new(
            format!("{} is not before the end of the snapshot", time.text),
            format!(
                "A time without a zone is in UTC. For the latest state, leave --at out; to restore it and raise the revision, give --rev {revision}."
            ),
        )),
    }
}

fn numbered(store: &Store<'_, FileSource>, asked: Revision) -> Result<Revision, Failure> {
    store.at(asked).map_err(|cause| {
        let advice = match cause {
            RevisionUnavailable::Compacted { .. } => OLDER,
            RevisionUnavailable::Future { .. } => "Leave the revision out for the latest one, or use a newer snapshot.",
        };
        Failure::new(cause.to_string(), advice)
    })
}

/// Finds the revision at a time and reports it; also returns whether the time is after the snapshot.
fn at_time(snapshot: &Snapshot, store: &Store<'_, FileSource>, time: &AskedTime) -> Result<(Revision, bool), Failure> {
    let Some(line) = snapshot.time_line(store)? else {
        let what = format!("no timestamp in this snapshot shows which revision belongs to {}", time.text);
        return Err(Failure::new(
            what,
            "Times are taken from readable Kubernetes objects. Give a revision instead (--rev N).",
        ));
    };
    let latest = store.current();
    let taken = line.at(latest);
    let seconds = match time.when {
        When::At(seconds) => seconds,
        When::Before(span) => taken.seconds.saturating_sub(span),
    };
    let first = store.compacted().max(Revision::FIRST);
    let Some(revision) = line.revision_at(seconds, first, latest) else {
        let what = format!(
            "{} is before the oldest revision in this snapshot: revision {} was written about {}",
            time.text,
            grouped_revision(first),
            about(line.at(first))
        );
        return Err(Failure::new(what, OLDER));
    };
    let number = grouped_revision(revision);
    let written = about(line.at(revision));
    let is_later = revision == latest && seconds > taken.seconds.saturating_add(taken.within.unwrap_or(0));
    output::warn(&if is_later {
        format!(
            "{} is after the end of the snapshot: its latest revision, {number}, was written about {written}.",
            time.text
        )
    } else {
        format!("{}: as of revision {number}, written about {written}.", time.text)
    });
    Ok((revision, is_later))
}
