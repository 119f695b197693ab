//! Computes the SHA-256 of a snapshot while it is streamed.

use std::mem;

use sha2::{Digest, Sha256};

/// Bytes of the SHA-256 after a database.
pub(crate) const TRAILER_LEN: usize = 32;

/// The length of a stream, and the SHA-256 of its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamDigest {
    /// Bytes, including the trailer.
    pub len: u64,
    /// The SHA-256 after the database, if the length shows that there is one.
    pub trailer: Option<[u8; TRAILER_LEN]>,
    /// The computed SHA-256 of the database.
    pub sha256: [u8; TRAILER_LEN],
}

impl StreamDigest {
    /// Returns the number of bytes without the trailer.
    pub fn database_len(&self) -> u64 {
        if self.trailer.is_some() { self.len.saturating_sub(TRAILER_LEN as u64) } else { self.len }
    }
}

/// Hashes a stream except for its last 32 bytes, which may be the trailer.
#[derive(Default)]
pub(crate) struct StreamHasher {
    sha256: Sha256,
    held: Vec<u8>,
    len: u64,
}

impl StreamHasher {
    /// Hashes the next bytes.
    pub fn push(&mut self, block: &[u8]) {
        self.len = self.len.saturating_add(block.len() as u64);
        let keep = block.len().min(TRAILER_LEN);
        let (body, tail) = block.split_at(block.len().saturating_sub(keep));
        let gone = self.held.len().saturating_add(keep).saturating_sub(TRAILER_LEN).min(self.held.len());
        // A block shorter than the trailer releases only as many bytes as it adds.
        let settled: Vec<u8> =
            if body.is_empty() { self.held.drain(..gone).collect() } else { mem::take(&mut self.held) };
        self.sha256.update(&settled);
        self.sha256.update(body);
        self.held.extend_from_slice(tail);
    }

    /// Returns length and hash of the stream.
    pub fn finish(mut self) -> StreamDigest {
        let trailer = (self.len % 512 == TRAILER_LEN as u64).then(|| self.held.as_slice().try_into().ok()).flatten();
        if trailer.is_none() {
            self.sha256.update(&self.held);
        }
        StreamDigest { len: self.len, trailer, sha256: self.sha256.finalize().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_32_bytes_are_held_back_for_any_block_lengths() {
        let database = vec![7_u8; 4096];
        let sum: [u8; 32] = Sha256::digest(&database).into();
        let file = [database.clone(), sum.to_vec()].concat();
        for size in [1, 5, 31, 32, 33, 100, 4096, 5000] {
            let mut hasher = StreamHasher::default();
            file.chunks(size).for_each(|block| hasher.push(block));
            let copied = hasher.finish();
            assert_eq!((copied.trailer, copied.sha256, copied.database_len()), (Some(sum), sum, 4096), "{size}");
            let mut hasher = StreamHasher::default();
            database.chunks(size).for_each(|block| hasher.push(block));
            let copied = hasher.finish();
            assert_eq!((copied.trailer, copied.sha256, copied.database_len()), (None, sum, 4096), "{size}");
        }
    }
}
