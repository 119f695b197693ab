//! Parses a command line that a shell has not run yet: words with quotes around them and backslashes in them.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::CommandLine;

/// The shell whose quoting rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    Bash,
    /// Backslashes also escape within single quotes.
    Fish,
}

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    /// The offset in the line where it begins.
    start: usize,
    /// The value that the program would get.
    value: Vec<u8>,
    /// Whether it is the target of a redirection.
    redirected: bool,
}

/// A line up to the cursor, parsed.
#[derive(Debug)]
pub struct LineHead<'l> {
    line: &'l [u8],
    words: Vec<Word>,
    /// The quote that is open at the cursor, if any.
    open: Option<u8>,
    quoting: Quoting,
}

impl<'l> LineHead<'l> {
    /// Splits a line into words. The last word is the one at the cursor; it may be empty.
    pub fn new(line: &'l [u8], quoting: Quoting) -> Self {
        let mut head = Self { line, words: Vec::new(), open: None, quoting };
        let mut word: Option<Word> = None;
        let mut redirected = false;
        let mut at = 0;
        while let Some(byte) = line.get(at) {
            match byte {
                b' ' | b'\t' | b'\n' => {
                    redirected &= word.is_none();
                    head.words.extend(word.take());
                    at += 1;
                }
                b'<' | b'>' | b'&' | b'|' | b';' => {
                    // `2>` is a redirection, not a word.
                    word = word.filter(|word| !word.value.iter().all(u8::is_ascii_digit));
                    head.words.extend(word.take());
                    redirected = matches!(byte, b'<' | b'>');
                    at += 1;
                }
                _ => {
                    let word = word.get_or_insert(Word { start: at, value: Vec::new(), redirected });
                    (at, head.open) = piece(line, at, quoting, &mut word.value);
                }
            }
        }
        head.words.push(word.unwrap_or(Word { start: line.len(), value: Vec::new(), redirected }));
        head
    }

    /// Returns the command line with the words after the cursor from `tail`; `None` where the shell itself reads a file name.
    pub fn command_line(&self, tail: &[u8]) -> Option<CommandLine> {
        let current = self.words.last().filter(|word| !word.redirected)?;
        let here = self.words.iter().filter(|word| !word.redirected);
        let mut words: Vec<OsString> = here.map(|word| OsString::from_vec(word.value.clone())).collect();
        let at = words.len().checked_sub(1)?;
        if self.open.is_none() {
            let behind = LineHead::new(tail, self.quoting).words;
            // Text that follows without a space belongs to the word at the cursor.
            let rest = if tail.first().is_some_and(|byte| byte.is_ascii_whitespace()) { 0 } else { 1 };
            let wanted = behind.into_iter().skip(rest).filter(|word| !word.redirected && !word.value.is_empty());
            words.extend(wanted.map(|word| OsString::from_vec(word.value)));
        }
        debug_assert_eq!(words.get(at).map(|word| word.as_encoded_bytes()), Some(current.value.as_slice()));
        Some(CommandLine { words, at })
    }

    /// Returns the current word without the last `len` bytes of the line; the shell replaces only those bytes.
    pub fn kept(&self, len: usize) -> KeptWord {
        let start = self.words.last().map_or(0, |word| word.start);
        let kept = self.line.get(start..self.line.len().saturating_sub(len)).unwrap_or_default();
        let head = LineHead::new(kept, self.quoting);
        KeptWord { open: head.open, value: head.words.into_iter().last().map(|word| word.value).unwrap_or_default() }
    }
}

/// The part of a word that a shell does not replace.
#[derive(Debug, PartialEq, Eq)]
pub struct KeptWord {
    /// The value that the program gets from it.
    pub value: Vec<u8>,
    /// The quote that is still open after it, if any.
    open: Option<u8>,
}

impl KeptWord {
    /// Quotes bytes that follow, so that bash takes them literally.
    pub fn quote(&self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for byte in bytes {
            match (self.open, byte) {
                (Some(b'\''), b'\'') => text.extend_from_slice(b"'\\''"),
                (Some(b'"'), b'"' | b'$' | b'`' | b'\\') => text.extend([b'\\', *byte]),
                (None, byte) if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"_./,:@%+=-".contains(byte) => {
                    text.extend([b'\\', *byte]);
                }
                (_, byte) => text.push(*byte),
            }
        }
        text
    }
}

/// Reads a character or a quoted piece at `at`. Returns where the next one starts, and the quote that is still open.
fn piece(line: &[u8], at: usize, quoting: Quoting, value: &mut Vec<u8>) -> (usize, Option<u8>) {
    let Some(&quote) = line.get(at) else { return (at + 1, None) };
    if quote == b'\\' {
        value.extend(line.get(at + 1));
        return (at + 2, None);
    }
    if quote != b'"' && quote != b'\'' {
        value.push(quote);
        return (at + 1, None);
    }
    let mut at = at + 1;
    while let Some(&byte) = line.get(at) {
        if byte == quote {
            return (at + 1, None);
        }
        let escapes: &[u8] = match (quote, quoting) {
            (b'"', _) => b"\"\\$`",
            (_, Quoting::Bash) => b"",
            (_, Quoting::Fish) => b"'\\",
        };
        match line.get(at + 1).filter(|next| byte == b'\\' && escapes.contains(next)) {
            Some(next) => {
                value.push(*next);
                at += 2;
            }
            None => {
                value.push(byte);
                at += 1;
            }
        }
    }
    (at, Some(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(head: &str, tail: &str, quoting: Quoting) -> Option<(Vec<String>, usize)> {
        let line = LineHead::new(head.as_bytes(), quoting).command_line(tail.as_bytes())?;
        Some((line.words.into_iter().map(|word| word.into_string().unwrap()).collect(), line.at))
    }

    fn bash(head: &str) -> Vec<String> {
        words(head, "", Quoting::Bash).unwrap().0
    }

    #[test]
    fn words_are_split_as_the_shell_splits_them() {
        assert_eq!(bash("etcdsnap keys f.db "), ["etcdsnap", "keys", "f.db", ""]);
        assert_eq!(bash("etcdsnap  keys 'a b.db' /reg"), ["etcdsnap", "keys", "a b.db", "/reg"]);
        assert_eq!(bash(r#"etcdsnap get a\ b.db '"\xff"#), ["etcdsnap", "get", "a b.db", "\"\\xff"]);
        assert_eq!(bash(r#"etcdsnap get f "a\"b\x""#), ["etcdsnap", "get", "f", "a\"b\\x"]);
        assert_eq!(bash("etcdsnap keys f 2>/dev/null /reg"), ["etcdsnap", "keys", "f", "/reg"]);
        assert_eq!(bash("etcdsnap keys f > out --long"), ["etcdsnap", "keys", "f", "--long"]);
        assert_eq!(words("etcdsnap keys f > ou", "", Quoting::Bash), None);
        let fish = words(r"etcdsnap get f 'it\'s", "", Quoting::Fish).unwrap().0;
        assert_eq!(fish.last().unwrap(), "it's");
    }

    #[test]
    fn words_behind_the_cursor_are_included() {
        let (all, at) = words("etcdsnap export --prefix /re", " f.db", Quoting::Bash).unwrap();
        assert_eq!((all.join(" ").as_str(), at), ("etcdsnap export --prefix /re f.db", 3));
        let (all, at) = words("etcdsnap keys f.db /re", "gistry/ --long", Quoting::Bash).unwrap();
        assert_eq!((all.join(" ").as_str(), at), ("etcdsnap keys f.db /re --long", 3));
    }

    #[test]
    fn the_shell_keeps_the_first_part_of_a_word() {
        let kept =
            |line: &str, len| String::from_utf8(LineHead::new(line.as_bytes(), Quoting::Bash).kept(len).value).unwrap();
        assert_eq!(kept("etcdsnap keys f /r/system:con", "con".len()), "/r/system:");
        assert_eq!(kept("etcdsnap keys f '/r/sys", "/r/sys".len()), "");
        assert_eq!(kept("etcdsnap keys f --from=/r", "/r".len()), "--from=");
        assert_eq!(kept("etcdsnap keys f /r", "/r".len()), "");
        assert_eq!(kept("etcdsnap keys f ", 0), "");
    }

    #[test]
    fn continuations_use_the_open_quote() {
        let quoted = |line: &str| {
            let kept = LineHead::new(line.as_bytes(), Quoting::Bash).kept(1);
            String::from_utf8(kept.quote(b"it's $1\"")).unwrap()
        };
        assert_eq!(quoted("get f i"), r#"it\'s\ \$1\""#);
        assert_eq!(quoted("get f 'i"), r#"it'\''s $1""#);
        assert_eq!(quoted("get f \"i"), r#"it's \$1\""#);
    }
}
