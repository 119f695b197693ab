//! Starts flushing files to the disk while they are still being written: otherwise the sync at the end would have to wait for all of it.
//!
//! Linux reports only once to an open file that bytes did not reach the disk, and then treats the pages as clean: the sync at the end would report no error. So a flush that fails
//! here fails the whole write.

use std::panic;
use std::sync::mpsc::{self, SyncSender};
use std::thread;

use crate::threads;

/// Bytes in the page cache after which a flush starts.
const FLUSH_AFTER_BYTES: u64 = 64 << 20;

/// Counts bytes in the page cache, and wakes the thread that flushes them.
#[derive(Clone)]
pub(crate) struct Unflushed {
    bytes: u64,
    wake: SyncSender<()>,
}

impl Unflushed {
    /// Counts written bytes. Returns false if a flush has failed, so that writing on is useless.
    pub fn add(&mut self, bytes: u64) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes < FLUSH_AFTER_BYTES {
            return true;
        }
        match self.wake.try_send(()) {
            Ok(()) => self.bytes = 0,
            // The thread is still busy with earlier bytes.
            Err(mpsc::TrySendError::Full(())) => {}
            Err(mpsc::TrySendError::Disconnected(())) => return false,
        }
        true
    }
}

/// Runs `work`, which writes, and beside it a thread that runs `flush` whenever many bytes are in the page cache. If no thread can be started, only the sync at the end flushes.
///
/// # Errors
/// The error of the first failed flush, or otherwise that of the work.
pub(crate) fn with_early_flush<T, E: Send>(
    flush: impl Fn() -> Result<(), E> + Sync,
    work: impl FnOnce(Unflushed) -> Result<T, E>,
) -> Result<T, E> {
    thread::scope(|scope| {
        let (wake, woken) = mpsc::sync_channel(0);
        let flush = &flush;
        let flushing = threads::start(scope, move || woken.iter().try_for_each(|()| flush()));
        let Some(flushing) = flushing else {
            // The receiver is gone, which is harmless.
            let (wake, _woken) = mpsc::sync_channel(0);
            return work(Unflushed { bytes: 0, wake });
        };
        // Dropping the last sender ends the thread.
        let worked = work(Unflushed { bytes: 0, wake });
        flushing.join().unwrap_or_else(|payload| panic::resume_unwind(payload))?;
        worked
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_flush_starts_only_after_many_bytes() {
        let flushes = AtomicUsize::new(0);
        let (done, flushed) = channel();
        let flush = || {
            flushes.fetch_add(1, Ordering::Relaxed);
            done.send(()).map_err(|_| "nobody waits")
        };
        let work = |mut unflushed: Unflushed| {
            assert!(unflushed.add(FLUSH_AFTER_BYTES - 1));
            assert_eq!(flushes.load(Ordering::Relaxed), 0);
            // The thread may not be waiting yet.
            while flushed.try_recv().is_err() {
                assert!(unflushed.add(1));
            }
            Ok("written")
        };
        assert_eq!(with_early_flush(flush, work), Ok("written"));
        assert!(flushes.load(Ordering::Relaxed) > 0);
    }

    /// After a failed flush, the next sync of the same file would report success.
    #[test]
    fn a_failed_flush_ends_the_write_with_its_error() {
        let flush = || Err("input/output error");
        let work = |mut unflushed: Unflushed| {
            while unflushed.add(FLUSH_AFTER_BYTES) {}
            Ok("written")
        };
        assert_eq!(with_early_flush(flush, work), Err("input/output error"));
    }

    #[test]
    fn an_error_of_the_work_is_returned() {
        assert_eq!(with_early_flush(|| Ok(()), |_| Err::<(), _>("no space")), Err("no space"));
    }
}
