//! The compressed input, which remembers read errors: decoders wrap errors in their own, or replace them.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use crate::error::{Refusal, UnpackError};

/// A reader that remembers the result of its last read.
pub(crate) struct Input<R> {
    reader: R,
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    failed: Option<io::Error>,
    /// Whether the last read reached the end.
    ended: bool,
}

/// The remembered result, to interpret a decoder's error.
pub(crate) struct Outcome(Rc<RefCell<State>>);

impl<R> Input<R> {
    pub(crate) fn new(reader: R) -> (Self, Outcome) {
        let state = Rc::new(RefCell::default());
        (Self { reader, state: Rc::clone(&state) }, Outcome(state))
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let kind = error.kind();
                self.state.borrow_mut().failed = Some(error);
                return io::Error::from(kind);
            }
            error
        })
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(out);
        let count = self.note(result)?;
        self.state.borrow_mut().ended = count == 0 && !out.is_empty();
        Ok(count)
    }
}

impl<R: Seek> Seek for Input<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.reader.seek(to);
        self.note(result)
    }
}

impl Outcome {
    /// Translates a decoder's error.
    pub(crate) fn explain(&self, error: io::Error) -> UnpackError {
        let mut state = self.0.borrow_mut();
        if let Some(failed) = state.failed.take() {
            return UnpackError::Input(failed);
        }
        if let Some(refusal) = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()) {
            return refusal.clone().into();
        }
        if state.ended || error.kind() == io::ErrorKind::UnexpectedEof {
            return UnpackError::Broken("it ends too early".into());
        }
        UnpackError::Broken(error.to_string())
    }
}
