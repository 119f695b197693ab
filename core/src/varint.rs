//! Decodes protobuf varints: seven bits per byte, the lowest first, up to 64 bits.

/// Takes a varint from the front of `rest`; `None` if the bytes end within it or it has more than 64 bits.
#[inline]
pub(crate) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (first, tail) = rest.split_first()?;
    if *first < 0x80 {
        *rest = tail;
        return Some(u64::from(*first));
    }
    let mut value = u64::from(first & 0x7f);
    let mut bytes = tail;
    for shift in [7u32, 14, 21, 28, 35, 42, 49, 56, 63] {
        let (byte, tail) = bytes.split_first()?;
        bytes = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            *rest = bytes;
            // The tenth byte holds only the topmost bit.
            return (shift < 63 || *byte < 2).then_some(value);
        }
    }
    None
}
