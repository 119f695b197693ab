//! Names of the files in a data directory; their numbers are hexadecimal.

/// Number of digits of each number.
const DIGITS: usize = 16;

/// The type of a file and the numbers in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// `<sequence>-<index>.wal`: a segment of the write-ahead log.
    Segment {
        /// Sequence number; segments are numbered from 0 without gaps.
        sequence: u64,
        /// Index of the first entry that the segment may hold.
        index: u64,
    },
    /// `<term>-<index>.snap`.
    Snap {
        /// Raft's term.
        term: u64,
        /// Index of the last entry in the snapshot.
        index: u64,
    },
    /// `<index>.snap.db`: a database received from the leader.
    SnapDatabase {
        /// Index of the last entry applied to it.
        index: u64,
    },
}

impl FileName {
    /// Parses a file name; `None` if etcd gives no file a name of this form.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(index) = name.strip_suffix(".snap.db") {
            return Some(Self::SnapDatabase { index: hex_number(index)? });
        }
        if let Some(numbers) = name.strip_suffix(".snap") {
            let (term, index) = two_numbers(numbers)?;
            return Some(Self::Snap { term, index });
        }
        let (sequence, index) = two_numbers(name.strip_suffix(".wal")?)?;
        Some(Self::Segment { sequence, index })
    }
}

fn two_numbers(text: &str) -> Option<(u64, u64)> {
    let (first, second) = text.split_once('-')?;
    Some((hex_number(first)?, hex_number(second)?))
}

fn hex_number(text: &str) -> Option<u64> {
    let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_etcd_gives_are_parsed() {
        let parse = FileName::parse;
        assert_eq!(
            parse("000000000000000a-00000000000000ff.wal"),
            Some(FileName::Segment { sequence: 10, index: 255 })
        );
        assert_eq!(parse("0000000000000002-000000000000003f.snap"), Some(FileName::Snap { term: 2, index: 63 }));
        assert_eq!(parse("000000000000003f.snap.db"), Some(FileName::SnapDatabase { index: 63 }));
        for other in ["0.tmp", "db", "2-3f.wal", "0000000000000002-+00000000000003f.snap", "x.wal", ".snap.db", ".wal"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
