//! Which keys are meant.

/// A range of keys, as etcd's requests have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Vec<u8>,
    /// No key at or behind this; none for no end.
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// One key.
    #[must_use]
    pub fn one(key: &[u8]) -> Self {
        Self { start: key.to_vec(), end: Some([key, &[0]].concat()) }
    }

    /// Keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        // The next prefix of the same length: 0xff carries.
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let end = end.split_last().map(|(last, rest)| [rest, &[last.saturating_add(1)]].concat());
        Self { start: prefix.to_vec(), end }
    }

    /// The same, without the keys below `from`.
    #[must_use]
    pub fn from(mut self, from: &[u8]) -> Self {
        if from > self.start.as_slice() {
            self.start = from.to_vec();
        }
        self
    }

    /// Whether `key` is meant.
    #[must_use]
    #[inline]
    pub fn contains(&self, key: &[u8]) -> bool {
        (self.start.is_empty() || self.start.as_slice() <= key) && self.end.as_deref().is_none_or(|end| key < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next() {
        let range = KeyRange::prefix(b"a/\xff");
        assert!(range.contains(b"a/\xff") && range.contains(b"a/\xff\xff") && !range.contains(b"a0"));
        assert!(!range.contains(b"a/"));
        assert!(KeyRange::prefix(b"\xff\xff").contains(b"\xff\xff\xff"));
        assert!(!KeyRange::prefix(b"\xff\xff").contains(b"\xff"));
        assert!(KeyRange::prefix(b"").contains(b"") && KeyRange::prefix(b"").contains(b"\xff"));
        assert!(KeyRange::one(b"a").contains(b"a") && !KeyRange::one(b"a").contains(b"a\0"));
        let from = KeyRange::prefix(b"a").from(b"ab");
        assert!(from.contains(b"ab") && !from.contains(b"aa") && !from.contains(b"b"));
    }
}
