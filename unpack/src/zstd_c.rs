//! A zstd frame by the reference implementation, which is C.
#![cfg(not(target_arch = "wasm32"))]

use std::io::{self, BufRead, Read};

use zstd::stream::read::Decoder as Zstd;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use crate::zstd_frames::{Decoder, MAX_WINDOW};

/// One frame.
pub(crate) struct Frame<R: BufRead>(Zstd<'static, R>);

impl<R: BufRead> Decoder<R> for Frame<R> {
    fn new(packed: R) -> io::Result<Self> {
        // Without a dictionary nothing but the allocation of the decoder can fail.
        let decoder = Zstd::with_buffer(packed).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut decoder = decoder.single_frame();
        decoder.window_log_max(MAX_WINDOW.ilog2())?;
        Ok(Self(decoder))
    }

    fn into_inner(self) -> io::Result<R> {
        Ok(self.0.finish())
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<zstd::Error>());
            // The window is allocated when the first block is read. That this fails says nothing about the file.
            match cause {
                Some(cause) if cause.is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) => {
                    io::ErrorKind::OutOfMemory.into()
                }
                _ => error,
            }
        })
    }
}
