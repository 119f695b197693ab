//! Text form of keys: how the terminal and the page print them, and how a person types them.

pub use crate::secret_keys::is_secret;

/// Escapes every character that [`is_unprintable`], as Rust and JavaScript write it: `\u{9b}`.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unprintable(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Whether a character has an invisible effect on a terminal or on the text around it: controls (C0, DEL, C1), line and
/// paragraph separators, Unicode's format characters (category Cf: bidirectional controls, zero-width characters,
/// tags), and letters and marks that are invisible by definition (`Default_Ignorable_Code_Point`).
///
/// The variation selectors U+FE00 to U+FE0F are printable: they belong to many emoji and change nothing else. Source:
/// Unicode 16.
#[must_use]
pub fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Formats a key: unchanged, or in quotes with escapes if a shell, a terminal or a person could misread it.
#[must_use]
pub fn key_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(text) => text.to_owned(),
        _ => {
            // An escaped control character takes four times its length, and a string that grows by doubling could take
            // twice that, so exactly the needed memory is reserved.
            let len = bytes.iter().map(|byte| std::ascii::escape_default(*byte).len()).sum::<usize>();
            let mut text = String::with_capacity(len.saturating_add(2));
            text.push('"');
            text.extend(bytes.escape_ascii().map(char::from));
            text.push('"');
            text
        }
    }
}

fn is_plain(text: &str) -> bool {
    let needs_escape = |sign: char| is_unprintable(sign) || sign.is_whitespace() || matches!(sign, '"' | '\'' | '\\');
    !text.is_empty() && !text.contains(needs_escape)
}

/// Parses a key as a person types it: unchanged, or in quotes with the escapes that [`key_text`] writes (`\n`, `\r`,
/// `\t`, `\\`, `\'`, `\"`, `\xNN`). `None` for other escapes.
#[must_use]
pub fn key_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unescape(quoted.as_bytes()),
        None => Some(text.as_bytes().to_vec()),
    }
}

fn unescape(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some((first, rest)) = text.split_first() {
        text = rest;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, rest) = text.split_first()?;
        text = rest;
        bytes.push(match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => *kind,
            b'x' => {
                let (digits, rest) = text.split_at_checked(2)?;
                text = rest;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("schön \u{202e}"), "schön \\u{202e}");
        assert_eq!(printable("\r\u{7f}\u{9b}"), "\\r\\u{7f}\\u{9b}");
        for hidden in
            ['\u{85}', '\u{61c}', '\u{200b}', '\u{200d}', '\u{2029}', '\u{2060}', '\u{2067}', '\u{feff}', '\u{e0041}']
        {
            assert_eq!(printable(&hidden.to_string()), hidden.escape_default().to_string());
            assert!(key_text(hidden.to_string().as_bytes()).is_ascii());
        }
        let plain = "a b\u{a0}é 日本 ❤\u{fe0f} \u{301}";
        assert_eq!(printable(plain), plain);
    }

    #[test]
    fn formatted_keys_parse_back_unchanged() {
        for key in
            [&b"/registry/pods/default/web"[..], b"", b"a b", b"\xff\x00'\"\\\n", "schön".as_bytes(), b"\"quoted\""]
        {
            assert_eq!(key_bytes(&key_text(key)).as_deref(), Some(key));
        }
        assert_eq!(key_text(b"/a"), "/a");
        assert_eq!(key_bytes("\"\\q\""), None);
    }
}
