//! The keys of bucket `key`: main and sub revision, and a suffix for tombstones.
//!
//! ```text
//! ├ main i64 BE ┼ '_' ┼ sub i64 BE ┤         17 bytes: a put
//! ├ main i64 BE ┼ '_' ┼ sub i64 BE ┼ 't' ┤   18 bytes: a tombstone
//! ```
//! Source: etcd's `server/storage/mvcc/revision.go` (`RevToBytes`, `isTombstone`).

use crate::etcd::revision::Revision;
use crate::int_readers::i64_be;

/// Length of an encoded revision, in bytes.
pub const REVISION_LEN: usize = 17;

/// A main and a sub revision, which identify one operation of a transaction. etcd's source calls this pair `Revision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FullRevision {
    /// Main revision: the transaction.
    pub main: Revision,
    /// Sub revision: the operation within the transaction.
    pub sub: i64,
}

/// A key of bucket `key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevisionKey {
    /// Main and sub revision.
    pub revision: FullRevision,
    /// Whether the entry deletes its key.
    pub tombstone: bool,
}

impl RevisionKey {
    /// The key of a transaction's first operation, if that is a put.
    #[must_use]
    pub const fn first_put(main: Revision) -> Self {
        Self { revision: FullRevision { main, sub: 0 }, tombstone: false }
    }

    /// Decodes a key of bucket `key`; `None` if it is not a revision.
    #[must_use]
    #[inline]
    pub fn parse(key: &[u8]) -> Option<Self> {
        let tombstone = match (key.len(), key.get(REVISION_LEN)) {
            (17, _) => false,
            (18, Some(b't')) => true,
            _ => return None,
        };
        let revision = FullRevision { main: Revision::new(i64_be(key, 0)?), sub: i64_be(key, 9)? };
        (key.get(8) == Some(&b'_') && revision.main >= Revision::ZERO && revision.sub >= 0)
            .then_some(Self { revision, tombstone })
    }

    /// Encodes the key; returns a buffer and the number of bytes used.
    #[must_use]
    pub fn to_bytes(self) -> ([u8; 18], usize) {
        let mut bytes = [b't'; 18];
        let parts =
            self.revision.main.get().to_be_bytes().into_iter().chain([b'_']).chain(self.revision.sub.to_be_bytes());
        for (target, byte) in bytes.iter_mut().zip(parts) {
            *target = byte;
        }
        (bytes, if self.tombstone { 18 } else { 17 })
    }

    /// Encodes the key into a new vector.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        let (bytes, len) = self.to_bytes();
        bytes.get(..len).unwrap_or_default().to_vec()
    }
}

impl std::fmt::Display for FullRevision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}_{}", self.main, self.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_keys_parse_back() {
        for tombstone in [false, true] {
            let key = RevisionKey { revision: FullRevision { main: Revision::new(258), sub: 3 }, tombstone };
            let (bytes, len) = key.to_bytes();
            assert_eq!(RevisionKey::parse(&bytes[..len]), Some(key));
        }
    }

    #[test]
    fn keys_that_are_no_revisions_are_rejected() {
        let (good, _) =
            RevisionKey { revision: FullRevision { main: Revision::new(1), sub: 0 }, tombstone: true }.to_bytes();
        assert!(RevisionKey::parse(&good[..16]).is_none());
        let mut other = good;
        other[17] = b'x';
        assert!(RevisionKey::parse(&other).is_none());
        other = good;
        other[8] = b'-';
        assert!(RevisionKey::parse(&other).is_none());
        other = good;
        other[0] = 0x80;
        assert!(RevisionKey::parse(&other).is_none());
    }
}
