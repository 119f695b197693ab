//! Copies a snapshot and hashes the same bytes on their way: reading and hashing on one thread, writing on another.

use std::fs::File;
use std::io;
use std::mem;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use etcdsnap_core::{Block, Report, Source};
use rustix::fd::AsFd;

use super::RestoreError;
use super::direct_writer::{Target, Writer};
use super::len;
use crate::error::{Error, Fault};
use crate::free_space::{self, Location};
use crate::fsx::early_flush::{self, Unflushed};
use crate::input::{FileSource, Packed, Spool};
use crate::progress::{NoProgress, Progress, Stage};
use crate::sha256_stream::{Copied, Hasher};
use crate::verify_options::{Sha256 as Hashing, VerifyOptions};
use crate::{parallel_verify, threads};

const BLOCK: usize = 1 << 20;

/// Blocks between the two threads, 4 MiB in all.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Copies a file to all targets; if it is to be `judged`, a third thread judges its structure meanwhile.
///
/// Where the file system has reflinks, the copies share the blocks of the file, and only pages that change are ever written; what is hashed and judged then is the
/// first copy.
pub(super) fn plain(
    from: &FileSource,
    to: &[Target],
    judged: bool,
    progress: &dyn Progress,
) -> Result<(Copied, Option<Report>), RestoreError> {
    let path = from.path();
    if let Some(first) = to.first()
        && to.iter().all(|target| rustix::fs::ioctl_ficlone(&target.file, from.file()).is_ok())
    {
        let copy = first.file.try_clone().and_then(|file| FileSource::new(file, path));
        let copy = copy.map_err(|cause| first.failed(cause))?;
        return beside(judged, || judge(&copy, path, &NoProgress), path, || hash_only(&copy, progress));
    }
    progress.begin(Stage::Copy, Some(len(from)));
    // A restore that fills the disk before it gives up hurts whoever else writes there.
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
        through(to, path, progress, |sink| {
            let mut at = 0;
            let mut block = Block::default();
            while at < len(from) {
                let left = usize::try_from(len(from).saturating_sub(at)).unwrap_or(BLOCK);
                resize(&mut block, BLOCK.min(left), path)?;
                read(from, at, &mut block)?;
                at = at.saturating_add(block.len() as u64);
                progress.advance(block.len() as u64);
                sink(&mut block)?;
            }
            Ok(())
        })
    };
    beside(judged, || judge(from, path, &NoProgress), path, copy)
}

/// Copies, and if it is to be `judged`, judges meanwhile. What is wrong with the copy comes first.
fn beside(
    judged: bool,
    judge: impl Fn() -> Result<Report, RestoreError> + Sync,
    path: &Path,
    copy: impl FnOnce() -> Result<Copied, RestoreError>,
) -> Result<(Copied, Option<Report>), RestoreError> {
    if !judged {
        return Ok((copy()?, None));
    }
    let (report, copied) = threads::both(judge, copy);
    let copied = copied?;
    let report = report.unwrap_or_else(|payload| Err(Fault::panic(payload.as_ref()).at(path).into()))?;
    Ok((copied, Some(report)))
}

/// Unpacks a compressed file to all targets.
pub(super) fn packed(from: &Packed, to: &[Target], progress: &dyn Progress) -> Result<Copied, RestoreError> {
    progress.begin(Stage::Unpack, Some(from.packed_len()));
    through(to, from.source().path(), progress, |sink| from.unpack(progress, sink))
}

/// Unpacks a compressed file into one without a name, where any place of it can be read.
pub(super) fn unpacked(from: &Packed, path: &Path, progress: &dyn Progress) -> Result<(File, Copied), RestoreError> {
    let failed = |cause| RestoreError::from(Spool::failed(cause));
    let target = Target::of(Spool::new(from.extent().snapshot())?.into_file(), path);
    let copied = packed(from, std::slice::from_ref(&target), progress).map_err(|error| match error {
        RestoreError::Write { cause, .. } => failed(cause),
        other => other,
    })?;
    from.source().assert_unchanged()?;
    Ok((target.file, copied))
}

/// Hashes a file without copying it.
pub(super) fn hash_only(from: &FileSource, progress: &dyn Progress) -> Result<Copied, RestoreError> {
    progress.begin(Stage::Read, Some(len(from)));
    let mut hasher = Hasher::default();
    let mut at = 0;
    let mut block = Block::default();
    while at < len(from) {
        let left = usize::try_from(len(from).saturating_sub(at)).unwrap_or(BLOCK);
        resize(&mut block, BLOCK.min(left), from.path())?;
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

/// Judges everything but the SHA-256. One processor is left to that, which takes longest.
pub(super) fn judge(source: &FileSource, path: &Path, progress: &dyn Progress) -> Result<Report, RestoreError> {
    let options = VerifyOptions { sha256: Hashing::Skip, progress, ..VerifyOptions::default() };
    let threads = NonZeroUsize::new(options.workers().saturating_sub(1).max(1));
    let options = VerifyOptions { threads, ..options };
    parallel_verify::run(source, &options).map_err(|fault| fault.at(path).into())
}

fn resize(block: &mut Block, len: usize, path: &Path) -> Result<(), Error> {
    block.try_resize(len).map_err(|_| {
        let error = etcdsnap_core::Error::Memory { what: "a block of the file", bytes: len as u64 };
        Fault::Scan(error).at(path)
    })
}

fn read(from: &FileSource, offset: u64, block: &mut [u8]) -> Result<(), Error> {
    from.read_at(offset, block).map_err(|cause| {
        let error =
            etcdsnap_core::Error::Read { offset: etcdsnap_core::Offset::new(offset), len: block.len() as u64, cause };
        Fault::Scan(error).at(from.path())
    })
}

/// Writes blocks to all targets, one after the other, and has the disk begin now and then.
pub(super) struct Writers<'t> {
    writers: Vec<Writer<'t>>,
    at: u64,
    unflushed: Unflushed,
}

impl<'t> Writers<'t> {
    /// From the start of the files on.
    pub fn new(to: &'t [Target], unflushed: Unflushed) -> Self {
        Self { writers: to.iter().map(Target::writer).collect(), at: 0, unflushed }
    }

    /// From this offset on.
    pub fn behind(self, at: u64) -> Self {
        Self { at, ..self }
    }

    /// Writes a block; false once a flush has failed, which its thread says.
    pub fn write(&mut self, block: &[u8]) -> Result<bool, RestoreError> {
        let mut cached = 0_u64;
        for writer in &mut self.writers {
            cached = cached.saturating_add(writer.write(block, self.at)?);
        }
        self.at = self.at.saturating_add(block.len() as u64);
        Ok(self.unflushed.add(cached))
    }
}

type Sink<'s, B> = dyn FnMut(&mut B) -> Result<(), Error> + 's;

/// Hashes the blocks that `source` gives and has them written to all targets by another thread.
fn through<B: AsRef<[u8]> + Default + Send>(
    to: &[Target],
    from: &Path,
    progress: &dyn Progress,
    source: impl FnOnce(&mut Sink<'_, B>) -> Result<(), Error>,
) -> Result<Copied, RestoreError> {
    let flush = || to.iter().try_for_each(|target| target.file.sync_data().map_err(|cause| target.failed(cause)));
    early_flush::beside(flush, |unflushed| write_and_hash(to, unflushed, from, progress, source))
}

fn write_and_hash<B: AsRef<[u8]> + Default + Send>(
    to: &[Target],
    unflushed: Unflushed,
    from: &Path,
    progress: &dyn Progress,
    source: impl FnOnce(&mut Sink<'_, B>) -> Result<(), Error>,
) -> Result<Copied, RestoreError> {
    thread::scope(|scope| {
        let (full, blocks) = mpsc::sync_channel::<B>(BLOCKS_IN_FLIGHT);
        let (used, spare) = mpsc::channel();
        let mut writers = Writers::new(to, unflushed.clone());
        let writing = threads::start(scope, move || -> Result<(), RestoreError> {
            let mut writers = Writers::new(to, unflushed);
            for block in blocks {
                if !writers.write(block.as_ref())? {
                    break;
                }
                // The other side may be done already and not want it back.
                let _ = used.send(block);
            }
            Ok(())
        });
        let mut hasher = Hasher::default();
        // Without a thread for them the writes are done here.
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
        // A failed write stops the reader, so it is the cause and comes first.
        match writing.join() {
            Ok(written) => written?,
            Err(payload) => return Err(Fault::panic(payload.as_ref()).at(from).into()),
        }
        read?;
        Ok(hasher.finish())
    })
}
