//! Records the read errors of the compressed input, because decoders wrap them in their own errors, or replace them.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use crate::error::{CarriedError, UnpackError};

/// A reader that records the result of its last read.
pub(crate) struct RecordingInput<R> {
    reader: R,
    state: Rc<RefCell<ReadState>>,
}

#[derive(Default)]
struct ReadState {
    failed: Option<io::Error>,
    /// Whether the last read reached the end.
    ended: bool,
}

/// The recorded result of the last read, which explains a decoder's error.
pub(crate) struct LastRead(Rc<RefCell<ReadState>>);

impl<R> RecordingInput<R> {
    pub(crate) fn new(reader: R) -> (Self, LastRead) {
        let state = Rc::new(RefCell::default());
        (Self { reader, state: Rc::clone(&state) }, LastRead(state))
    }

    fn record_error<T>(&self, result: io::Result<T>) -> io::Result<T> {
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

impl<R: Read> Read for RecordingInput<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let result = self.reader.read(out);
        let count = self.record_error(result)?;
        self.state.borrow_mut().ended = count == 0 && !out.is_empty();
        Ok(count)
    }
}

impl<R: Seek> Seek for RecordingInput<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let result = self.reader.seek(to);
        self.record_error(result)
    }
}

impl LastRead {
    /// Translates a decoder's error: into the recorded read error if a read failed.
    pub(crate) fn explain(&self, error: io::Error) -> UnpackError {
        let mut state = self.0.borrow_mut();
        if let Some(failed) = state.failed.take() {
            return UnpackError::Input(failed);
        }
        if let Some(carried) = error.get_ref().and_then(|inner| inner.downcast_ref::<CarriedError>()) {
            return carried.clone().into();
        }
        if state.ended || error.kind() == io::ErrorKind::UnexpectedEof {
            return UnpackError::Broken("it ends too early".into());
        }
        UnpackError::Broken(error.to_string())
    }
}
