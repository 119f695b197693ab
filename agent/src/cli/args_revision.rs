//! Which revision a command looks at.

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::time_text;

/// A revision, by its number or by its time.
#[derive(Debug, Clone, clap::Args)]
pub struct RevisionArgs {
    /// As it was at this revision [default: 0, which is the latest]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true, allow_negative_numbers = true, value_parser = revision)]
    pub rev: Revision,
    /// As it was at about this time: 2026-03-09T10:04:00Z, '2026-03-09 10:04' (UTC), or 2h, which is two hours before the snapshot was taken
    ///
    /// etcd keeps no times: this one is told by those that stand in objects of Kubernetes. Which revision was chosen is said on stderr.
    #[arg(long, value_name = "TIME", conflicts_with = "rev", value_parser = AskedTime::parse)]
    pub at: Option<AskedTime>,
}

/// A time as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTime {
    /// The words.
    pub text: String,
    /// What they mean.
    pub when: When,
}

/// A time, or how long before the snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Seconds since 1970.
    At(i64),
    /// So many seconds before.
    Before(i64),
}

impl AskedTime {
    /// Reads a time.
    ///
    /// # Errors
    /// For what is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let before = || humantime::parse_duration(text).ok().and_then(|span| i64::try_from(span.as_secs()).ok());
        let when = time_text::parse(text).map(When::At).or_else(|| before().map(When::Before));
        let when = when.ok_or(
            "a time is wanted, such as 2026-03-09T10:04:00Z, '2026-03-09 10:04', or 2h before the snapshot was taken",
        )?;
        Ok(Self { text: text.to_owned(), when })
    }
}

/// A revision; 0 stands for the latest, as for etcdctl.
pub fn revision(text: &str) -> Result<Revision, &'static str> {
    text.parse()
        .ok()
        .filter(|revision| *revision >= Revision::ZERO)
        .ok_or("a whole number is wanted; revisions begin at 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_told_apart() {
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
