//! Decodes percent escapes in URLs.

/// Decodes percent escapes; `None` if one is invalid.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|digit| digit != b'+'))?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Some(bytes)
}
