//! Hashes, optionally compresses, and writes the received data, on its own thread; another thread checks the pages.

use std::fs::File;
use std::io::{self, Write};
use std::thread;

use flate2::write::GzEncoder;

use super::page_check::PageCheck;
use super::piece_queue::PieceReceiver;
use super::save_config::Compression;
use crate::fsx::early_flush;
use crate::sha256_stream::{StreamDigest, StreamHasher};

/// Writes all messages until the sender is done, and passes them to `check`; returns length and SHA-256.
///
/// # Errors
/// An error of the system; further messages are then refused.
pub(super) fn write(
    file: &File,
    compression: Option<Compression>,
    mut pieces: PieceReceiver,
    mut check: Option<&mut PageCheck>,
) -> io::Result<StreamDigest> {
    let mut sink = OutputEncoder::new(file, compression)?;
    let mut hasher = StreamHasher::default();
    early_flush::with_early_flush(
        || file.sync_data(),
        |mut unflushed| {
            while let Some(piece) = pieces.blocking_recv() {
                if let Some(check) = &mut check {
                    check.push(&piece);
                }
                hasher.push(&piece);
                sink.write_all(&piece)?;
                if !unflushed.add(piece.len() as u64) {
                    break;
                }
            }
            sink.finish()
        },
    )?;
    Ok(hasher.finish())
}

/// Compresses on several threads, or on this one if no other can be started.
pub(super) struct Zstd<'f, F>
where
    &'f F: Write,
{
    file: &'f F,
    level: i32,
    encoder: zstd::Encoder<'static, &'f F>,
    /// Whether the encoder got any data: before that, the library has started no thread.
    has_input: bool,
}

impl<'f, F> Zstd<'f, F>
where
    &'f F: Write,
{
    fn new(file: &'f F, level: i32, workers: usize) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(file, level)?;
        encoder.include_checksum(true)?;
        encoder.multithread(u32::try_from(workers).unwrap_or(1))?;
        Ok(Self { file, level, encoder, has_input: false })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let outcome = self.encoder.write_all(bytes);
        let is_of_system = outcome.as_ref().is_err_and(|cause| cause.raw_os_error().is_some());
        if outcome.is_ok() || self.has_input || is_of_system {
            self.has_input |= !bytes.is_empty();
            return outcome;
        }
        // The library could not start its threads, and nothing was written yet. Try again on this thread; if the cause was another one, this fails, too.
        *self = Self::new(self.file, self.level, 0)?;
        self.has_input = true;
        self.encoder.write_all(bytes)
    }
}

/// Writes to a file or the like, with or without compression.
pub(super) enum OutputEncoder<'f, F>
where
    &'f F: Write,
{
    Plain(&'f F),
    Gzip(GzEncoder<&'f F>),
    Zstd(Zstd<'f, F>),
}

impl<'f, F> OutputEncoder<'f, F>
where
    &'f F: Write,
{
    /// Creates a writer; writes nothing yet.
    pub fn new(file: &'f F, compression: Option<Compression>) -> io::Result<Self> {
        Ok(match compression {
            None => Self::Plain(file),
            Some(Compression::Gzip(level)) => Self::Gzip(GzEncoder::new(file, flate2::Compression::new(level))),
            Some(Compression::Zstd(level)) => {
                let workers = thread::available_parallelism().map_or(1, |count| count.get());
                Self::Zstd(Zstd::new(file, level, workers)?)
            }
        })
    }

    /// Writes the next bytes.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Zstd(zstd) => zstd.write_all(bytes),
        }
    }

    /// Leaves the output unfinished, without the end that a decompressor expects.
    pub fn abandon(self) {
        // When dropped normally, the encoder would write that end.
        if let Self::Gzip(encoder) = self {
            std::mem::forget(encoder);
        }
    }

    /// Flushes buffers and writes the end.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(encoder) => encoder.finish().map(drop),
            Self::Zstd(zstd) => zstd.encoder.finish().map(drop),
        }
    }
}
