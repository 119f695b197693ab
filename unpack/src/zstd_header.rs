//! Parses the header of each part of a zstd file. Source: RFC 8878, section 3.1.
//!
//! ```text
//! frame            28 b5 2f fd │ descriptor │ window? │ dictionary id 0–4 B │ content size 0–8 B │ blocks …
//! descriptor       bits 7–6 content size │ 5 single segment │ 2 checksum │ 1–0 dictionary id
//! skippable frame  5x 2a 4d 18 │ length u32 │ anything
//! ```

/// Length of the longest header in bytes.
pub(crate) const MAX_HEADER_LEN: usize = 18;

/// The part that starts at a position of a zstd file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextPart {
    /// A frame: its window in bytes, and the dictionary that it needs.
    Frame { window: u64, dictionary: u32 },
    /// A frame with a truncated header.
    Truncated,
    /// A skippable frame of this many bytes, including its header.
    Skippable(u64),
    /// Anything else, or the end of the file.
    Other,
}

/// Parses the start of the next part from [`MAX_HEADER_LEN`] bytes, or fewer at the end.
pub(crate) fn next(bytes: &[u8]) -> NextPart {
    match bytes {
        [0x28, 0xb5, 0x2f, 0xfd, rest @ ..] => frame(rest).unwrap_or(NextPart::Truncated),
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, rest @ ..] => match number(rest, 4) {
            Some((len, _)) => NextPart::Skippable(len.saturating_add(8)),
            None => NextPart::Truncated,
        },
        _ => NextPart::Other,
    }
}

fn frame(bytes: &[u8]) -> Option<NextPart> {
    let (descriptor, rest) = bytes.split_first()?;
    let single_segment = descriptor & 0x20 != 0;
    let (window, rest) = if single_segment {
        (None, rest)
    } else {
        let (window, rest) = rest.split_first()?;
        let base = 1u64 << (10 + u32::from(window >> 3));
        (Some(base.saturating_add((base >> 3).saturating_mul(u64::from(window & 7)))), rest)
    };
    let (dictionary, rest) = number(rest, [0, 1, 2, 4].get(usize::from(descriptor & 3)).copied()?)?;
    // Without a window descriptor the frame is a single segment, and its window is its content size.
    let window = match window {
        Some(window) => window,
        None => {
            let size = [1, 2, 4, 8].get(usize::from(descriptor >> 6)).copied()?;
            let (content, _) = number(rest, size)?;
            if size == 2 { content.saturating_add(256) } else { content }
        }
    };
    Some(NextPart::Frame { window, dictionary: u32::try_from(dictionary).ok()? })
}

/// Splits off a little-endian number of this many bytes.
fn number(bytes: &[u8], len: usize) -> Option<(u64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(len)?;
    Some((digits.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishes_headers() {
        let frame = |window, dictionary| NextPart::Frame { window, dictionary };
        let cases: &[(&[u8], NextPart)] = &[
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58], frame(2 << 20, 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8], frame(1 << 31, 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x8b], frame((1 << 27) + 3 * (1 << 24), 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x05], frame(5, 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x01, 0x01], frame(257 + 256, 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8], frame(0x0807_0605_0403_0201, 0)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x03, 0x58, 0x78, 0x56, 0x34, 0x12], frame(2 << 20, 0x1234_5678)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x07, 0x05], frame(5, 7)),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0x03, 0x58, 0x78], NextPart::Truncated),
            (&[0x28, 0xb5, 0x2f, 0xfd], NextPart::Truncated),
            (&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 9], NextPart::Skippable(12)),
            (&[0x5f, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0xff], NextPart::Skippable((1 << 32) + 7)),
            (&[0x50, 0x2a, 0x4d, 0x18, 4, 0], NextPart::Truncated),
            (&[0x1f, 0x8b], NextPart::Other),
            (&[], NextPart::Other),
        ];
        for (bytes, expected) in cases {
            assert_eq!(next(bytes), *expected, "{bytes:x?}");
        }
    }
}
