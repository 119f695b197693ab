//! Names of the files in a data directory; their numbers are hexadecimal.

/// Number of digits of a number.
const DIGITS: usize = 16;

/// A file's type and numbers, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// `<sequence>-<index>.wal`: a segment of the log, and the first index it was opened for.
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
    /// Parses a file name; `None` if etcd gives no file such a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(index) = name.strip_suffix(".snap.db") {
            return Some(Self::SnapDatabase { index: number(index)? });
        }
        if let Some(numbers) = name.strip_suffix(".snap") {
            let (term, index) = pair(numbers)?;
            return Some(Self::Snap { term, index });
        }
        let (sequence, index) = pair(name.strip_suffix(".wal")?)?;
        Some(Self::Segment { sequence, index })
    }
}

fn pair(text: &str) -> Option<(u64, u64)> {
    let (first, second) = text.split_once('-')?;
    Some((number(first)?, number(second)?))
}

fn number(text: &str) -> Option<u64> {
    let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_etcd_gives_them() {
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
