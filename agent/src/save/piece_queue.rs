//! A queue for the messages of a snapshot between network and disk. It is bounded by bytes, because a server chooses the length of a message.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};

/// Bytes in flight, plus the last message.
const MAX_BYTES: u32 = 8 << 20;

/// Messages in flight. Servers send 32 KiB each; tiny ones must not cost more memory than they contain.
const MAX_PIECES: usize = 512;

/// The sending end, for the network.
pub(super) struct PieceSender {
    pieces: mpsc::Sender<(Bytes, u32)>,
    free_bytes: Arc<Semaphore>,
}

/// The receiving end, for a thread.
pub(super) struct PieceReceiver {
    pieces: mpsc::Receiver<(Bytes, u32)>,
    free_bytes: Arc<Semaphore>,
}

/// Creates a queue.
pub(super) fn queue() -> (PieceSender, PieceReceiver) {
    let (sender, receiver) = mpsc::channel(MAX_PIECES);
    let free_bytes = Arc::new(Semaphore::new(MAX_BYTES as usize));
    (
        PieceSender { pieces: sender, free_bytes: Arc::clone(&free_bytes) },
        PieceReceiver { pieces: receiver, free_bytes },
    )
}

impl PieceSender {
    /// Waits until there is room, then sends a message. Returns false if the receiver is gone.
    pub async fn send(&self, piece: Bytes) -> bool {
        let share = u32::try_from(piece.len()).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        let free_bytes = tokio::select! {
            free_bytes = self.free_bytes.acquire_many(share) => free_bytes,
            () = self.pieces.closed() => return false,
        };
        // The permit is returned when the message is received.
        let Ok(free_bytes) = free_bytes else { return false };
        free_bytes.forget();
        self.pieces.send((piece, share)).await.is_ok()
    }
}

impl PieceReceiver {
    /// Returns the next message; `None` at the end. It blocks, so asynchronous code must not call it.
    pub fn blocking_recv(&mut self) -> Option<Bytes> {
        let (piece, share) = self.pieces.blocking_recv()?;
        self.free_bytes.add_permits(share as usize);
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const WAIT: Duration = Duration::from_millis(50);

    fn piece(bytes: usize) -> Bytes {
        vec![0; bytes].into()
    }

    #[tokio::test]
    async fn the_bytes_in_flight_are_limited() {
        let (sender, mut receiver) = queue();
        let half = MAX_BYTES as usize / 2;
        assert!(sender.send(piece(half)).await && sender.send(piece(half)).await);
        assert!(timeout(WAIT, sender.send(piece(1))).await.is_err(), "it waits for room");
        let taken = tokio::task::spawn_blocking(move || receiver.blocking_recv().map(|piece| (receiver, piece.len())));
        let (receiver, length) = taken.await.unwrap().unwrap();
        assert_eq!(length, half);
        assert!(timeout(WAIT, sender.send(piece(1))).await.unwrap());
        drop(receiver);
        assert!(!timeout(WAIT, sender.send(piece(half))).await.unwrap(), "nobody takes it");
    }

    #[tokio::test]
    async fn a_piece_above_the_limit_is_sent_alone() {
        let (sender, _receiver) = queue();
        assert!(timeout(WAIT, sender.send(piece(2 * MAX_BYTES as usize))).await.unwrap());
        assert!(timeout(WAIT, sender.send(piece(1))).await.is_err());
    }
}
