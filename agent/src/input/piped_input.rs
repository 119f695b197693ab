//! Copies a pipe into a file without a name, but not more bytes than a snapshot can have.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use etcdsnap_core::ClaimedLength;
use etcdsnap_core::limits::HEAD_LEN;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{FileSource, Packed, Spool, packing};
use crate::error::Error;
use crate::progress::{Progress, Stage};

/// Bytes of one read from a stream.
const READ_LEN: usize = 1 << 20;

/// Bytes of a compressed stream after which it is first examined; it is examined again whenever its length has doubled.
const FIRST_EXAMINED_AT: u64 = 1 << 20;

/// How long to wait for a stream before checking for cancellation.
const CANCEL_CHECK_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Copies a stream to its end, or until it has proven not to be a snapshot, but at least `least` bytes.
///
/// # Errors
/// [`Error::Open`] if it cannot be read, [`Error::Spool`], [`Error::Cancelled`].
pub(super) fn copy(mut stream: File, path: &Path, least: u64, progress: &dyn Progress) -> Result<FileSource, Error> {
    progress.begin(Stage::Copy, None);
    let mut spool = Spool::new(None)?;
    let mut bound = CopyLimit { least, ..CopyLimit::default() };
    let mut block = vec![0; READ_LEN];
    loop {
        until_readable(&stream, progress)?;
        let count = match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(Error::Open { path: path.to_owned(), cause }),
        };
        let bytes = block.get(..count).unwrap_or_default();
        spool.write(bytes)?;
        progress.advance(count as u64);
        if bound.is_reached(bytes, &spool, path) {
            break;
        }
    }
    spool.finish(path)
}

/// Waits until there is something to read, the stream has ended, or the caller cancels.
fn until_readable(stream: &File, progress: &dyn Progress) -> Result<(), Error> {
    loop {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&CANCEL_CHECK_INTERVAL)) {
            Ok(0) | Err(Errno::INTR) => {}
            // A stream that cannot be polled is read without waiting.
            Ok(_) | Err(_) => return Ok(()),
        }
    }
}

/// How many bytes to copy from a stream.
#[derive(Default)]
struct CopyLimit {
    /// Bytes that are copied in any case.
    least: u64,
    head: Vec<u8>,
    copied: u64,
    /// Known once the first bytes were read.
    most: Option<u64>,
    /// When to examine the contents of a compressed stream next.
    examine_at: Option<u64>,
}

impl CopyLimit {
    /// Examines the next bytes, which were written to `spool`; returns whether no more are needed.
    fn is_reached(&mut self, bytes: &[u8], spool: &Spool, path: &Path) -> bool {
        self.copied = self.copied.saturating_add(bytes.len() as u64);
        if self.most.is_none() {
            let missing = HEAD_LEN.saturating_sub(self.head.len()).min(bytes.len());
            self.head.extend_from_slice(bytes.get(..missing).unwrap_or_default());
            if self.head.len() < HEAD_LEN {
                return false;
            }
            let claimed = ClaimedLength::of(&self.head);
            let packed = packing(claimed.kind()).is_some();
            self.most = Some(if packed { u64::MAX } else { claimed.read_limit().max(self.least) });
            self.examine_at = packed.then_some(FIRST_EXAMINED_AT);
        }
        if self.examine_at.is_some_and(|at| self.copied >= at) {
            match max_compressed_len(&self.head, spool, path) {
                Some(most) => {
                    self.most = Some(most.max(self.least));
                    self.examine_at = None;
                }
                None => self.examine_at = Some(self.copied.saturating_mul(2)),
            }
        }
        self.most.is_some_and(|most| self.copied > most)
    }
}

/// Returns the most bytes that the compressed data in a stream can take, according to its start: twice the unpacked size, since data that cannot be
/// compressed grows by less than a hundredth, and such a file contains little else.
fn max_compressed_len(head: &[u8], spool: &Spool, path: &Path) -> Option<u64> {
    let format = packing(ClaimedLength::of(head).kind())?;
    let packed = Packed::open(spool.so_far(path).ok()?, format).ok()?;
    // If the data end early, the rest may not have arrived yet.
    (packed.head().len() == HEAD_LEN).then(|| packed.claimed_length().read_limit().saturating_mul(2))
}
