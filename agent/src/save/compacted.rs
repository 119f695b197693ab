//! Rewrites a received snapshot without the history that a compaction at its own revision removes, after the received one was verified.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use etcdsnap_core::{Report, Revision, Sha256Hex, Verdict};

use super::hash_and_write::OutputEncoder;
use super::save_config::Compression;
use super::save_error::SaveError;
use super::save_report::Compaction;
use super::{SaveJob, StoppableProgress, received_stream};
use crate::fsx::directory::Directory;
use crate::fsx::early_flush;
use crate::fsx::part_file::PartFile;
use crate::input::Input;
use crate::progress::Progress;
use crate::rewrite::{Ending, NewFile, Rewrite, rewrite_proven};
use crate::sha256_stream::StreamDigest;
use crate::snapshot::Snapshot;
use crate::verify_options::VerifyOptions;

/// Bytes read at a time from a file to compress.
const BLOCK_LEN: usize = 1 << 20;

/// The new file, and facts about it.
pub(super) struct Compacted {
    pub part: PartFile,
    /// Its uncompressed length and SHA-256.
    pub copied: StreamDigest,
    pub report: Report,
    pub compaction: Compaction,
    /// The file with the data that the server sent, which has no name any more.
    pub received: File,
}

impl SaveJob<'_> {
    /// Writes the kept entries of the verified `received` to a file in the same directory.
    ///
    /// # Errors
    /// When it cannot be read or written, or the new file is not sound.
    pub(super) async fn compacted(
        &self,
        received: Arc<PartFile>,
        copied: &StreamDigest,
        directory: &Directory,
    ) -> Result<Compacted, SaveError> {
        let directory = directory.try_clone().map_err(|cause| received.failed(cause))?;
        let stoppable = StoppableProgress { progress: Arc::clone(&self.progress), stop: self.stop.clone() };
        let compression = self.config.compression;
        let server = (Sha256Hex::of(&copied.sha256).0, copied.len);
        tokio::task::spawn_blocking(move || {
            let handle = received.handle()?;
            let (part, report, copied) = written(&received, &directory, &stoppable)?;
            let part = match compression {
                Some(compression) => compressed(&part, &directory, compression, &stoppable)?,
                None => part,
            };
            let status = report.status.as_ref();
            let compaction = Compaction {
                revision: status.map_or(Revision::ZERO, |status| status.revision),
                server_sha256: server.0,
                server_bytes: server.1,
            };
            Ok(Compacted { part, copied, report, compaction, received: handle })
        })
        .await
        .map_err(received_stream::defect)?
    }
}

fn written(
    received: &PartFile,
    directory: &Directory,
    progress: &dyn Progress,
) -> Result<(PartFile, Report, StreamDigest), SaveError> {
    let path = received.display_path();
    let snapshot = Snapshot::of_file(received.handle()?, &path, progress)?;
    let target = NewFile::within(directory, path.file_name().unwrap_or_default().to_owned(), path, Ending::Sha256)?;
    let (target, report) = rewrite_proven(&snapshot, Rewrite::Compact { revision: Revision::ZERO }, target, progress)?;
    let sha256 = report.trailer.actual.as_ref().and_then(Sha256Hex::to_bytes).unwrap_or_default();
    let part = target.into_part();
    let copied = StreamDigest { len: part.len()?, trailer: Some(sha256), sha256 };
    Ok((part, report, copied))
}

/// Makes a compressed copy, and reads it back completely.
fn compressed(
    plain: &PartFile,
    directory: &Directory,
    compression: Compression,
    progress: &dyn Progress,
) -> Result<PartFile, SaveError> {
    let part = PartFile::new(directory)?;
    let (from, to, len) = (plain.handle()?, part.handle()?, plain.len()?);
    let copied: io::Result<()> = early_flush::with_early_flush(
        || to.sync_data(),
        |mut unflushed| {
            let mut sink = OutputEncoder::new(&to, Some(compression))?;
            let mut block = vec![0; BLOCK_LEN];
            let mut at = 0_u64;
            while at < len && !progress.cancelled() {
                let count = from.read_at(&mut block, at)?;
                let read = block.get(..count).filter(|read| !read.is_empty());
                let read = read.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
                sink.write_all(read)?;
                at = at.saturating_add(count as u64);
                if !unflushed.add(count as u64) {
                    break;
                }
            }
            sink.finish()
        },
    );
    copied.map_err(|cause| part.failed(cause))?;
    part.sync()?;
    if progress.cancelled() {
        return Err(SaveError::Cancelled);
    }
    let path = part.display_path();
    let input = Input::of_file(part.handle()?, &path)?;
    let judged = crate::verify_input(&input, &VerifyOptions { progress, ..VerifyOptions::default() })?;
    if judged.verdict == Verdict::Damaged {
        let defect =
            crate::Error::Defect("the compressed file does not contain what was written, and was removed".into());
        return Err(defect.into());
    }
    Ok(part)
}
