//! A file that a database is written to, past the page cache where the file system lets one.
//!
//! A restore writes each byte once and never reads it again, and ends only when all of it is on the disk. By way of the page cache each byte is copied once more, and the kernel finds
//! memory for it, maps it and writes it back, which took three times as long as the disk itself on the machine where it was measured; and the pages of those that run beside the restore give way.

use std::fs::File;
use std::io::{self, ErrorKind::InvalidInput, ErrorKind::Unsupported};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::RestoreError;
use super::made_directories::failed;
use super::stage_directory::StageDirectory;

/// What memory, offset and length must be a multiple of to go past the page cache: the page size of nearly all machines, which no disk's blocks are larger than.
const ALIGNMENT: usize = 4096;

/// A file to write the database to.
pub(super) struct Target {
    pub file: File,
    pub path: PathBuf,
    /// The same file, opened to be written past the page cache.
    direct: Option<File>,
    /// What is asked of a block that goes there: [`ALIGNMENT`], but in a test of what the file system refuses.
    alignment: usize,
}

impl Target {
    /// A new file in a stage, which its owner alone may read.
    pub fn create(stage: &StageDirectory, path: &Path) -> Result<Self, RestoreError> {
        let shown = stage.path_of(path);
        let (file, direct) = stage.create_direct(path).map_err(|cause| failed(&shown, cause))?;
        Ok(Self { direct, ..Self::of(file, &shown) })
    }

    /// A file that is there already; `path` is what it is called where something goes wrong.
    pub fn of(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), direct: None, alignment: ALIGNMENT }
    }

    pub fn failed(&self, cause: io::Error) -> RestoreError {
        failed(&self.path, cause)
    }

    pub fn writer(&self) -> Writer<'_> {
        Writer { target: self, direct: self.direct.as_ref() }
    }
}

/// Writes a target.
pub(super) struct Writer<'t> {
    target: &'t Target,
    direct: Option<&'t File>,
}

impl Writer<'_> {
    /// Writes a block: how many of its bytes are in the page cache then, for a sync to bring to the disk.
    pub fn write(&mut self, block: &[u8], at: u64) -> Result<u64, RestoreError> {
        let (past, cached) = block.split_at(self.past_cache(block, at));
        let mut from = 0;
        if let (Some(direct), false) = (self.direct, past.is_empty()) {
            match direct.write_all_at(past, at) {
                Ok(()) => from = past.len(),
                // The file system takes no such writes after all, or wants another alignment. What was written is written once more.
                Err(cause) if matches!(cause.kind(), InvalidInput | Unsupported) => self.direct = None,
                Err(cause) => return Err(self.target.failed(cause)),
            }
        }
        let rest = if from == 0 { block } else { cached };
        let at = at.saturating_add(from as u64);
        self.target.file.write_all_at(rest, at).map_err(|cause| self.target.failed(cause))?;
        Ok(rest.len() as u64)
    }

    /// How many bytes, from the start of a block on, can go past the page cache.
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

    use etcdsnap_core::Block;

    use super::*;
    use crate::fsx::directory::Directory;

    fn block(len: usize, fill: u8) -> Block {
        let mut block = Block::new(len);
        block.fill(fill);
        block
    }

    /// Writes blocks one behind the other: what is in the file, and what went by way of the page cache.
    fn written(target: &Target, blocks: &[&[u8]]) -> (Vec<u8>, u64) {
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
    fn every_byte_is_written_whether_past_the_page_cache_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b, tail) = (block(8192, 1), block(4096, 2), block(4096 + 33, 3));
        let unaligned = &a[1..];
        for blocks in [vec![&*a, &*b, &*tail], vec![&*a, unaligned, &*b], vec![&*tail, &*a], vec![&a[..5]]] {
            let expected = blocks.concat();
            let stage = stage(directory.path());
            let target = Target::create(&stage, Path::new("db")).unwrap();
            let (found, cached) = written(&target, &blocks);
            assert!(found == expected);
            if target.direct.is_none() {
                assert_eq!(cached, expected.len() as u64);
            }
            let plain = Target::of(stage.create(Path::new("plain")).unwrap(), &stage.path_of(Path::new("plain")));
            assert_eq!(written(&plain, &blocks), (expected.clone(), expected.len() as u64));
        }
    }

    #[test]
    fn what_the_file_system_refuses_goes_the_other_way() {
        let directory = tempfile::tempdir().unwrap();
        let stage = stage(directory.path());
        let mut target = Target::create(&stage, Path::new("db")).unwrap();
        // Most file systems take no odd numbers of bytes past the page cache; all of it is there in any case.
        target.alignment = 1;
        let blocks = [&*block(4096, 1), &*block(101, 2), &*block(4096, 3), &*block(7, 4)];
        assert!(written(&target, &blocks).0 == blocks.concat());
        // Another refusal is an error.
        target.direct = Some(File::open(&target.path).unwrap());
        assert!(target.writer().write(&block(4096, 1), 0).is_err());
    }
}
