//! Formats numbers for messages.

use crate::etcd::revision::Revision;

/// Returns a number with commas between thousands.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

/// Returns a revision with commas between thousands; 0 for a negative one, which no valid file has.
#[must_use]
pub fn grouped_revision(revision: Revision) -> String {
    grouped(u64::try_from(revision.get()).unwrap_or(0))
}

/// Returns a count with its noun: `1 key`, `2 keys`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        let words = [0, 12, 123, 1234, 123_456, 1_234_567].map(grouped);
        assert_eq!(words, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
        assert_eq!((counted(1, "key", "keys"), counted(1000, "key", "keys")), ("1 key".into(), "1,000 keys".into()));
    }
}
