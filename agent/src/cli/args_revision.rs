//! Arguments that choose a revision.

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::time_text;
use etcdsnap::grouped_number::grouped;

/// A revision, given by number or by time.
#[derive(Debug, Clone, clap::Args)]
pub struct RevisionArgs {
    /// Read the state at this revision [default: the latest, which 0 also means]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev: Revision,
    /// Read the state at about this time: 2026-03-09T10:04:00Z, '2026-03-09 10:04' (UTC), or 2h, which is two hours before the snapshot was taken
    ///
    /// etcd stores no times: they are estimated from the timestamps in Kubernetes objects. The chosen revision is reported on stderr.
    #[arg(long, value_name = "TIME", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
}

/// A time that the user gave on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTime {
    /// The text as it was typed.
    pub text: String,
    /// The time that the text means.
    pub when: When,
}

/// A point in time, or a duration before the snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Seconds since 1970.
    At(i64),
    /// Seconds before the snapshot.
    Before(i64),
}

impl AskedTime {
    /// Parses a time.
    ///
    /// # Errors
    /// When the text is not a time.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let before = || humantime::parse_duration(text).ok().and_then(|span| i64::try_from(span.as_secs()).ok());
        let when = time_text::parse(text).map(When::At).or_else(|| before().map(When::Before));
        let when = when.ok_or(
            "expected a time such as 2026-03-09T10:04:00Z, '2026-03-09 10:04', or 2h before the snapshot was taken",
        )?;
        Ok(Self { text: text.to_owned(), when })
    }
}

/// Parses a revision; 0 stands for the latest, as for etcdctl. Thousands may be set apart by commas, as messages print them.
pub fn revision(text: &str) -> Result<Revision, &'static str> {
    let plain = text.replace(',', "");
    let is_grouped = plain.parse().is_ok_and(|number| grouped(number) == text);
    let digits = if is_grouped { plain.as_str() } else { text };
    digits
        .parse()
        .ok()
        .filter(|revision| *revision >= Revision::ZERO)
        .ok_or("expected a whole number; revisions begin at 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_read_as_they_are_printed() {
        for (text, number) in
            [("7", Some(7)), ("1234", Some(1234)), ("1,234", Some(1234)), ("1,234,567", Some(1_234_567))]
        {
            assert_eq!(revision(text).ok(), number.map(Revision::new), "{text}");
        }
        for wrong in ["12,34", "1,23", ",123", "1234,567", "", "-1", "x"] {
            assert!(revision(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn points_in_time_and_durations_are_distinguished() {
        let when = |text: &str| AskedTime::parse(text).map(|asked| asked.when);
        assert_eq!(when("1970-01-01T00:01:00Z"), Ok(When::At(60)));
        assert_eq!(when("1970-01-02"), Ok(When::At(86_400)));
        assert_eq!(when("2h"), Ok(When::Before(7200)));
        assert_eq!(when("1h 30m"), Ok(When::Before(5400)));
        for wrong in ["", "soon", "10:04", "-2h", "2026-99-99"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
