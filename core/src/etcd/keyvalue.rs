//! Decodes `mvccpb.KeyValue` in place.
//!
//! A scan decodes millions of these messages and needs the key only to hash it, so this decoder copies nothing. prost
//! decodes all other messages. Source of the fields: etcd's `api/mvccpb/kv.proto`.

use crate::etcd::revision::Revision;
use crate::varint::varint;

/// A decoded `mvccpb.KeyValue`: a key at a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyValue<'a> {
    /// Field 1.
    pub key: &'a [u8],
    /// Field 2: main revision of the put that created the key.
    pub create_revision: Revision,
    /// Field 3: main revision of this put.
    pub mod_revision: Revision,
    /// Field 4: puts since the creation, including this one.
    pub version: i64,
    /// Field 5.
    pub value: &'a [u8],
    /// Field 6: id of the lease it is attached to, or 0.
    pub lease: i64,
}

impl<'a> KeyValue<'a> {
    /// Decodes a message; `None` if the bytes are not a valid message.
    #[must_use]
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut message = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let tag = varint(&mut rest)?;
            match tag {
                0x0a => message.key = delimited(&mut rest)?,
                0x10 => message.create_revision = Revision::new(varint(&mut rest)?.cast_signed()),
                0x18 => message.mod_revision = Revision::new(varint(&mut rest)?.cast_signed()),
                0x20 => message.version = varint(&mut rest)?.cast_signed(),
                0x2a => message.value = delimited(&mut rest)?,
                0x30 => message.lease = varint(&mut rest)?.cast_signed(),
                _ => skip_unknown(tag, &mut rest)?,
            }
        }
        Some(message)
    }

    /// Whether only the key is set, as in a tombstone.
    #[must_use]
    pub fn has_only_key(&self) -> bool {
        *self == KeyValue { key: self.key, ..KeyValue::default() }
    }
}

#[cold]
/// Skips an unknown field; a known field with a wrong wire type is an error, as in Go.
fn skip_unknown(tag: u64, rest: &mut &[u8]) -> Option<()> {
    if !(7..1 << 29).contains(&(tag >> 3)) {
        return None;
    }
    match tag & 7 {
        0 => varint(rest).map(drop),
        1 => take(rest, 8).map(drop),
        2 => delimited(rest).map(drop),
        5 => take(rest, 4).map(drop),
        _ => None,
    }
}

#[inline]
fn delimited<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(varint(rest)?).ok()?;
    take(rest, len)
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_decoded() {
        let bytes = [0x0a, 1, b'k', 0x10, 5, 0x18, 0xac, 0x02, 0x20, 3, 0x2a, 2, b'v', b'w', 0x30, 7];
        let expected = KeyValue {
            key: b"k",
            create_revision: Revision::new(5),
            mod_revision: Revision::new(300),
            version: 3,
            value: b"vw",
            lease: 7,
        };
        assert_eq!(KeyValue::parse(&bytes), Some(expected));
        assert_eq!(KeyValue::parse(&[]), Some(KeyValue::default()));
    }

    #[test]
    fn invalid_messages_are_rejected() {
        for bytes in [&[0x0a, 9, b'k'][..], &[0x08, 1], &[0x10], &[0x10, 0xff], &[0x07, 0], &[0x00, 0], &[0x2b]] {
            assert_eq!(KeyValue::parse(bytes), None, "{bytes:x?}");
        }
    }
}
