//! Ranges of keys.

/// A half-open range of keys, as in etcd's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Vec<u8>,
    /// Exclusive end; `None` for no end.
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// The range of every key.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// The range of one key.
    #[must_use]
    pub fn one(key: &[u8]) -> Self {
        Self { start: key.to_vec(), end: Some([key, &[0]].concat()) }
    }

    /// The range of keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        // The end is the next prefix of the same length: 0xff carries.
        while end.last() == Some(&0xff) {
            end.pop();
        }
        let end = end.split_last().map(|(last, rest)| [rest, &[last.saturating_add(1)]].concat());
        Self { start: prefix.to_vec(), end }
    }

    /// Removes the keys below `from`.
    #[must_use]
    pub fn from(mut self, from: &[u8]) -> Self {
        if from > self.start.as_slice() {
            self.start = from.to_vec();
        }
        self
    }

    /// Removes `to` and the keys after it.
    #[must_use]
    pub fn until(mut self, to: &[u8]) -> Self {
        if self.end.as_deref().is_none_or(|end| to < end) {
            self.end = Some(to.to_vec());
        }
        self
    }

    /// Whether the range contains `key`.
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

    #[test]
    fn an_interval_is_half_open_and_never_wider_than_its_prefix() {
        let until = KeyRange::prefix(b"a").until(b"ac");
        assert!(until.contains(b"a") && until.contains(b"ab\xff") && !until.contains(b"ac"));
        assert_eq!(KeyRange::prefix(b"a").until(b"z"), KeyRange::prefix(b"a"));
        assert_eq!(KeyRange::prefix(b"a").until(b"ac").until(b"b"), KeyRange::prefix(b"a").until(b"ac"));
        let between = KeyRange::all().from(b"b").until(b"d");
        assert!(
            between.contains(b"b") && between.contains(b"c\xff") && !between.contains(b"d") && !between.contains(b"a")
        );
        for key in [&b""[..], b"a", b"b", b"c", b"\xff"] {
            assert!(!KeyRange::all().from(b"c").until(b"b").contains(key), "nothing lies between c and b");
            assert!(!KeyRange::all().until(b"").contains(key), "nothing lies before the empty key");
        }
    }
}
