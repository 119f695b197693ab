//! The names of the files in a data directory, whose numbers are hexadecimal.

/// Characters of a number.
const DIGITS: usize = 16;

/// What a file is by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// `<sequence>-<index>.wal`: a segment of the log, and the first index that it was opened for.
    Segment {
        /// Segments count from 0 without a gap.
        sequence: u64,
        /// The first entry that it may hold.
        index: u64,
    },
    /// `<term>-<index>.snap`.
    Snap {
        /// Raft's term.
        term: u64,
        /// The index up to which it holds.
        index: u64,
    },
    /// `<index>.snap.db`: a database that the leader sent.
    SnapDatabase {
        /// The index up to which it is applied.
        index: u64,
    },
}

impl FileName {
    /// Reads a name; none when etcd gives no file such a name.
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
