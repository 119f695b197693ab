//! Writes a database file, bypassing the page cache if the file system allows it.
//!
//! A restore writes each byte once, never reads it again, and ends only when everything is on the disk. Through the page cache, each byte is copied once more, and the kernel must
//! allocate, map and write back memory; that took three times as long as the disk itself where it was measured, and it evicts the cached pages of other programs.

use std::fs::File;
use std::io::{self, ErrorKind::InvalidInput, ErrorKind::Unsupported};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::RestoreError;
use super::created_directories::failed;
use super::stage_directory::StageDirectory;

/// The required multiple for memory, offset and length to bypass the page cache: the page size of nearly all machines, and at least the block size of disks.
const ALIGNMENT: usize = 4096;

/// A file to write the database to.
pub(super) struct DatabaseTarget {
    pub file: File,
    pub path: PathBuf,
    /// The same file, opened to bypass the page cache.
    direct: Option<File>,
    /// The required alignment: [`ALIGNMENT`], except in a test of a refusal.
    alignment: usize,
}

impl DatabaseTarget {
    /// Creates a file in a stage; only its owner may read it.
    pub fn create(stage: &StageDirectory, path: &Path) -> Result<Self, RestoreError> {
        let shown = stage.path_of(path);
        let (file, direct) = stage.create_direct(path).map_err(|cause| failed(&shown, cause))?;
        Ok(Self { direct, ..Self::of(file, &shown) })
    }

    /// Wraps an existing file; error messages call it `path`.
    pub fn of(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), direct: None, alignment: ALIGNMENT }
    }

    pub fn failed(&self, cause: io::Error) -> RestoreError {
        failed(&self.path, cause)
    }

    pub fn writer(&self) -> TargetWriter<'_> {
        TargetWriter { target: self, direct: self.direct.as_ref() }
    }
}

/// Writes to a target.
pub(super) struct TargetWriter<'t> {
    target: &'t DatabaseTarget,
    direct: Option<&'t File>,
}

impl TargetWriter<'_> {
    /// Writes a block. Returns how many of its bytes went to the page cache and need a sync.
    pub fn write(&mut self, block: &[u8], at: u64) -> Result<u64, RestoreError> {
        let (past, cached) = block.split_at(self.past_cache(block, at));
        let mut from = 0;
        if let (Some(direct), false) = (self.direct, past.is_empty()) {
            match direct.write_all_at(past, at) {
                Ok(()) => from = past.len(),
                // The file system does not accept such writes after all, or needs another alignment. Write the block again through the page cache.
                Err(cause) if matches!(cause.kind(), InvalidInput | Unsupported) => self.direct = None,
                Err(cause) => return Err(self.target.failed(cause)),
            }
        }
        let rest = if from == 0 { block } else { cached };
        let at = at.saturating_add(from as u64);
        self.target.file.write_all_at(rest, at).map_err(|cause| self.target.failed(cause))?;
        Ok(rest.len() as u64)
    }

    /// Returns how many bytes from the start of a block can bypass the page cache.
    fn past_cache(&self, block: &[u8], at: u64) -> usize {
        let unit = self.target.alignment;
        let aligned = block.as_ptr().addr().is_multiple_of(unit) && at.is_multiple_of(unit as u64);
        if self.direct.is_some() && aligned { block.len().saturating_sub(block.len() % unit) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use etcdsnap_core::AlignedBuf;

    use super::*;
    use crate::fsx::directory::Directory;

    fn block(len: usize, fill: u8) -> AlignedBuf {
        let mut block = AlignedBuf::new(len);
        block.fill(fill);
        block
    }

    /// Writes blocks one after the other; returns the contents of the file, and the bytes that went through the page cache.
    fn written(target: &DatabaseTarget, blocks: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut writer = target.writer();
        let (mut at, mut cached) = (0, 0);
        for block in blocks {
            cached += writer.write(block, at).unwrap();
            at += block.len() as u64;
        }
        target.file.sync_all().unwrap();
        (fs::read(&target.path).unwrap(), cached)
    }

    fn stage(directory: &Path) -> StageDirectory {
        StageDirectory::make(Directory::open(directory).unwrap(), OsStr::new("data")).unwrap()
    }

    #[test]
    fn every_byte_is_written_with_or_without_the_page_cache() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b, tail) = (block(8192, 1), block(4096, 2), block(4096 + 33, 3));
        let unaligned = &a[1..];
        for blocks in [vec![&*a, &*b, &*tail], vec![&*a, unaligned, &*b], vec![&*tail, &*a], vec![&a[..5]]] {
            let expected = blocks.concat();
            let stage = stage(directory.path());
            let target = DatabaseTarget::create(&stage, Path::new("db")).unwrap();
            let (found, cached) = written(&target, &blocks);
            assert!(found == expected);
            if target.direct.is_none() {
                assert_eq!(cached, expected.len() as u64);
            }
            let plain =
                DatabaseTarget::of(stage.create(Path::new("plain")).unwrap(), &stage.path_of(Path::new("plain")));
            assert_eq!(written(&plain, &blocks), (expected.clone(), expected.len() as u64));
        }
    }

    #[test]
    fn refused_direct_writes_use_the_page_cache() {
        let directory = tempfile::tempdir().unwrap();
        let stage = stage(directory.path());
        let mut target = DatabaseTarget::create(&stage, Path::new("db")).unwrap();
        // Most file systems refuse unaligned direct writes; the contents must be complete in any case.
        target.alignment = 1;
        let blocks = [&*block(4096, 1), &*block(101, 2), &*block(4096, 3), &*block(7, 4)];
        assert!(written(&target, &blocks).0 == blocks.concat());
        // Another refusal is an error.
        target.direct = Some(File::open(&target.path).unwrap());
        assert!(target.writer().write(&block(4096, 1), 0).is_err());
    }
}
