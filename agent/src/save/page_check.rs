//! Checks the pages of a snapshot as they arrive, on its own thread, which also makes the verdict when all are written.
//!
//! One thread does both, because the verdict reuses the memory of the check, and memory freed by one thread is seldom available to another.

use std::mem;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;

use bytes::Bytes;
use etcdsnap_core::{Report, Sweep, SweepLimits};

use super::save_error::SaveError;
use super::written_proof::Written;
use crate::error::PathlessError;
use crate::threads;

/// Memory for arriving pages at least; pages that do not fit are read from the file.
const MIN_ROOM: SweepLimits = SweepLimits { raw: 8 << 20, digests: 16 << 20 };

/// Memory for arriving pages at most: the digests of ten million revisions.
const MAX_ROOM: SweepLimits = SweepLimits { raw: 32 << 20, digests: 256 << 20 };

/// Bytes per batch: a server sends 32 KiB at a time, and each batch wakes a thread.
const BATCH_LEN: usize = 256 << 10;

/// Batches queued for the thread.
const BATCHES_IN_FLIGHT: usize = 4;

/// The thread, and the channels to it.
pub(super) struct PageCheck {
    batch: Vec<Bytes>,
    bytes: usize,
    batches: SyncSender<Vec<Bytes>>,
    written: mpsc::Sender<Written>,
    thread: JoinHandle<Result<Report, SaveError>>,
}

impl PageCheck {
    /// Starts the thread; `None` if it cannot be started: then the file is read after it is written.
    pub fn start() -> Option<Self> {
        let (batches, arriving) = mpsc::sync_channel(BATCHES_IN_FLIGHT);
        let (written, written_file) = mpsc::channel();
        let thread = threads::start_detached(move || check_and_verify(&arriving, &written_file))?;
        Some(Self { batch: Vec::new(), bytes: 0, batches, written, thread })
    }

    /// Passes on the next bytes; waits if the thread is far behind.
    pub fn push(&mut self, piece: &Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.batch.push(piece.clone());
        if self.bytes >= BATCH_LEN {
            self.send_batch();
        }
    }

    fn send_batch(&mut self) {
        self.bytes = 0;
        // The receiver is gone only if the thread panicked, which is noticed when it is joined.
        let _ = self.batches.send(mem::take(&mut self.batch));
    }

    /// Makes the verdict about all received pages, now that they are `written`.
    ///
    /// # Errors
    /// As [`Written::verify`].
    pub fn verify(mut self, written: Written) -> Result<Report, SaveError> {
        self.send_batch();
        let path = written.path.clone();
        let _ = self.written.send(written);
        drop(self.batches);
        self.thread.join().unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(&path).into()))
    }
}

fn check_and_verify(arriving: &Receiver<Vec<Bytes>>, written_file: &Receiver<Written>) -> Result<Report, SaveError> {
    let mut sweep = Sweep::without_hash(MIN_ROOM);
    for piece in arriving.iter().flatten() {
        sweep.set_limits(room(sweep.len()));
        // Once the data is longer than any snapshot, the rest does not matter.
        sweep.push(&piece);
    }
    // The sender is dropped when the save failed.
    let written = written_file.recv().map_err(|_| SaveError::Cancelled)?;
    written.verify(sweep.finish().ok())
}

/// Chooses the memory for this many bytes of pages: most belong to the tree, and their revisions need about as much again for the verdict.
fn room(bytes: u64) -> SweepLimits {
    let share = |least: usize, most: usize, of: u64| {
        let share = usize::try_from(bytes.checked_div(of).unwrap_or(0)).unwrap_or(most);
        least.saturating_add(share).min(most)
    };
    SweepLimits { raw: share(MIN_ROOM.raw, MAX_ROOM.raw, 64), digests: share(MIN_ROOM.digests, MAX_ROOM.digests, 8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_with_the_received_bytes_up_to_a_limit() {
        assert_eq!(room(0), MIN_ROOM);
        assert_eq!(room(1 << 30).digests, (16 << 20) + (128 << 20));
        assert_eq!(room(u64::MAX), MAX_ROOM);
    }

    #[test]
    fn a_failed_save_ends_the_thread() {
        let (_, arriving) = mpsc::sync_channel(1);
        let (_, written_file) = mpsc::channel();
        assert!(matches!(check_and_verify(&arriving, &written_file), Err(SaveError::Cancelled)));
    }
}
