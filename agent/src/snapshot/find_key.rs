//! Finds which of many snapshots hold a key.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use etcdsnap_core::store::{Index, KeyRange, LostParts};
use etcdsnap_core::{Code, Revision};

use super::Snapshot;
use crate::error::Error;
use crate::fsx::output_target::is_output_stream;
use crate::progress::{NoProgress, Progress};
use crate::threads;

/// The result for one file.
#[derive(Debug)]
pub struct Found<T = Answer> {
    /// The path of the file.
    pub path: PathBuf,
    /// Whether the caller named the file itself, not its directory.
    pub named: bool,
    /// The answer, or why there is none.
    pub answer: Result<T, Error>,
}

/// The matching keys of a snapshot.
#[derive(Debug)]
pub struct Answer {
    /// The latest revision of the snapshot.
    pub revision: Revision,
    /// The keys found, including deleted ones.
    pub keys: Index,
    /// Parts that could not be read.
    pub lost: LostParts,
}

impl<T> Found<T> {
    /// Whether it is an unrelated file in a directory, such as a note beside the snapshots. An empty file counts as a failed save.
    #[must_use]
    pub fn is_other_file(&self) -> bool {
        match &self.answer {
            Err(Error::NoStore { report, .. }) => {
                let empty = fs::metadata(&self.path).is_ok_and(|facts| facts.len() == 0);
                !self.named && !empty && report.findings.counts().contains_key(&Code::NotASnapshot)
            }
            // An archive of several files, or of an unknown kind.
            Err(Error::Unsupported { .. }) => !self.named,
            _ => false,
        }
    }
}

/// Searches keys in each file of `paths`, and in the files of directories among them, several in parallel. Results are sorted by latest revision, newest first.
///
/// Subdirectories are not entered; of a directory's entries, only regular files count whose names do not start with a dot. A compressed file is unpacked
/// into a file without a name.
///
/// # Errors
/// An error of the system about a directory that cannot be listed, and [`Error::Cancelled`]. An error about a file is in its result.
pub fn find(
    paths: &[PathBuf],
    range: &KeyRange,
    threads: Option<NonZeroUsize>,
    progress: &dyn Progress,
) -> Result<Vec<Found>, Error> {
    let files = files(paths)?;
    let workers = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let side_by_side = workers.min(files.len()).max(1);
    // If there are few files, each gets several threads.
    let each = NonZeroUsize::new((workers / side_by_side).max(1));
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some((path, named)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if progress.cancelled() {
                break;
            }
            let answer = search_file(path, range, each);
            let one = Found { path: path.clone(), named: *named, answer };
            found.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        }
    };
    thread::scope(|scope| {
        for _ in 1..side_by_side {
            drop(threads::start(scope, work));
        }
        work();
    });
    if progress.cancelled() {
        return Err(Error::Cancelled);
    }
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|a, b| newest(b).cmp(&newest(a)).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

/// Returns the revision by which snapshots are sorted; unreadable files come last.
fn newest(found: &Found) -> Option<Revision> {
    found.answer.as_ref().ok().map(|answer| answer.revision)
}

fn search_file(path: &Path, range: &KeyRange, threads: Option<NonZeroUsize>) -> Result<Answer, Error> {
    let snapshot = Snapshot::open(path, threads, &NoProgress)?;
    let store = snapshot.store()?;
    let revision = store.current();
    let query = store.query(range.clone(), revision);
    let (keys, lost) = snapshot.keys(&store, &query, &NoProgress)?;
    Ok(Answer { revision, keys, lost })
}

/// Lists the files to search, and whether each was named itself.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push((path.clone(), true));
            continue;
        }
        let entries = list(path).map_err(|cause| Error::Open { path: path.clone(), cause })?;
        files.extend(entries.into_iter().map(|path| (path, false)));
    }
    Ok(files)
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        let path = entry.path();
        // A file whose metadata cannot be read may be a snapshot: opening it will report the error. A dangling link is skipped.
        let is_file = match path.metadata() {
            // Skip the file that standard output is redirected to, as by `etcdsnap find KEY . > found.txt`.
            Ok(facts) => facts.is_file() && !is_output_stream(&facts),
            Err(cause) => cause.kind() != io::ErrorKind::NotFound,
        };
        if !hidden && is_file {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
