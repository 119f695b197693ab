//! Decodes a zstd frame with the reference implementation, which is in C.
#![cfg(not(target_arch = "wasm32"))]

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder as Context, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use crate::broken;
use crate::zstd_decoder::{Decoder, MAX_WINDOW};

/// Bytes that the library wants first: the start of a frame's header.
const FIRST_WANTED: usize = 5;

/// One frame.
pub(crate) struct Frame<R> {
    packed: R,
    context: Context<'static>,
    /// Whether a byte was output. Before that, the library gets space for only one byte. With space for the whole
    /// contents of a frame, it would decode the frame in another way, which treats some damage differently, so that the
    /// result would depend on how much the caller requests at once.
    has_output: bool,
    /// How many bytes the library wants next: the rest of a block and the header of the next one. It gets no more. If it meets damage, it does not tell
    /// how much it has output in that call; so a call must not output one block and begin to decode the next.
    wanted: usize,
    /// Whether the library may hold more output, because it filled all space in the last call. It gets no input until it has output everything.
    may_hold_output: bool,
    ended: bool,
}

impl<R: BufRead> Decoder<R> for Frame<R> {
    type Reusable = Context<'static>;

    fn new(packed: R, reusable: Option<Self::Reusable>) -> io::Result<Self> {
        let context = match reusable {
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
        Ok(Self { packed, context, has_output: false, wanted: FIRST_WANTED, may_hold_output: false, ended: false })
    }

    fn into_parts(self) -> io::Result<(R, Self::Reusable)> {
        Ok((self.packed, self.context))
    }
}

impl<R: BufRead> Read for Frame<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let bytes = self.packed.fill_buf()?;
            let space = if self.has_output { out.len() } else { out.len().min(1) };
            let space = out.get_mut(..space).unwrap_or_default();
            let (space_len, was_full) = (space.len(), self.may_hold_output);
            let offered = if was_full { 0 } else { bytes.len().min(self.wanted) };
            let mut input = InBuffer::around(bytes.get(..offered).unwrap_or_default());
            let mut output = OutBuffer::around(space);
            // 0 if the frame has ended and all of it was output.
            let wanted = self.context.run(&mut input, &mut output).map_err(translate_error)?;
            let (nothing_left, read, written) = (bytes.is_empty() && !was_full, input.pos(), output.pos());
            self.packed.consume(read);
            self.has_output |= written > 0;
            self.may_hold_output = written > 0 && written == space_len;
            self.wanted = wanted;
            self.ended = wanted == 0;
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

/// Translates an error of the library. It allocates the window when it reads the first block, and may lack memory even
/// if the file is intact. If a block holds more than its frame claims, the library reports that some buffer is too
/// small.
fn translate_error(error: io::Error) -> io::Error {
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
