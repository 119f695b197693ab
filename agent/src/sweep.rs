//! Judging a compressed file: unpacked on one thread and swept on another, without a copy on disk where that suffices.

use std::mem;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use etcdsnap_core::{Consumed, Error as ScanError, ReadError, Report, Sweep, Swept};

use crate::error::{Error, Fault};
use crate::input::{Packed, Spool};
use crate::options::VerifyOptions;
use crate::progress::Stage;
use crate::{scan, threads};

/// Blocks between the two threads: enough that neither waits for the other's hiccups, 4 MiB in all.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Judges what a compressed file holds.
///
/// # Errors
/// As [`verify`](crate::verify) for a compressed file.
pub(crate) fn run(packed: &Packed, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    options.progress.begin(Stage::Unpack, Some(packed.packed_len()));
    let swept = sweep(packed, options)?;
    let len = swept.len();
    match swept.verify(&Consumed(len), options.progress) {
        Err(ScanError::Read { cause: ReadError::Consumed, .. }) => run_on_copy(packed, len, options),
        outcome => outcome.map_err(|error| Fault::Scan(error).at(packed.path())),
    }
}

fn sweep(packed: &Packed, options: &VerifyOptions<'_>) -> Result<Swept, Error> {
    thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel(BLOCKS_IN_FLIGHT);
        let (used, spare) = mpsc::channel();
        let unpacking = threads::start(scope, move || unpack_into(packed, options, &full, &spare));
        let mut sweep = Sweep::new();
        let Some(unpacking) = unpacking else {
            packed.unpack(options.progress, &mut |block| {
                sweep.push(block);
                Ok(())
            })?;
            return Ok(sweep.finish());
        };
        for block in blocks {
            sweep.push(&block);
            // The other side may be done already and not want it back.
            let _ = used.send(block);
        }
        unpacking.join().unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref()).at(packed.path())))?;
        Ok(sweep.finish())
    })
}

fn unpack_into(
    packed: &Packed,
    options: &VerifyOptions<'_>,
    full: &SyncSender<Vec<u8>>,
    spare: &Receiver<Vec<u8>>,
) -> Result<(), Error> {
    packed.unpack(options.progress, &mut |block| {
        let next = spare.try_recv().unwrap_or_default();
        full.send(mem::replace(block, next)).map_err(|_| Error::Cancelled)
    })
}

/// The slow way for what a sweep cannot remember: unpacks a second time, into a file without a name, and scans that.
fn run_on_copy(packed: &Packed, len: u64, options: &VerifyOptions<'_>) -> Result<Report, Error> {
    let mut spool = Spool::new(Some(len))?;
    options.progress.begin(Stage::Unpack, Some(packed.packed_len()));
    packed.unpack(options.progress, &mut |block| spool.write(block))?;
    let copy = spool.finish(packed.path())?;
    scan::run(&copy, options).map_err(|fault| fault.at(packed.path()))
}
