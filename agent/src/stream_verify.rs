//! Verifies a compressed file: one thread unpacks and another checks, without a copy on disk if possible.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use etcdsnap_core::{
    Consumed, Error as ScanError, FinishedSweep, MetaChoice, ReadError, Report, ScanProgress, Sweep, SweepLimits,
};

use crate::error::{Error, PathlessError};
use crate::input::{Packed, Spool};
use crate::progress::{Progress, Stage};
use crate::verify_options::VerifyOptions;
use crate::{parallel_verify, threads};

/// Blocks queued between the two threads, to smooth out delays; 4 MiB in all.
const BLOCKS_IN_FLIGHT: usize = 4;

/// The minimum of [`memory_limits`], for any compressed file.
const MIN_LIMITS: SweepLimits = SweepLimits { raw: 8 << 20, digests: 16 << 20 };

/// Verifies the contents of a compressed file.
///
/// # Errors
/// As [`verify`](crate::verify) for a compressed file.
pub(crate) fn run(packed: &Packed, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    let failed = |error| PathlessError::Scan(error).at(packed.path());
    // A sweep keeps only the pages of the newest tree.
    if options.meta == MetaChoice::Older {
        return run_on_copy(packed, packed.claimed_length().snapshot().unwrap_or(0), options);
    }
    let mut sweep = Sweep::with_limits(MIN_LIMITS);
    let swept = loop {
        let swept = pass(packed, sweep, options)?.finish().map_err(failed)?;
        match swept.second_pass() {
            Ok(again) => sweep = again,
            Err(swept) => break swept,
        }
    };
    let len = swept.len();
    match verdict_of(*swept, options) {
        Err(ScanError::Read { cause: ReadError::Consumed, .. }) => run_on_copy(packed, len, options),
        outcome => outcome.map_err(failed),
    }
}

fn verdict_of(swept: FinishedSweep, options: &VerifyOptions<'_>) -> Result<Report, ScanError> {
    let source = Consumed(swept.len());
    swept.verify(&source, options.progress)
}

/// Limits the memory of the sweep after `packed` bytes of the compressed file. A sweep keeps pages that may turn out not to belong to the tree. Real pages compress badly, and
/// the memory kept for them is far smaller than their compressed size; a small file that unpacks to endless pages gets hardly more than the minimum.
fn memory_limits(packed: u64) -> SweepLimits {
    let part = |of: u64| usize::try_from(packed.checked_div(of).unwrap_or(0)).unwrap_or(usize::MAX);
    let default = SweepLimits::default();
    SweepLimits {
        raw: MIN_LIMITS.raw.saturating_add(part(16)).min(default.raw),
        digests: MIN_LIMITS.digests.saturating_add(part(2)).min(default.digests),
    }
}

/// Reads all bytes once.
fn pass(packed: &Packed, mut sweep: Sweep, options: &VerifyOptions<'_>) -> Result<Sweep, Error> {
    options.progress.begin(Stage::Unpack, Some(packed.packed_len()));
    let progress_counter = CompressedProgress { progress: options.progress, bytes: AtomicU64::new(0) };
    thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel(BLOCKS_IN_FLIGHT);
        let (used, spare) = mpsc::channel();
        let progress = &progress_counter;
        let unpacking = threads::start(scope, move || unpack_into(packed, progress, full, &spare));
        let Some(unpacking) = unpacking else {
            packed.unpack_to_judge(&progress_counter, &mut |block| {
                sweep.set_limits(memory_limits(progress_counter.bytes.load(Ordering::Relaxed)));
                sweep.push(block);
                Ok(())
            })?;
            return Ok(sweep);
        };
        for block in blocks {
            sweep.set_limits(memory_limits(progress_counter.bytes.load(Ordering::Relaxed)));
            sweep.push(&block);
            // The receiver may have ended already and not take the block back.
            let _ = used.send(block);
        }
        unpacking.join().unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(packed.path())))?;
        Ok(sweep)
    })
}

/// Counts the compressed bytes that were read.
struct CompressedProgress<'p> {
    progress: &'p dyn Progress,
    bytes: AtomicU64,
}

impl ScanProgress for CompressedProgress<'_> {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.progress.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

fn unpack_into(
    packed: &Packed,
    progress: &dyn ScanProgress,
    full: SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
) -> Result<(), Error> {
    packed.unpack_to_judge(progress, &mut |block| {
        let next = spare.try_recv().unwrap_or_default();
        full.send(mem::replace(block, next)).map_err(|_| Error::Cancelled)
    })
}

/// Verifies a file for which a single pass is not enough: unpacks it again, into a file without a name, and scans that.
fn run_on_copy(packed: &Packed, len: u64, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    let mut spool = Spool::new(Some(len))?;
    options.progress.begin(Stage::Unpack, Some(packed.packed_len()));
    packed.unpack_to_judge(options.progress, &mut |block| spool.write(block))?;
    let copy = spool.finish(packed.path())?;
    parallel_verify::run(&copy, options).map_err(|failure| failure.at(packed.path()))
}
