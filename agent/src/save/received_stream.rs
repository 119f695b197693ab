//! Receives the messages of a snapshot from the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap_proto::etcdserverpb::SnapshotResponse;
use tokio::task::JoinError;
use tokio::time::timeout;

use super::SaveJob;
use super::piece_queue::{self, PieceReceiver};
use super::save_config::SaveVerify;
use super::save_error::SaveError;
use crate::client::Client;
use crate::grouped_number::grouped;
use crate::progress::Stage;
use crate::sha256_stream::{StreamDigest, TRAILER_LEN};

impl SaveJob<'_> {
    /// Receives the snapshot from `client`, passes it to a writer, and compares its length and SHA-256. Also returns the storage version that the server reports.
    ///
    /// `start` gets the length of the database in bytes. The writer that it returns receives the messages on its own thread; at their end, the flag says whether
    /// everything that was announced arrived.
    ///
    /// # Errors
    /// When the stream breaks, stalls, or differs from what the server announced; those of the writer. An empty message is an error, too: otherwise a server
    /// could continue forever without sending data.
    pub(super) async fn receive<T, W>(
        &self,
        client: &mut Client,
        start: impl FnOnce(u64) -> Result<W, SaveError>,
    ) -> Result<(StreamDigest, T, String), SaveError>
    where
        T: Send + 'static,
        W: FnOnce(PieceReceiver, &AtomicBool) -> Result<(StreamDigest, T), SaveError> + Send + 'static,
    {
        let limit = self.config.stall_timeout;
        let endpoint = client.endpoint().to_owned();
        let stalled = |received| SaveError::Stalled { endpoint: endpoint.clone(), after: limit, received };
        let (first, mut stream) = timeout(limit, client.snapshot()).await.map_err(|_| stalled(0))??;
        let mut count = ByteCount::of(&endpoint, first.as_ref())?;
        let writer = start(count.total)?;
        self.progress.begin(Stage::Receive, Some(count.total));
        let (pieces, taken) = piece_queue::queue();
        let is_whole = Arc::new(AtomicBool::new(false));
        let writing = {
            let is_whole = Arc::clone(&is_whole);
            tokio::task::spawn_blocking(move || writer(taken, &is_whole))
        };
        let storage_version = first.as_ref().map(|piece| piece.version.clone()).unwrap_or_default();
        let receiving = async {
            let mut next = first;
            while let Some(piece) = next {
                count.add(&piece)?;
                self.progress.advance(piece.blob.len() as u64);
                // The writer has failed and will report why.
                if !pieces.send(piece.blob).await {
                    break;
                }
                next = match timeout(limit, stream.message()).await {
                    Ok(message) => message.map_err(|status| client.failed_after(&status, count.received))?,
                    // Everything has arrived, and the SHA-256 proves whether it is right: no need to wait for the end of the stream.
                    Err(_) if count.is_whole() => None,
                    Err(_) => return Err(stalled(count.received)),
                };
            }
            Ok::<_, SaveError>(())
        };
        let received = receiving.await;
        let counted = count.finish();
        is_whole.store(received.is_ok() && counted.is_ok(), Ordering::Release);
        drop(pieces);
        let written = writing.await.map_err(defect)?;
        received?;
        let (copied, outcome) = written?;
        counted?;
        match copied.trailer {
            Some(expected) if expected == copied.sha256 => Ok((copied, outcome, storage_version)),
            Some(_) if self.config.verify == SaveVerify::None => Ok((copied, outcome, storage_version)),
            Some(_) => Err(SaveError::Sha256 { endpoint, bytes: copied.database_len() }),
            None => Err(count.incomplete("its length is not that of a database followed by a SHA-256")),
        }
    }
}

/// Converts a panic of one of our threads.
pub(super) fn defect(cause: JoinError) -> SaveError {
    SaveError::NotVerified(crate::Error::Defect(cause.to_string()))
}

/// Checks that the messages add up to what the server announced.
struct ByteCount {
    endpoint: String,
    /// Bytes of the database, from the first message.
    total: u64,
    received: u64,
}

impl ByteCount {
    fn of(endpoint: &str, first: Option<&SnapshotResponse>) -> Result<Self, SaveError> {
        let total = first.map_or(0, |piece| piece.remaining_bytes.saturating_add(piece.blob.len() as u64));
        let count = Self { endpoint: endpoint.to_owned(), total, received: 0 };
        if first.is_none() { Err(count.incomplete("nothing was received")) } else { Ok(count) }
    }

    fn add(&mut self, piece: &SnapshotResponse) -> Result<(), SaveError> {
        if piece.blob.is_empty() {
            let reason = format!("after {} an empty message was received", self.progress_text());
            return Err(self.incomplete(&reason));
        }
        self.received = self.received.saturating_add(piece.blob.len() as u64);
        let left = self.total.saturating_sub(self.received);
        if piece.remaining_bytes != left {
            let reason =
                format!("after {} the server counts {} more", self.progress_text(), grouped(piece.remaining_bytes));
            return Err(self.incomplete(&reason));
        }
        if self.received > self.total.saturating_add(TRAILER_LEN as u64) {
            return Err(self.incomplete(&format!(
                "the server sent more than the {} bytes that it announced",
                grouped(self.total)
            )));
        }
        Ok(())
    }

    /// Formats how many of how many bytes were received.
    fn progress_text(&self) -> String {
        format!("{} of {} bytes", grouped(self.received), grouped(self.total))
    }

    /// Whether the database and its SHA-256 were received.
    fn is_whole(&self) -> bool {
        self.received == self.total.saturating_add(TRAILER_LEN as u64)
    }

    fn finish(&self) -> Result<(), SaveError> {
        if self.received < self.total {
            return Err(self.incomplete(&format!("it ended after {}", self.progress_text())));
        }
        if self.received < self.total.saturating_add(TRAILER_LEN as u64) {
            return Err(self.incomplete("it ended without its SHA-256"));
        }
        Ok(())
    }

    fn incomplete(&self, reason: &str) -> SaveError {
        SaveError::Incomplete { endpoint: self.endpoint.clone(), reason: reason.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize, remaining_bytes: u64) -> SnapshotResponse {
        SnapshotResponse { remaining_bytes, blob: vec![0; len].into(), ..SnapshotResponse::default() }
    }

    fn outcome(pieces: &[SnapshotResponse]) -> String {
        let counted = ByteCount::of("server", pieces.first()).and_then(|mut count| {
            pieces.iter().try_for_each(|piece| count.add(piece))?;
            count.finish()
        });
        counted.map_or_else(|error| error.to_string(), |()| "whole".into())
    }

    #[test]
    fn pieces_must_have_the_announced_length() {
        assert_eq!(outcome(&[piece(10, 5), piece(5, 0), piece(32, 0)]), "whole");
        assert!(outcome(&[]).contains("nothing was received"));
        assert!(outcome(&[piece(10, 5)]).contains("ended after 10 of 15 bytes"));
        assert!(outcome(&[piece(10, 5), piece(5, 0)]).contains("without its SHA-256"));
        assert!(outcome(&[piece(10, 10), piece(5, 0)]).contains("counts 0 more"));
        assert!(outcome(&[piece(10, 5), piece(5, 0), piece(32, 0), piece(32, 0)]).contains("sent more than"));
        for empty in [&[piece(0, 10)][..], &[piece(10, 5), piece(0, 5)], &[piece(10, 0), piece(32, 0), piece(0, 0)]] {
            assert!(outcome(empty).contains("an empty message"), "{}", outcome(empty));
        }
    }
}
