//! Decodes a zstd frame with a decoder in Rust, for the page.
#![cfg(any(target_arch = "wasm32", test))]

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::broken;
use crate::zstd_decoder::{Decoder, MAX_WINDOW};

/// One frame.
pub(crate) struct Frame<R: BufRead>(Box<StreamingDecoder<R, FrameDecoder>>);

impl<R: BufRead> Decoder<R> for Frame<R> {
    type Reusable = FrameDecoder;

    fn new(packed: R, reusable: Option<Self::Reusable>) -> io::Result<Self> {
        let mut decoder = reusable.unwrap_or_default();
        decoder.set_max_window_size(MAX_WINDOW);
        let frame = StreamingDecoder::new_with_decoder(packed, decoder).map_err(io::Error::other)?;
        Ok(Self(Box::new(frame)))
    }

    fn into_parts(self) -> io::Result<(R, Self::Reusable)> {
        let (packed, decoder) = self.0.into_parts();
        let (expected, actual) = (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
        if expected.is_some() && expected != actual {
            return Err(broken("the checksum of a frame is wrong"));
        }
        Ok((packed, decoder))
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
