//! A zstd frame by the reference implementation, which is C.
#![cfg(not(target_arch = "wasm32"))]

use std::io::{self, BufRead, Read};

use zstd::stream::read::Decoder as Zstd;

use crate::zstd_frames::{Decoder, MAX_WINDOW};

/// One frame.
pub(crate) struct Frame<R: BufRead>(Zstd<'static, R>);

impl<R: BufRead> Decoder<R> for Frame<R> {
    fn new(packed: R) -> io::Result<Self> {
        let mut decoder = Zstd::with_buffer(packed)?.single_frame();
        decoder.window_log_max(MAX_WINDOW.ilog2())?;
        Ok(Self(decoder))
    }

    fn into_inner(self) -> io::Result<R> {
        Ok(self.0.finish())
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}
