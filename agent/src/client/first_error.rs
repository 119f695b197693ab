//! Records why a connection broke, and when the server last sent anything.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::handshake_facts::HandshakeFacts;

/// A stream of bytes in both directions: TCP, a Unix socket, or TLS over one of them.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> ByteStream for T {}

/// A record of a connection: its first error, the time when something was last received, and its TLS handshake.
#[derive(Debug, Clone)]
pub(super) struct ConnectionRecord {
    error: Arc<Mutex<Option<Arc<io::Error>>>>,
    /// The time when something was last received; `None` before the first byte. The end of the stream counts, too.
    last_received: watch::Sender<Option<Instant>>,
    /// Facts about its TLS handshake.
    pub facts: HandshakeFacts,
}

impl Default for ConnectionRecord {
    fn default() -> Self {
        Self { error: Arc::default(), last_received: watch::Sender::new(None), facts: HandshakeFacts::default() }
    }
}

impl ConnectionRecord {
    /// Returns the first error, if there was one.
    pub fn first(&self) -> Option<Arc<io::Error>> {
        self.error.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Waits until the server has sent something, or the connection has ended.
    pub async fn wait_for_first_byte(&self) {
        // The sender lives as long as this record, so waiting cannot fail.
        let _ = self.last_received.subscribe().wait_for(Option::is_some).await;
    }

    /// Returns how long the server has been silent; `None` if it never sent anything.
    pub fn silence(&self) -> Option<Duration> {
        self.last_received.borrow().map(|last| last.elapsed())
    }

    /// Records the first error, and returns one of the same kind for the caller.
    fn note_error(&self, error: io::Error) -> io::Error {
        let same = io::Error::new(error.kind(), error.to_string());
        self.error.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(Arc::new(error));
        self.note_received();
        same
    }

    fn note_received(&self) {
        self.last_received.send_replace(Some(Instant::now()));
    }
}

/// A connection that records its first error.
pub(super) struct RecordedConnection {
    stream: Pin<Box<dyn ByteStream>>,
    /// Bytes that were already read.
    early: Vec<u8>,
    record: ConnectionRecord,
}

impl RecordedConnection {
    /// Wraps `stream`, from which `early` was already read; records errors in `record`.
    pub fn new(stream: Pin<Box<dyn ByteStream>>, early: Vec<u8>, record: &ConnectionRecord) -> Self {
        Self { stream, early, record: record.clone() }
    }
}

impl AsyncRead for RecordedConnection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            self.record.note_received();
            let length = self.early.len().min(out.remaining());
            out.put_slice(&self.early[..length]);
            self.early.drain(..length);
            return Poll::Ready(Ok(()));
        }
        let before = out.filled().len();
        let read = ready!(self.stream.as_mut().poll_read(context, out));
        if read.is_ok() && out.filled().len() == before && out.remaining() > 0 {
            // HTTP/2 announces the end of a connection; an end without that is an error.
            self.record.note_error(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it"));
        }
        self.record.note_received();
        Poll::Ready(read.map_err(|error| self.record.note_error(error)))
    }
}

impl AsyncWrite for RecordedConnection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = ready!(self.stream.as_mut().poll_write(context, bytes));
        Poll::Ready(wrote.map_err(|error| self.record.note_error(error)))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = ready!(self.stream.as_mut().poll_write_vectored(context, parts));
        Poll::Ready(wrote.map_err(|error| self.record.note_error(error)))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(context)
    }
}
