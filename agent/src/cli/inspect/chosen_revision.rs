//! The revision that a command line asks for, by its number or by its time.

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::time_text::about;
use etcdsnap::core::store::{Store, Unavailable};
use etcdsnap::grouped_number::grouped_revision;
use etcdsnap::{FileSource, Snapshot};

use crate::cli::args_revision::{AskedTime, RevisionArgs, When};
use crate::cli::failure::Failure;
use crate::cli::output;

/// What to do when the file does not reach back so far.
const OLDER: &str = "What is older may be in an older snapshot.";

/// The revision that was asked for.
///
/// # Errors
/// When the snapshot does not have it, or its objects tell no times.
pub fn chosen(snapshot: &Snapshot, store: &Store<'_, FileSource>, args: &RevisionArgs) -> Result<Revision, Failure> {
    chosen_by(snapshot, store, args.rev, args.at.as_ref())
}

/// The same, of flags with other names.
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

/// The revision at a time that must not lie behind the snapshot: who goes back to it does not mean the latest state.
///
/// # Errors
/// As [`chosen`]; also for a later time.
pub fn chosen_of_the_past(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    time: &AskedTime,
) -> Result<Revision, Failure> {
    match at_time(snapshot, store, time)? {
        (revision, false) => Ok(revision),
        (revision, true) => Err(Failure::new(
            format!("{} is no time before the end of the snapshot", time.text),
            format!(
                "A time without a zone is in UTC. For the latest state leave --at out; for the latest revision with the revision raised, give --rev {revision}."
            ),
        )),
    }
}

fn numbered(store: &Store<'_, FileSource>, asked: Revision) -> Result<Revision, Failure> {
    store.at(asked).map_err(|cause| match cause {
        Unavailable::Compacted { asked, oldest } => Failure::new(
            format!(
                "revision {} was compacted away: the oldest in this snapshot is {}",
                grouped_revision(asked),
                grouped_revision(oldest)
            ),
            OLDER,
        ),
        Unavailable::Future { asked, latest } => Failure::new(
            format!(
                "revision {} is above the newest in this snapshot, {}",
                grouped_revision(asked),
                grouped_revision(latest)
            ),
            "Leave the revision out for the newest one, or look into a newer snapshot.",
        ),
    })
}

/// The revision at a time, which is told; and whether the time lies behind the snapshot.
fn at_time(snapshot: &Snapshot, store: &Store<'_, FileSource>, time: &AskedTime) -> Result<(Revision, bool), Failure> {
    let Some(line) = snapshot.time_line(store)? else {
        let what = format!("nothing in this snapshot tells what time {} is in it", time.text);
        return Err(Failure::new(
            what,
            "Times come from objects of Kubernetes that can be read. Give a revision instead (--rev N).",
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
            "{} is earlier than this snapshot reaches back: its oldest revision, {}, was written about {}",
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
        format!("{} is later than the snapshot: its latest revision, {number}, was written about {written}.", time.text)
    } else {
        format!("{}: as of revision {number}, written about {written}.", time.text)
    });
    Ok((revision, is_later))
}
