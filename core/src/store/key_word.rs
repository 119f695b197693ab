//! Searches keys for a word.

use memchr::memmem::Finder;

/// A word to search for in many keys. Case matters only if the word has a capital letter.
#[derive(Debug, Clone)]
pub struct KeyWord {
    finder: Finder<'static>,
    is_cased: bool,
}

impl KeyWord {
    /// Prepares a search for `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self { finder: Finder::new(bytes).into_owned(), is_cased: bytes.iter().any(u8::is_ascii_uppercase) }
    }

    /// The bytes of the word.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.finder.needle()
    }

    /// Whether case matters.
    #[must_use]
    pub fn is_cased(&self) -> bool {
        self.is_cased
    }

    /// Whether a key contains the word.
    #[must_use]
    pub fn is_in(&self, key: &[u8]) -> bool {
        if self.finder.find(key).is_some() {
            return true;
        }
        // Most keys have no capital letters, so their search ends here.
        if self.is_cased || !key.iter().any(u8::is_ascii_uppercase) {
            return false;
        }
        let word = self.bytes();
        key.windows(word.len().max(1)).any(|part| part.eq_ignore_ascii_case(word))
    }

    /// Whether a key begins with the word.
    #[must_use]
    pub fn begins(&self, key: &[u8]) -> bool {
        let word = self.bytes();
        match key.get(..word.len()) {
            Some(start) if self.is_cased => start == word,
            Some(start) => start.eq_ignore_ascii_case(word),
            None => false,
        }
    }
}

impl PartialEq for KeyWord {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for KeyWord {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_count_where_the_word_has_one() {
        let (small, capital) = (KeyWord::new(b"web"), KeyWord::new(b"Web"));
        for (key, [has_small, has_capital]) in
            [("/a/web-1", [true, false]), ("/a/Web-1", [true, true]), ("/a/WEB", [true, false]), ("we", [false, false])]
        {
            assert_eq!([small.is_in(key.as_bytes()), capital.is_in(key.as_bytes())], [has_small, has_capital], "{key}");
        }
        assert!(small.begins(b"WEB/a") && !capital.begins(b"web/a") && !small.begins(b"we") && !small.begins(b"/web"));
    }
}
