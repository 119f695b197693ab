//! A zstd frame by a decoder in Rust, which the page has.
#![cfg(any(target_arch = "wasm32", test))]

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::broken;
use crate::zstd_frames::{Decoder, MAX_WINDOW};

/// One frame.
pub(crate) struct Frame<R: BufRead>(Box<StreamingDecoder<R, FrameDecoder>>);

impl<R: BufRead> Decoder<R> for Frame<R> {
    fn new(packed: R) -> io::Result<Self> {
        let decoder = StreamingDecoder::new_with_max_window_size(packed, MAX_WINDOW).map_err(io::Error::other)?;
        Ok(Self(Box::new(decoder)))
    }

    fn into_inner(self) -> io::Result<R> {
        let (packed, decoder) = self.0.into_parts();
        let (expected, actual) = (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
        if expected.is_some() && expected != actual {
            return Err(broken("the checksum of a frame is wrong"));
        }
        Ok(packed)
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
