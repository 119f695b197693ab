//! Storage and cluster versions.

/// Storage versions that this program knows: etcd 3.6 wrote the first; 3.5 and older wrote none.
const KNOWN: &[(u64, u64)] = &[(3, 5), (3, 6), (3, 7)];

/// The numbers of `MAJOR.MINOR.PATCH`, a pre-release or build part allowed; `None` when the text is none.
#[must_use]
pub fn parse(text: &str) -> Option<(u64, u64, u64)> {
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(version)
}

/// Whether a storage version is one that this program knows.
#[must_use]
pub fn is_known(version: (u64, u64, u64)) -> bool {
    KNOWN.contains(&(version.0, version.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(parse("3.6.0"), Some((3, 6, 0)));
        assert_eq!(parse("3.7.0-rc.1"), Some((3, 7, 0)));
        for text in ["", "3", "3.6", "3.6.0.1", "a.b.c", "3..0", "+3.6.0"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
