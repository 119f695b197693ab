//! Decodes a zstd frame with the reference implementation, which is in C.
#![cfg(not(target_arch = "wasm32"))]

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder as Context, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use crate::broken;
use crate::zstd_decoder::{Decoder, MAX_WINDOW};

/// One frame.
pub(crate) struct Frame<R> {
    packed: R,
    context: Context<'static>,
    /// Whether a byte was output. Until then the library gets space for only one: with space for everything that a frame claims to hold, it decodes the frame in another way, which
    /// treats some damage differently, so that the result would depend on how much the caller requests at once.
    begun: bool,
    ended: bool,
}

impl<R: BufRead> Decoder<R> for Frame<R> {
    type Spare = Context<'static>;

    fn new(packed: R, spare: Option<Self::Spare>) -> io::Result<Self> {
        let context = match spare {
            Some(mut context) => {
                context.reinit()?;
                context
            }
            None => {
                // Without a dictionary only the allocation of the decoder can fail.
                let context = Context::new().map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory));
                let mut context = context?;
                context.set_parameter(DParameter::WindowLogMax(MAX_WINDOW.ilog2()))?;
                context
            }
        };
        Ok(Self { packed, context, begun: false, ended: false })
    }

    fn into_parts(self) -> io::Result<(R, Self::Spare)> {
        Ok((self.packed, self.context))
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let bytes = self.packed.fill_buf()?;
            let room = if self.begun { out.len() } else { out.len().min(1) };
            let room = out.get_mut(..room).unwrap_or_default();
            let (mut input, mut output) = (InBuffer::around(bytes), OutBuffer::around(room));
            // 0 at the end of the frame, once all of it was output.
            let missing = self.context.run(&mut input, &mut output).map_err(told)?;
            let (nothing_left, read, written) = (bytes.is_empty(), input.pos(), output.pos());
            self.packed.consume(read);
            self.begun |= written > 0;
            self.ended = missing == 0;
            if written > 0 || out.is_empty() {
                return Ok(written);
            }
            if nothing_left && !self.ended {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(0)
    }
}

/// Translates an error of the library. The library allocates the window when it reads the first block; a failure to do so says nothing about the file. A block that holds more than its frame claims finds
/// no space in a buffer of ours or of the library's, depending on how much is requested at once.
fn told(error: io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<zstd::Error>());
    let is = |code| cause.is_some_and(|cause| cause.is(code));
    if is(ZSTD_ErrorCode::ZSTD_error_memory_allocation) {
        io::ErrorKind::OutOfMemory.into()
    } else if is(ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) {
        broken("a block in it holds more than its frame says")
    } else {
        error
    }
}
