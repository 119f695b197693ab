//! Formats numbers for text output.

pub use etcdsnap_core::number_words::{counted, grouped, grouped_revision};

/// Units of [`si_bytes`].
const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/// Formats a size in SI units, like `Bytes` of Go's go-humanize, which etcd's tools use: one decimal below 10 of a unit, none above
/// (`9.9 kB`, `10 kB`, `1000 kB`, `1.0 MB`), and bytes as whole numbers.
#[must_use]
pub fn si_bytes(bytes: u64) -> String {
    let mut unit = 0_usize;
    let mut scale = 1_u64;
    while bytes / scale >= 1000 {
        scale = scale.saturating_mul(1000);
        unit = unit.saturating_add(1);
    }
    let name = UNITS.get(unit).unwrap_or(&"B");
    if unit == 0 {
        return format!("{bytes} {name}");
    }
    let value = (bytes as f64 / scale as f64 * 10.0 + 0.5).floor() / 10.0;
    if value < 10.0 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

/// Returns `part` in percent of `whole`, rounded to an integer; `None` if `whole` is 0.
#[must_use]
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).saturating_add(whole.div_euclid(2)).checked_div(whole)
}

/// Like [`grouped`], for a number that is never negative in a valid file; negative ones become 0.
#[must_use]
pub fn grouped_positive(number: i64) -> String {
    grouped(u64::try_from(number).unwrap_or(0))
}

/// Formats a size with its exact bytes: `1.5 GB (1,474,560,000 bytes)`, `154 bytes`.
#[must_use]
pub fn exact_bytes(bytes: u64) -> String {
    if bytes < 1000 {
        counted(bytes, "byte", "bytes")
    } else {
        format!("{} ({} bytes)", si_bytes(bytes), grouped(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_formatted_as_by_go_humanize() {
        // Printed by go-humanize 1.0.1.
        let printed = [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1049, "1.0 kB"),
            (1050, "1.1 kB"),
            (9949, "9.9 kB"),
            (9950, "10 kB"),
            (20_480, "20 kB"),
            (99_500, "100 kB"),
            (577_536, "578 kB"),
            (999_999, "1000 kB"),
            (1_000_000, "1.0 MB"),
            (999_999_999, "1000 MB"),
            (1_470_000_000, "1.5 GB"),
            (1_000_000_000_000, "1.0 TB"),
            (1_000_000_000_000_000, "1.0 PB"),
            (u64::MAX, "18 EB"),
        ];
        for (bytes, text) in printed {
            assert_eq!(si_bytes(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(577_536), "577,536");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
