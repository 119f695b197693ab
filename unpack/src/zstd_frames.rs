//! A zstd file: frames and skippable frames in any order.

use std::io::{self, BufRead, Read};

use crate::error::Refusal;
use crate::zstd_decoder::{Decoder, MAX_WINDOW};
use crate::zstd_header::{self, LONGEST, Next};
use crate::{broken, refused};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::zstd_c::Frame;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::zstd_rust::Frame;

/// Reads all frames of a zstd file as one stream; skips zeros after the last, as gzip does.
pub(crate) struct Frames<R: BufRead, D: Decoder<Peeked<R>>> {
    state: State<R, D>,
}

enum State<R: BufRead, D: Decoder<Peeked<R>>> {
    Between(Peeked<R>, Option<D::Spare>),
    /// Inside a frame with a window of this many bytes.
    Inside(D, u64),
    End,
}

impl<R: BufRead, D: Decoder<Peeked<R>>> Frames<R, D> {
    /// Starts at the first frame.
    pub(crate) fn new(packed: R) -> Self {
        Self { state: State::Between(Peeked { inner: packed, ahead: Vec::new(), at: 0 }, None) }
    }

    /// Advances to the next frame with contents.
    fn advance(mut packed: Peeked<R>, spare: Option<D::Spare>) -> io::Result<State<R, D>> {
        loop {
            let head = packed.peek(LONGEST)?;
            match zstd_header::next(head) {
                Next::Frame { dictionary: 0, window } if window <= MAX_WINDOW => {
                    let decoder = D::new(packed, spare).map_err(|error| with_window(error, window))?;
                    return Ok(State::Inside(decoder, window));
                }
                Next::Frame { dictionary: 0, window } => return Err(refused(Refusal::Window(window))),
                Next::Frame { dictionary, .. } => {
                    let reason = format!("it was compressed with a dictionary (number {dictionary}), which it needs");
                    return Err(refused(Refusal::Unsupported(reason)));
                }
                Next::Cut => return Err(io::ErrorKind::UnexpectedEof.into()),
                Next::Skippable(len) => packed.skip(len)?,
                Next::Other if head.is_empty() => return Ok(State::End),
                Next::Other if head.first() == Some(&0) => {
                    if packed.skip_zeros()? {
                        return Ok(State::End);
                    }
                }
                Next::Other => return Err(broken("other data follows the end of the zstd data")),
            }
        }
    }
}

impl<R: BufRead, D: Decoder<Peeked<R>>> Read for Frames<R, D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Between(packed, spare) => Self::advance(packed, spare)?,
                State::Inside(mut decoder, window) => match decoder.read(out) {
                    Ok(0) if !out.is_empty() => {
                        let (packed, spare) = decoder.into_parts()?;
                        State::Between(packed, Some(spare))
                    }
                    Ok(count) => {
                        self.state = State::Inside(decoder, window);
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
    if error.kind() == io::ErrorKind::OutOfMemory { refused(Refusal::Memory(window)) } else { error }
}

/// A reader that can look ahead, however its buffer is filled.
pub(crate) struct Peeked<R> {
    inner: R,
    /// Bytes that were looked at; those from `at` on precede the reader's own.
    ahead: Vec<u8>,
    at: usize,
}

impl<R: BufRead> Peeked<R> {
    /// Returns the next `count` bytes, or fewer at the end.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.ahead.drain(..self.at.min(self.ahead.len()));
        self.at = 0;
        let missing = count.saturating_sub(self.ahead.len());
        self.inner.by_ref().take(missing as u64).read_to_end(&mut self.ahead)?;
        Ok(&self.ahead)
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

impl<R: BufRead> Read for Peeked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.fill_buf()?;
        let count = rest.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Peeked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.ahead.len() {
            return Ok(self.ahead.get(self.at..).unwrap_or_default());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if self.at < self.ahead.len() {
            self.at = self.at.saturating_add(count);
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
            whole(Box::new(Frames::<_, zstd_c::Frame<_>>::new(packed()))),
            whole(Box::new(Frames::<_, zstd_rust::Frame<_>>::new(packed()))),
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
    fn a_window_beyond_the_bound_and_a_dictionary_are_refused_before_memory_is_taken() {
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
