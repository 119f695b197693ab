//! Streams a snapshot to standard output or a FIFO; it is hashed and checked meanwhile.
//!
//! Output cannot be taken back, so the exit code is the proof. The last [`HELD_BACK_LEN`] bytes are held back until everything is verified: after a failed save, the
//! receiver never has a complete snapshot, and a compressed stream is left unfinished. Once a byte was output, no other server is tried.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use etcdsnap_core::{Consumed, Error as ScanError, FinishedSweep, ReadError, Report, Sha256Hex, Sweep, Verdict};
use tokio::sync::OnceCell;

use super::hash_and_write::OutputEncoder;
use super::piece_queue::PieceReceiver;
use super::save_config::{Compression, SaveVerify};
use super::save_error::SaveError;
use super::{Published, SaveJob, Saved, StoppableProgress, findings, name_template, received_stream};
use crate::client::{Client, Member};
use crate::error::PathlessError;
use crate::fsx::output_error::printable_output;
use crate::fsx::output_stream::OutputStream;
use crate::fsx::output_target::OutputTarget;
use crate::sha256_stream::{StreamDigest, StreamHasher, TRAILER_LEN};

/// Bytes that are held back until everything is verified: the SHA-256, and enough of the last page that the output has a length that no database has.
const HELD_BACK_LEN: usize = 4096 + TRAILER_LEN + 1;

/// How long a FIFO may lack a reader before a message says so.
const MESSAGE_AFTER: Duration = Duration::from_secs(2);

/// The kind of stream at an output path; no file can replace it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SaveStream {
    /// Standard output: `-`, `/dev/stdout` and the like.
    StandardOutput,
    /// A FIFO.
    Fifo,
}

impl SaveStream {
    /// Returns the stream that `path` names; `None` if saving to it would create a file. Opens nothing.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        OutputStream::of(path).map(|stream| match stream {
            OutputStream::Stdout => Self::StandardOutput,
            OutputStream::Fifo => Self::Fifo,
        })
    }
}

/// The stream that a snapshot is written to.
pub(super) struct StreamTarget {
    path: PathBuf,
    inputs: Vec<PathBuf>,
    opened: OnceCell<Arc<CountedOutput>>,
}

impl StreamTarget {
    /// Returns the stream that `path` names; `None` if it names a file. Opens nothing yet.
    ///
    /// # Errors
    /// [`SaveError::Target`] if nothing can be written there, or it is one of the `inputs`. A terminal is refused.
    pub fn of(path: &Path, inputs: &[&Path]) -> Result<Option<Self>, SaveError> {
        let Some(stream) = OutputStream::of(path) else { return Ok(None) };
        stream.check(path, inputs)?;
        let inputs = inputs.iter().map(|input| input.to_path_buf()).collect();
        Ok(Some(Self { path: path.to_owned(), inputs, opened: OnceCell::new() }))
    }

    /// Whether bytes were output.
    pub fn has_output(&self) -> bool {
        self.opened.get().is_some_and(|counted| counted.count.load(Ordering::Relaxed) > 0)
    }

    /// Opens it, once; a FIFO waits for a reader, and a message says so.
    async fn open(&self) -> Result<Arc<CountedOutput>, SaveError> {
        let opening = async {
            let (path, inputs) = (self.path.clone(), self.inputs.clone());
            let opening = tokio::task::spawn_blocking(move || open(&path, &inputs));
            let said = async {
                tokio::time::sleep(MESSAGE_AFTER).await;
                tracing::info!("waiting for a reader of {}", printable_output(&self.path));
                std::future::pending().await
            };
            tokio::select! {
                opened = opening => opened.map_err(received_stream::defect)?.map(Arc::new),
                never = said => never,
            }
        };
        self.opened.get_or_try_init(|| opening).await.cloned()
    }
}

fn open(path: &Path, inputs: &[PathBuf]) -> Result<CountedOutput, SaveError> {
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let failed = |cause| SaveError::Write { path: path.to_owned(), cause };
    let file = match OutputTarget::open(path, &inputs)? {
        OutputTarget::Stdout => File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?),
        OutputTarget::Stream(file) => {
            if !file.metadata().map_err(failed)?.file_type().is_fifo() {
                return Err(failed(io::Error::other("it is no longer a FIFO")));
            }
            file
        }
        OutputTarget::File { .. } => return Err(failed(io::Error::other("it is no longer a FIFO"))),
    };
    let is_on_disk = file.metadata().map_err(failed)?.is_file();
    Ok(CountedOutput { file, is_on_disk, count: AtomicU64::new(0) })
}

/// A file that counts the bytes written to it.
struct CountedOutput {
    file: File,
    /// Whether standard output is redirected to a regular file.
    is_on_disk: bool,
    count: AtomicU64,
}

impl CountedOutput {
    /// Syncs it if it is a regular file.
    fn sync(&self) -> io::Result<()> {
        if self.is_on_disk { self.file.sync_all() } else { Ok(()) }
    }
}

impl Write for &CountedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&self.file).write(bytes)?;
        self.count.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SaveJob<'_> {
    /// Streams the snapshot from `client` to `target`.
    ///
    /// # Errors
    /// As [`save`](super::save); the output so far is then not a whole snapshot.
    pub(super) async fn run_streamed(
        &self,
        target: &StreamTarget,
        mut client: Client,
        member: Option<Member>,
    ) -> Result<Published, SaveError> {
        let begun = Instant::now();
        let taken = name_template::now()?;
        let out = target.open().await?;
        let mut member = match member {
            Some(member) => member,
            None => client.status().await?,
        };
        let members = client.members().await.unwrap_or_default();
        let listed = members.iter().find(|listed| listed.id == member.member_id);
        member.name = listed.map(|listed| listed.name.clone()).filter(|name| !name.is_empty());
        let writer = StreamWriter {
            out: Arc::clone(&out),
            path: target.path.clone(),
            endpoint: client.endpoint().to_owned(),
            compression: self.config.compression,
            verify: self.config.verify,
            stoppable: StoppableProgress { progress: Arc::clone(&self.progress), stop: self.stop.clone() },
        };
        let write = move |pieces: PieceReceiver, is_whole: &AtomicBool| writer.write(pieces, is_whole);
        let (copied, report, storage_version) = self.receive(&mut client, |_| Ok(write)).await?;
        let mut warnings = member.doubts();
        warnings.extend(report.iter().flat_map(|report| findings(report)));
        let saved = Saved {
            storage_version,
            file_bytes: out.count.load(Ordering::Relaxed),
            verified: self.config.verify == SaveVerify::Full,
            warnings,
            seconds: begun.elapsed().as_secs_f64(),
            ..Saved::of(&target.path, &member, &copied, report.as_deref())
        };
        Ok(Published { saved, file: None, received: None, member, client, members, taken })
    }
}

/// Writes, hashes and checks a stream, on its own thread.
struct StreamWriter {
    out: Arc<CountedOutput>,
    path: PathBuf,
    endpoint: String,
    compression: Option<Compression>,
    verify: SaveVerify,
    stoppable: StoppableProgress,
}

impl StreamWriter {
    /// Receives and writes all messages. The last bytes are output only if everything arrived (`is_whole`) and the checks passed; otherwise the output stays cut short.
    fn write(
        &self,
        pieces: PieceReceiver,
        is_whole: &AtomicBool,
    ) -> Result<(StreamDigest, Option<Box<Report>>), SaveError> {
        let mut sink = OutputEncoder::new(&*self.out, self.compression).map_err(|cause| self.failed(cause))?;
        let proven = self.receive_all(&mut sink, pieces, is_whole);
        let Ok((copied, Some(VerifiedStream { held, report }))) = proven else {
            sink.abandon();
            return proven.map(|(copied, _)| (copied, None));
        };
        // Sync now, so that a disk error is noticed while the output still lacks its end.
        let outcome = self.out.sync().and_then(|()| sink.write_all(&held)).and_then(|()| sink.finish());
        let outcome = outcome.and_then(|()| self.out.sync());
        outcome.map_err(|cause| self.failed(cause))?;
        Ok((copied, report))
    }

    /// Returns length and SHA-256, and the held bytes if the checks passed. The receiving side notices and reports an incomplete stream or a wrong SHA-256.
    fn receive_all(
        &self,
        sink: &mut OutputEncoder<'_, CountedOutput>,
        mut pieces: PieceReceiver,
        is_whole: &AtomicBool,
    ) -> Result<(StreamDigest, Option<VerifiedStream>), SaveError> {
        let mut eyes = match self.verify {
            SaveVerify::Full => StreamInspector::Sweep(Box::default()),
            SaveVerify::Hash | SaveVerify::None => StreamInspector::Hasher(StreamHasher::default()),
        };
        let mut held = BytesMut::new();
        while let Some(piece) = pieces.blocking_recv() {
            match &mut eyes {
                StreamInspector::Sweep(sweep) => drop(sweep.push(&piece)),
                StreamInspector::Hasher(hasher) => hasher.push(&piece),
            }
            held.extend_from_slice(&piece);
            let free = held.split_to(held.len().saturating_sub(HELD_BACK_LEN));
            sink.write_all(&free).map_err(|cause| self.failed(cause))?;
        }
        let (copied, swept) = match eyes {
            StreamInspector::Hasher(hasher) => (hasher.finish(), None),
            StreamInspector::Sweep(sweep) => {
                let swept = sweep.finish().map_err(|error| self.not_verified(error))?;
                (copied(&swept), Some(swept))
            }
        };
        let matches = copied.trailer == Some(copied.sha256) || self.verify == SaveVerify::None;
        if !is_whole.load(Ordering::Acquire) || !matches {
            return Ok((copied, None));
        }
        let report = swept.map(|swept| self.verdict(swept)).transpose()?;
        Ok((copied, Some(VerifiedStream { held, report })))
    }

    /// Makes the verdict about a stream, which cannot be read again.
    fn verdict(&self, swept: FinishedSweep) -> Result<Box<Report>, SaveError> {
        let endpoint = self.endpoint.clone();
        let source = Consumed(swept.len());
        match swept.verify(&source, &self.stoppable) {
            Ok(report) if report.verdict == Verdict::Damaged => {
                Err(SaveError::Damaged { endpoint, report: Box::new(report) })
            }
            Ok(report) => Ok(Box::new(report)),
            Err(ScanError::Read { cause: ReadError::Consumed, .. }) => Err(SaveError::NotProven { endpoint }),
            Err(error) => Err(self.not_verified(error)),
        }
    }

    fn not_verified(&self, error: ScanError) -> SaveError {
        SaveError::NotVerified(PathlessError::Scan(error).at(Path::new("the stream")))
    }

    fn failed(&self, cause: io::Error) -> SaveError {
        SaveError::Write { path: self.path.clone(), cause }
    }
}

/// Checks or hashes the bytes while they are streamed.
enum StreamInspector {
    Sweep(Box<Sweep>),
    Hasher(StreamHasher),
}

/// Returns length and SHA-256 from a sweep, which computes them, too.
fn copied(swept: &FinishedSweep) -> StreamDigest {
    let digest = |hex: &Option<Sha256Hex>| hex.as_ref().and_then(Sha256Hex::to_bytes);
    let trailer = swept.trailer();
    StreamDigest {
        len: swept.len(),
        trailer: digest(&trailer.expected),
        sha256: digest(&trailer.actual).unwrap_or_default(),
    }
}

/// A stream that passed its checks.
struct VerifiedStream {
    /// The last bytes, not output yet.
    held: BytesMut,
    report: Option<Box<Report>>,
}
