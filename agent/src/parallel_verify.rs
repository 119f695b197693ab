//! Verifies a file on all processors, by random access.
//!
//! Threads take the pieces of each pass from one counter: first the strips that are read ahead, then the parts of the tree walk. The calling thread is one of them, and does all the work
//! if no other thread can be started. SHA-256 is a single stream and takes longest, so one thread does only that; with two processors the scan runs beside it.

use std::panic::{self, AssertUnwindSafe};

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::{iter, thread};

use etcdsnap_core::pass::Pass;
use etcdsnap_core::{
    Conclusion, Error, Opened, Report, Scan, ScanProgress, Source, Trailer, check_trailer, quick_trailer,
};

use crate::error::PathlessError;
use crate::progress::{Progress, Stage};
use crate::threads;
use crate::verify_options::{Sha256, VerifyOptions};

/// Scans `source` completely.
///
/// # Errors
/// The first error of any worker; the others then stop soon.
pub(crate) fn run<S: Source + Sync + ?Sized>(source: &S, options: &VerifyOptions<'_>) -> Result<Report, PathlessError> {
    verify(source, options, |trailer| trailer)
}

/// Scans a file whose SHA-256 was not written yet: the last 32 bytes are a placeholder. The report contains the computed SHA-256 as the expected one.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_before_trailer<S: Source + Sync + ?Sized>(
    source: &S,
    options: &VerifyOptions<'_>,
) -> Result<Report, PathlessError> {
    verify(source, options, |trailer| Trailer { expected: trailer.actual.clone(), ..trailer })
}

fn verify<S: Source + Sync + ?Sized>(
    source: &S,
    options: &VerifyOptions<'_>,
    trailer_of: impl Fn(Trailer) -> Trailer,
) -> Result<Report, PathlessError> {
    let passes = match options.sha256 {
        Sha256::Check => 2,
        Sha256::Skip => 1,
    };
    options.progress.begin(Stage::Read, Some(source.len().saturating_mul(passes)));
    let scan = match Scan::open_by(source, options.meta).map_err(PathlessError::Scan)? {
        Opened::Scan(scan) => scan,
        Opened::Refused(report) if report.only_trailer_can_be_checked() => {
            let trailer = match options.sha256 {
                Sha256::Check => check_trailer(source, options.progress),
                Sha256::Skip => quick_trailer(source, options.progress),
            };
            return Ok(report.with_trailer(trailer.map_err(PathlessError::Scan)?));
        }
        Opened::Refused(report) => return Ok(*report),
    };
    let workers = Workers::new(options.progress);
    let done = match options.sha256 {
        Sha256::Skip => {
            let conclusion = conclude(*scan, options.workers(), &workers);
            conclusion.zip(workers.stop_on_error(quick_trailer(source, &workers)))
        }
        // The caller asked for one thread, so do one after the other.
        Sha256::Check if options.workers() == 1 => {
            let trailer = workers.run_jobs(1, 1, |_| check_trailer(source, &workers)).and_then(|mut done| done.pop());
            trailer.and_then(|trailer| conclude(*scan, 1, &workers).map(|conclusion| (conclusion, trailer)))
        }
        Sha256::Check => {
            let (hashed, conclusion) = threads::run_both(
                || workers.run_jobs(1, 1, |_| check_trailer(source, &workers)),
                || conclude(*scan, options.workers().saturating_sub(1), &workers),
            );
            let trailer: Option<Trailer> = hashed.ok().flatten().and_then(|mut done| done.pop());
            conclusion.zip(trailer)
        }
    };
    match (workers.into_error(), done) {
        (Some(failure), _) => Err(failure),
        (None, Some((conclusion, trailer))) => Ok(conclusion.report(trailer_of(trailer))),
        (None, None) => Err(PathlessError::Panic("a worker ended without its result".into())),
    }
}

/// Checks everything except the SHA-256, on this many threads; `None` if they were stopped. A panic stops the workers.
fn conclude<S: Source + Sync + ?Sized>(scan: Scan<'_, S>, threads: usize, workers: &Workers<'_>) -> Option<Conclusion> {
    let concluded = panic::catch_unwind(AssertUnwindSafe(|| walk(scan, threads, workers)));
    concluded.unwrap_or_else(|payload| {
        workers.fail(PathlessError::panic(payload.as_ref()));
        None
    })
}

fn walk<S: Source + Sync + ?Sized>(scan: Scan<'_, S>, threads: usize, workers: &Workers<'_>) -> Option<Conclusion> {
    let reading_ahead = workers.stop_on_error(scan.read_ahead())?;
    let walking = workers.run(threads, reading_ahead)?;
    let resolving = workers.run(threads, walking)?;
    workers.run(threads, resolving)
}

/// State that the workers of one scan share.
pub(crate) struct Workers<'p> {
    progress: &'p dyn Progress,
    stop: AtomicBool,
    failure: Mutex<Option<PathlessError>>,
}

impl<'p> Workers<'p> {
    pub(crate) fn new(progress: &'p dyn Progress) -> Self {
        Self { progress, stop: AtomicBool::new(false), failure: Mutex::new(None) }
    }

    /// Lets this many threads, including the calling one, take the pieces of a pass; `None` if they were stopped.
    pub(crate) fn run<P: Pass + Sync>(&self, threads: usize, pass: P) -> Option<P::Outcome> {
        let (next, pieces) = (AtomicUsize::new(0), pass.pieces());
        let threads = threads.min(pieces).max(1);
        let gathered = self.run_jobs(threads, threads, |_| {
            let mut gathered = pass.begin();
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= pieces {
                    return Ok(gathered);
                }
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::Cancelled);
                }
                pass.take(piece, &mut gathered, self)?;
            }
        })?;
        self.stop_on_error(pass.finish(gathered, self))
    }

    /// Lets this many threads, including the calling one, do jobs. Returns the results in the order of the jobs; `None` if they were stopped.
    pub(crate) fn run_jobs<T: Send>(
        &self,
        threads: usize,
        jobs: usize,
        work: impl Fn(usize) -> Result<T, Error> + Sync,
    ) -> Option<Vec<T>> {
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::channel();
        let mut done = thread::scope(|scope| {
            let worker = || {
                let _alarm = StopOnPanic(self);
                while !self.stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= jobs {
                        break;
                    }
                    let Some(result) = self.stop_on_error(work(number)) else { break };
                    // The receiver outlives the threads.
                    let _ = send.send((number, result));
                }
            };
            let others: Vec<_> = (1..threads.min(jobs)).map_while(|_| threads::start(scope, worker)).collect();
            let own = panic::catch_unwind(AssertUnwindSafe(worker));
            for outcome in iter::once(own).chain(others.into_iter().map(|other| other.join())) {
                if let Err(payload) = outcome {
                    self.fail(PathlessError::panic(payload.as_ref()));
                }
            }
            receive.try_iter().collect::<Vec<_>>()
        });
        done.sort_by_key(|(number, _)| *number);
        (done.len() == jobs).then(|| done.into_iter().map(|(_, result)| result).collect())
    }

    /// Returns the value; on an error, stops the workers and returns `None`.
    fn stop_on_error<T>(&self, result: Result<T, Error>) -> Option<T> {
        result.map_err(|error| self.fail(PathlessError::Scan(error))).ok()
    }

    /// Stops the workers. The first failure is kept, but a cancellation is replaced by its cause.
    fn fail(&self, failure: PathlessError) {
        let mut kept = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if matches!(*kept, None | Some(PathlessError::Scan(Error::Cancelled))) {
            *kept = Some(failure);
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn into_error(self) -> Option<PathlessError> {
        self.failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl ScanProgress for Workers<'_> {
    fn advance(&self, bytes: u64) {
        self.progress.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.progress.cancelled()
    }
}

/// Stops the workers if one of them panics: otherwise the others would finish a useless scan.
struct StopOnPanic<'t, 'p>(&'t Workers<'p>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.stop.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::atomic::AtomicU64;

    use etcdsnap_core::{ReadError, Verdict};

    use super::*;
    use crate::progress::NoProgress;

    const SNAPSHOT: &[u8] = include_bytes!("../../tests/cases/3.7-history/snapshot.db");

    /// A snapshot whose reads fail once it is open.
    struct Faulty {
        failure: fn() -> ReadError,
        good_reads: AtomicUsize,
    }

    impl Faulty {
        fn once_open(failure: fn() -> ReadError) -> Self {
            let source = Self { failure, good_reads: AtomicUsize::new(usize::MAX) };
            assert!(matches!(Scan::open(&source), Ok(Opened::Scan(_))));
            let reads = usize::MAX - source.good_reads.into_inner();
            Self { failure, good_reads: AtomicUsize::new(reads) }
        }
    }

    impl Source for Faulty {
        fn len(&self) -> u64 {
            SNAPSHOT.len() as u64
        }

        fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
            let counted = |left: usize| left.checked_sub(1);
            match self.good_reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted) {
                Ok(_) => SNAPSHOT.read_at(offset, out),
                Err(_) => Err((self.failure)()),
            }
        }
    }

    fn options(threads: usize) -> VerifyOptions<'static> {
        VerifyOptions { threads: NonZeroUsize::new(threads), ..VerifyOptions::default() }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_report() {
        let one = run(SNAPSHOT, &options(1)).unwrap();
        assert_eq!(one.verdict, Verdict::Sound);
        for threads in [2, 3, 16] {
            assert_eq!(run(SNAPSHOT, &options(threads)).unwrap(), one);
        }
        assert_eq!(etcdsnap_core::verify(SNAPSHOT, &NoProgress).unwrap(), one);
    }

    #[test]
    fn the_report_without_sha256_is_otherwise_the_same() {
        let whole = run(SNAPSHOT, &options(2)).unwrap();
        let without = run(SNAPSHOT, &VerifyOptions { sha256: Sha256::Skip, ..options(2) }).unwrap();
        assert_eq!((without.trailer.actual, without.status), (None, whole.status));
    }

    #[test]
    fn a_failed_read_is_reported_with_its_offset() {
        for threads in [1, 2, 3] {
            let source = Faulty::once_open(|| ReadError::Medium("broken disk".into()));
            match run(&source, &options(threads)) {
                Err(PathlessError::Scan(Error::Read { cause: ReadError::Medium(text), .. })) => {
                    assert_eq!(text, "broken disk")
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_panic_of_a_worker_becomes_an_error() {
        for threads in [1, 2, 3] {
            let source = Faulty::once_open(|| panic!("a defect"));
            match run(&source, &options(threads)) {
                Err(PathlessError::Panic(message)) => assert_eq!(message, "a defect"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_caller_can_cancel_it() {
        struct StopAfter(AtomicU64);
        impl ScanProgress for StopAfter {
            fn advance(&self, bytes: u64) {
                self.0.fetch_add(bytes, Ordering::Relaxed);
            }
            fn cancelled(&self) -> bool {
                self.0.load(Ordering::Relaxed) > 0
            }
        }
        impl Progress for StopAfter {
            fn begin(&self, _stage: Stage, _total: Option<u64>) {}
        }
        let progress = StopAfter(AtomicU64::new(1));
        let outcome = run(SNAPSHOT, &VerifyOptions { progress: &progress, ..options(2) });
        assert!(matches!(outcome, Err(PathlessError::Scan(Error::Cancelled))));
    }
}
