//! Reads a zstd file: frames and skippable frames in any order.

use std::io::{self, BufRead, Read};

use crate::error::CarriedError;
use crate::zstd_decoder::{Decoder, MAX_WINDOW};
use crate::zstd_header::{self, MAX_HEADER_LEN, NextPart};
use crate::{broken, carried_error};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::zstd_c::Frame;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::zstd_rust::Frame;

/// Reads all frames of a zstd file as one stream. Skips zeros after the last frame, as for gzip.
pub(crate) struct ZstdFrames<R: BufRead, D: Decoder<PeekReader<R>>> {
    state: State<R, D>,
}

enum State<R: BufRead, D: Decoder<PeekReader<R>>> {
    BetweenFrames(PeekReader<R>, Option<D::Reusable>),
    /// In a frame with a window of this many bytes.
    InFrame(D, u64),
    End,
}

impl<R: BufRead, D: Decoder<PeekReader<R>>> ZstdFrames<R, D> {
    /// Starts at the first frame.
    pub(crate) fn new(packed: R) -> Self {
        Self { state: State::BetweenFrames(PeekReader { inner: packed, peeked: Vec::new(), next_peeked: 0 }, None) }
    }

    /// Advances to the next frame with contents.
    fn advance(mut packed: PeekReader<R>, reusable: Option<D::Reusable>) -> io::Result<State<R, D>> {
        loop {
            let head = packed.peek(MAX_HEADER_LEN)?;
            match zstd_header::next(head) {
                NextPart::Frame { dictionary: 0, window } if window <= MAX_WINDOW => {
                    let decoder = D::new(packed, reusable).map_err(|error| with_window(error, window))?;
                    return Ok(State::InFrame(decoder, window));
                }
                NextPart::Frame { dictionary: 0, window } => return Err(carried_error(CarriedError::Window(window))),
                NextPart::Frame { dictionary, .. } => {
                    let reason = format!("it was compressed with a dictionary (number {dictionary}), which it needs");
                    return Err(carried_error(CarriedError::Unsupported(reason)));
                }
                NextPart::Truncated => return Err(io::ErrorKind::UnexpectedEof.into()),
                NextPart::Skippable(len) => packed.skip(len)?,
                NextPart::Other if head.is_empty() => return Ok(State::End),
                NextPart::Other if head.first() == Some(&0) => {
                    if packed.skip_zeros()? {
                        return Ok(State::End);
                    }
                }
                NextPart::Other => return Err(broken("other data follows the end of the zstd data")),
            }
        }
    }
}

impl<R: BufRead, D: Decoder<PeekReader<R>>> Read for ZstdFrames<R, D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::BetweenFrames(packed, reusable) => Self::advance(packed, reusable)?,
                State::InFrame(mut decoder, window) => match decoder.read(out) {
                    Ok(0) if !out.is_empty() => {
                        let (packed, reusable) = decoder.into_parts()?;
                        State::BetweenFrames(packed, Some(reusable))
                    }
                    Ok(count) => {
                        self.state = State::InFrame(decoder, window);
                        return Ok(count);
                    }
                    Err(error) => return Err(with_window(error, window)),
                },
            };
        }
    }
}

/// Adds the window's size to a decoder's out-of-memory error.
fn with_window(error: io::Error, window: u64) -> io::Error {
    if error.kind() == io::ErrorKind::OutOfMemory { carried_error(CarriedError::Memory(window)) } else { error }
}

/// A reader that can look ahead any number of bytes, regardless of the size of its buffer.
pub(crate) struct PeekReader<R> {
    inner: R,
    /// Bytes that were read ahead; those from `next_peeked` on come before the next bytes of `inner`.
    peeked: Vec<u8>,
    next_peeked: usize,
}

impl<R: BufRead> PeekReader<R> {
    /// Returns the next `count` bytes, or fewer at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.peeked.drain(..self.next_peeked.min(self.peeked.len()));
        self.next_peeked = 0;
        let missing = count.saturating_sub(self.peeked.len());
        self.inner.by_ref().take(missing as u64).read_to_end(&mut self.peeked)?;
        Ok(&self.peeked)
    }

    fn skip(&mut self, len: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.by_ref().take(len), &mut io::sink())?;
        if skipped < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Skips zeros; returns whether nothing else follows.
    fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let buffer = self.fill_buf()?;
            let (len, zeros) = (buffer.len(), buffer.iter().take_while(|byte| **byte == 0).count());
            self.consume(zeros);
            if len == 0 || zeros < len {
                return Ok(len == 0);
            }
        }
    }
}

impl<R: BufRead> Read for PeekReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.fill_buf()?;
        let count = rest.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for PeekReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.next_peeked < self.peeked.len() {
            return Ok(self.peeked.get(self.next_peeked..).unwrap_or_default());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if self.next_peeked < self.peeked.len() {
            self.next_peeked = self.next_peeked.saturating_add(count);
        } else {
            self.inner.consume(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zstd_c;
    use crate::zstd_rust;

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn skippable(bytes: &[u8]) -> Vec<u8> {
        let head = [&[0x5a, 0x2a, 0x4d, 0x18][..], &u32::try_from(bytes.len()).unwrap().to_le_bytes()];
        [&head.concat(), bytes].concat()
    }

    /// Unpacks a file with both decoders, a few bytes at a time.
    fn read(file: &[u8]) -> [Result<Vec<u8>, String>; 2] {
        let packed = || io::BufReader::with_capacity(7, file);
        let whole = |mut reader: Box<dyn Read + '_>| {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
        };
        [
            whole(Box::new(ZstdFrames::<_, zstd_c::Frame<_>>::new(packed()))),
            whole(Box::new(ZstdFrames::<_, zstd_rust::Frame<_>>::new(packed()))),
        ]
    }

    #[test]
    fn frames_and_skippable_frames_follow_each_other_in_any_order() {
        let long = vec![7; 300_000];
        let (one, two) = (frame(&long), frame(b"two"));
        let files = [
            one.clone(),
            [skippable(b"pzstd"), one.clone()].concat(),
            [one.clone(), skippable(&vec![1; 5000])].concat(),
            [skippable(b""), one.clone(), skippable(b"between"), frame(b""), vec![0; 1000]].concat(),
        ];
        for (number, file) in files.iter().enumerate() {
            for bytes in read(file) {
                assert!(bytes.unwrap() == long, "{number}");
            }
        }
        for bytes in read(&[one, skippable(b"x"), two].concat()) {
            assert!(bytes.unwrap() == [&long[..], b"two"].concat());
        }
        assert!(read(&skippable(b"nothing else")).iter().all(|bytes| bytes == &Ok(Vec::new())));
    }

    #[test]
    fn truncated_and_changed_files_are_errors() {
        let whole = frame(b"a snapshot, or so");
        let mut changed = whole.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        let files = [
            whole[..whole.len() - 1].to_vec(),
            whole[..5].to_vec(),
            skippable(b"long enough")[..12].to_vec(),
            [&whole[..], b"more"].concat(),
            [&whole[..], b"\0\0more"].concat(),
            changed,
        ];
        for (number, file) in files.iter().enumerate() {
            assert!(read(file).iter().all(Result::is_err), "{number}");
        }
    }

    #[test]
    fn large_windows_and_dictionaries_are_refused_before_memory_is_allocated() {
        let large = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        for error in read(&large) {
            assert_eq!(error.unwrap_err(), "it needs a window of 2048 MiB");
        }
        let with_dictionary = [0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x05, 0, 0, 0];
        for error in read(&with_dictionary) {
            assert!(error.unwrap_err().contains("dictionary (number 7)"));
        }
    }
}
