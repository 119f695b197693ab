//! Which of many snapshots hold a key.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use etcdsnap_core::store::{Index, KeyRange, Lost};
use etcdsnap_core::{Code, Revision};

use super::Snapshot;
use crate::error::Error;
use crate::fsx::output_target::is_output_stream;
use crate::progress::{NoProgress, Progress};
use crate::threads;

/// What one file says.
#[derive(Debug)]
pub struct Found<T = Answer> {
    /// The file.
    pub path: PathBuf,
    /// Whether the caller named it, instead of a directory that it lies in.
    pub named: bool,
    /// What was found, or why nothing can be.
    pub answer: Result<T, Error>,
}

/// What is in a snapshot.
#[derive(Debug)]
pub struct Answer {
    /// The latest revision of the snapshot.
    pub revision: Revision,
    /// The keys that were asked for, deleted ones among them.
    pub keys: Index,
    /// What could not be read.
    pub lost: Lost,
}

impl<T> Found<T> {
    /// Whether it is another file that happens to lie in a directory, such as a note beside the snapshots. An empty file is a save that failed.
    #[must_use]
    pub fn is_other_file(&self) -> bool {
        match &self.answer {
            Err(Error::NoStore { report, .. }) => {
                let empty = fs::metadata(&self.path).is_ok_and(|facts| facts.len() == 0);
                !self.named && !empty && report.findings.counts().contains_key(&Code::NotASnapshot)
            }
            // An archive of several files, or of a kind that is not known.
            Err(Error::Unsupported { .. }) => !self.named,
            _ => false,
        }
    }
}

/// Looks for keys in each of `paths` and in the files of those that are directories, several side by side; those of the newest revision come first.
///
/// A directory's own directories are not entered, and of its entries only regular files count whose names do not begin with a dot. A compressed file is unpacked
/// into a file without a name.
///
/// # Errors
/// What the system says about a directory that cannot be listed, and [`Error::Cancelled`]. What is wrong with a file is its answer.
pub fn find(
    paths: &[PathBuf],
    range: &KeyRange,
    threads: Option<NonZeroUsize>,
    progress: &dyn Progress,
) -> Result<Vec<Found>, Error> {
    let files = files(paths)?;
    let workers = threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let side_by_side = workers.min(files.len()).max(1);
    // Few files get several threads each.
    let each = NonZeroUsize::new((workers / side_by_side).max(1));
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let work = || {
        while let Some((path, named)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if progress.cancelled() {
                break;
            }
            let answer = look(path, range, each);
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

/// The revision of a snapshot, by which they are put in order; what cannot be read comes last.
fn newest(found: &Found) -> Option<Revision> {
    found.answer.as_ref().ok().map(|answer| answer.revision)
}

fn look(path: &Path, range: &KeyRange, threads: Option<NonZeroUsize>) -> Result<Answer, Error> {
    let snapshot = Snapshot::open(path, threads, &NoProgress)?;
    let store = snapshot.store()?;
    let revision = store.current();
    let query = store.query(range.clone(), revision);
    let (keys, lost) = snapshot.keys(&store, &query, &NoProgress)?;
    Ok(Answer { revision, keys, lost })
}

/// The files that are meant, and whether each was named itself.
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
        // What cannot be looked at may be a snapshot: it is opened, and what fails then is said. A link that leads nowhere is none.
        let is_file = match path.metadata() {
            // What the list is being written to, as by `etcdsnap find KEY . > found.txt`, is none of the snapshots.
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
