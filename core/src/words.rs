//! Keys in words: as a terminal and the page print them, and as a person types them back.

/// Whether the value under a key is a secret of Kubernetes, to be shown only on request.
///
/// Kubernetes keeps them below `/registry/secrets/`, where `/registry` is `--etcd-prefix` of kube-apiserver: `/kubernetes.io` with OpenShift, and sometimes of two parts, as
/// where several clusters share an etcd. So the second part of the name is `secrets`, or the third one where the first is not `registry`, below which a third part is a
/// namespace. Elsewhere what lies in a namespace `secrets` is taken for secrets, too: that hides too much rather than too little.
#[must_use]
pub fn is_secret(key: &[u8]) -> bool {
    let Some(path) = key.strip_prefix(b"/") else { return false };
    let mut parts = path.split(|byte| *byte == b'/');
    let [first, second, third, fourth] = std::array::from_fn(|_| parts.next());
    let secrets = Some(&b"secrets"[..]);
    (second == secrets && third.is_some()) || (first != Some(b"registry") && third == secrets && fourth.is_some())
}

/// A text without what would move a terminal or reorder the words around it: such characters are escaped.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    safe
}

/// Controls, and the characters that reorder the text around them.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A key as it is; in quotes with escapes when a shell, a terminal or a person could take it for something else.
#[must_use]
pub fn key_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(text) => text.to_owned(),
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}

fn is_plain(text: &str) -> bool {
    let odd = |sign: char| is_unsafe(sign) || sign.is_whitespace() || matches!(sign, '"' | '\'' | '\\');
    !text.is_empty() && !text.contains(odd)
}

/// A key as it was typed: as it is, or in quotes with the escapes that [`key_text`] writes (`\n`, `\r`, `\t`, `\\`, `\'`, `\"`, `\xNN`); none for other escapes.
#[must_use]
pub fn key_bytes(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => unescaped(quoted.as_bytes()),
        None => Some(text.as_bytes().to_vec()),
    }
}

fn unescaped(mut text: &[u8]) -> Option<Vec<u8>> {
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
    fn escapes_what_moves_a_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(printable("schön \u{202e}"), "schön \\u{202e}");
    }

    #[test]
    fn secrets_are_known_under_any_prefix() {
        for key in [
            "/registry/secrets/",
            "/registry/secrets/default/token",
            "/kubernetes.io/secrets/openshift/pull",
            "/clusters/a/secrets/default/token",
        ] {
            assert!(is_secret(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "/",
            "/secrets/default/token",
            "registry/secrets/default/token",
            "/registry/secrets",
            "/registry/secretsx/default/token",
            "/registry/pods/secrets/web",
            "/registry/configmaps/default/secrets/x",
            "/a/b/c/secrets/x",
            "/a/b/secrets",
        ] {
            assert!(!is_secret(key.as_bytes()), "{key}");
        }
    }

    #[test]
    fn keys_come_back_as_they_were() {
        for key in
            [&b"/registry/pods/default/web"[..], b"", b"a b", b"\xff\x00'\"\\\n", "schön".as_bytes(), b"\"quoted\""]
        {
            assert_eq!(key_bytes(&key_text(key)).as_deref(), Some(key));
        }
        assert_eq!(key_text(b"/a"), "/a");
        assert_eq!(key_bytes("\"\\q\""), None);
    }
}
