//! Copies a snapshot and hashes it at the same time: one thread reads and hashes, another writes.

use std::fs::File;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use etcdsnap_core::{AlignedBuf, Report, Source};
use rustix::fd::AsFd;

use super::RestoreError;
use super::direct_writer::{DatabaseTarget, TargetWriter};
use super::len;
use crate::error::{Error, PathlessError};
use crate::free_space::{self, Location};
use crate::fsx::early_flush::{self, Unflushed};
use crate::input::{FileSource, Packed, Spool};
use crate::progress::{NoProgress, Progress, Stage};
use crate::sha256_stream::{StreamDigest, StreamHasher};
use crate::verify_options::{Sha256 as Hashing, VerifyOptions};
use crate::{parallel_verify, threads};

const BLOCK_LEN: usize = 1 << 20;

/// Blocks queued between the two threads, 4 MiB in all.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Copies a file to all targets; if `verifies`, a third thread verifies its structure at the same time.
///
/// If the file system has reflinks, the copies share the blocks of the file, and only changed pages are written; then the first copy is hashed and verified.
pub(super) fn copy_file(
    from: &FileSource,
    to: &[DatabaseTarget],
    verifies: bool,
    progress: &dyn Progress,
) -> Result<(StreamDigest, Option<Report>), RestoreError> {
    let path = from.path();
    if let Some(first) = to.first()
        && to.iter().all(|target| rustix::fs::ioctl_ficlone(&target.file, from.file()).is_ok())
    {
        let copy = first.file.try_clone().and_then(|file| FileSource::new(file, path));
        let copy = copy.map_err(|cause| first.failed(cause))?;
        return copy_and_verify(
            verifies,
            || verify_structure(&copy, path, &NoProgress),
            path,
            || hash_only(&copy, progress),
        );
    }
    progress.begin(Stage::Copy, Some(len(from)));
    // A restore that fills the disk before it fails would harm all other programs that write there.
    let wanted = to.iter().map(|target| (Location::Open(target.file.as_fd(), &target.path), len(from)));
    if let (Some(first), Err(_)) = (to.first(), free_space::check(wanted)) {
        return Err(first.failed(io::ErrorKind::StorageFull.into()));
    }
    for target in to {
        let room = rustix::fs::fallocate(&target.file, rustix::fs::FallocateFlags::empty(), 0, len(from).max(1));
        if let Err(cause @ (rustix::io::Errno::NOSPC | rustix::io::Errno::FBIG | rustix::io::Errno::DQUOT)) = room {
            return Err(target.failed(cause.into()));
        }
    }
    let copy = || {
        copy_and_hash(to, path, progress, |sink| {
            let mut at = 0;
            let mut block = AlignedBuf::default();
            while at < len(from) {
                let left = usize::try_from(len(from).saturating_sub(at)).unwrap_or(BLOCK_LEN);
                resize(&mut block, BLOCK_LEN.min(left), path)?;
                read(from, at, &mut block)?;
                at = at.saturating_add(block.len() as u64);
                progress.advance(block.len() as u64);
                sink(&mut block)?;
            }
            Ok(())
        })
    };
    copy_and_verify(verifies, || verify_structure(from, path, &NoProgress), path, copy)
}

/// Runs `copy`, and if `verifies`, also `verify` at the same time. An error of the copy takes precedence.
fn copy_and_verify(
    verifies: bool,
    verify: impl Fn() -> Result<Report, RestoreError> + Sync,
    path: &Path,
    copy: impl FnOnce() -> Result<StreamDigest, RestoreError>,
) -> Result<(StreamDigest, Option<Report>), RestoreError> {
    if !verifies {
        return Ok((copy()?, None));
    }
    let (report, copied) = threads::run_both(verify, copy);
    let copied = copied?;
    let report = report.unwrap_or_else(|payload| Err(PathlessError::panic(payload.as_ref()).at(path).into()))?;
    Ok((copied, Some(report)))
}

/// Unpacks a compressed file to all targets.
pub(super) fn unpack_to_targets(
    from: &Packed,
    to: &[DatabaseTarget],
    progress: &dyn Progress,
) -> Result<StreamDigest, RestoreError> {
    progress.begin(Stage::Unpack, Some(from.packed_len()));
    copy_and_hash(to, from.source().path(), progress, |sink| from.unpack(progress, sink))
}

/// Unpacks a compressed file into a file without a name, for random access.
pub(super) fn unpack_to_nameless_file(
    from: &Packed,
    path: &Path,
    progress: &dyn Progress,
) -> Result<(File, StreamDigest), RestoreError> {
    let failed = |cause| RestoreError::from(Spool::failed(cause));
    let target = DatabaseTarget::of(Spool::new(from.claimed_length().snapshot())?.into_file(), path);
    let copied = unpack_to_targets(from, std::slice::from_ref(&target), progress).map_err(|error| match error {
        RestoreError::Write { cause, .. } => failed(cause),
        other => other,
    })?;
    from.source().assert_unchanged()?;
    Ok((target.file, copied))
}

/// Hashes a file without copying it.
pub(super) fn hash_only(from: &FileSource, progress: &dyn Progress) -> Result<StreamDigest, RestoreError> {
    progress.begin(Stage::Read, Some(len(from)));
    let mut hasher = StreamHasher::default();
    let mut at = 0;
    let mut block = AlignedBuf::default();
    while at < len(from) {
        let left = usize::try_from(len(from).saturating_sub(at)).unwrap_or(BLOCK_LEN);
        resize(&mut block, BLOCK_LEN.min(left), from.path())?;
        read(from, at, &mut block)?;
        hasher.push(&block);
        at = at.saturating_add(block.len() as u64);
        progress.advance(block.len() as u64);
        if progress.cancelled() {
            return Err(Error::Cancelled.into());
        }
    }
    Ok(hasher.finish())
}

/// Verifies everything except the SHA-256. It leaves one processor to hashing, which takes longest.
pub(super) fn verify_structure(
    source: &FileSource,
    path: &Path,
    progress: &dyn Progress,
) -> Result<Report, RestoreError> {
    let options = VerifyOptions { sha256: Hashing::Skip, progress, ..VerifyOptions::default() };
    let threads = NonZeroUsize::new(options.workers().saturating_sub(1).max(1));
    let options = VerifyOptions { threads, ..options };
    parallel_verify::run(source, &options).map_err(|failure| failure.at(path).into())
}

fn resize(block: &mut AlignedBuf, len: usize, path: &Path) -> Result<(), Error> {
    block.try_resize(len).map_err(|_| {
        let error = etcdsnap_core::Error::Memory { what: "a block of the file", bytes: len as u64 };
        PathlessError::Scan(error).at(path)
    })
}

fn read(from: &FileSource, offset: u64, block: &mut [u8]) -> Result<(), Error> {
    from.read_at(offset, block).map_err(|cause| {
        let error =
            etcdsnap_core::Error::Read { offset: etcdsnap_core::Offset::new(offset), len: block.len() as u64, cause };
        PathlessError::Scan(error).at(from.path())
    })
}

/// Writes blocks to all targets, one after the other, and regularly starts a flush to the disk.
pub(super) struct TargetWriters<'t> {
    writers: Vec<TargetWriter<'t>>,
    at: u64,
    unflushed: Unflushed,
}

impl<'t> TargetWriters<'t> {
    /// Creates writers that start at offset 0.
    pub fn new(to: &'t [DatabaseTarget], unflushed: Unflushed) -> Self {
        Self { writers: to.iter().map(DatabaseTarget::writer).collect(), at: 0, unflushed }
    }

    /// Sets the offset at which to start.
    pub fn starting_at(self, at: u64) -> Self {
        Self { at, ..self }
    }

    /// Writes a block. Returns false if a flush has failed; the flush thread reports the error.
    pub fn write(&mut self, block: &[u8]) -> Result<bool, RestoreError> {
        let mut cached = 0_u64;
        for writer in &mut self.writers {
            cached = cached.saturating_add(writer.write(block, self.at)?);
        }
        self.at = self.at.saturating_add(block.len() as u64);
        Ok(self.unflushed.add(cached))
    }
}

/// Syncs what was written to all targets so far.
pub(super) fn sync_data(to: &[DatabaseTarget]) -> Result<(), RestoreError> {
    to.iter().try_for_each(|target| target.file.sync_data().map_err(|cause| target.failed(cause)))
}

type CopySink<'s, B> = dyn FnMut(&mut B) -> Result<(), Error> + 's;

/// Hashes the blocks from `source` while another thread writes them to all targets.
fn copy_and_hash<B: AsRef<[u8]> + Default + Send>(
    to: &[DatabaseTarget],
    from: &Path,
    progress: &dyn Progress,
    source: impl FnOnce(&mut CopySink<'_, B>) -> Result<(), Error>,
) -> Result<StreamDigest, RestoreError> {
    early_flush::with_early_flush(|| sync_data(to), |unflushed| write_and_hash(to, unflushed, from, progress, source))
}

fn write_and_hash<B: AsRef<[u8]> + Default + Send>(
    to: &[DatabaseTarget],
    unflushed: Unflushed,
    from: &Path,
    progress: &dyn Progress,
    source: impl FnOnce(&mut CopySink<'_, B>) -> Result<(), Error>,
) -> Result<StreamDigest, RestoreError> {
    thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel::<B>(BLOCKS_IN_FLIGHT);
        let (used, spare) = mpsc::channel();
        let mut writers = TargetWriters::new(to, unflushed.clone());
        let writing = threads::start(scope, move || -> Result<(), RestoreError> {
            let mut writers = TargetWriters::new(to, unflushed);
            for block in blocks {
                if !writers.write(block.as_ref())? {
                    break;
                }
                // The receiver may have ended already; then the block is not reused.
                let _ = used.send(block);
            }
            Ok(())
        });
        let mut hasher = StreamHasher::default();
        // Without a second thread, this one also writes.
        let Some(writing) = writing else {
            let mut failed = None;
            let read = source(&mut |block| {
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
                hasher.push(block.as_ref());
                let goes_on = writers.write(block.as_ref()).map_err(|error| {
                    failed = Some(error);
                    Error::Cancelled
                })?;
                if goes_on { Ok(()) } else { Err(Error::Cancelled) }
            });
            failed.map_or(Ok(()), Err)?;
            read?;
            return Ok(hasher.finish());
        };
        drop(writers);
        let read = source(&mut |block| {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            hasher.push(block.as_ref());
            full.send(mem::replace(block, spare.try_recv().unwrap_or_default())).map_err(|_| Error::Cancelled)
        });
        drop(full);
        // A failed write stops the reader, so it is the cause and takes precedence.
        match writing.join() {
            Ok(written) => written?,
            Err(payload) => return Err(PathlessError::panic(payload.as_ref()).at(from).into()),
        }
        read?;
        Ok(hasher.finish())
    })
}
