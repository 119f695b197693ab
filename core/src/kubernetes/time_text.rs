//! Parses times as users type them, and formats times with their uncertainty.

use super::special_types::{parse_rfc3339, rfc3339};
use super::time_line::Moment;

/// Parses `2026-03-09T10:04:00Z`, `2026-03-09T12:04:00+02:00`, `2026-03-09 10:04:05`, `2026-03-09 10:04` or `2026-03-09` into seconds since 1970, in
/// UTC unless it has a zone; `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if !is_date {
        return None;
    }
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then(|| parse_rfc3339(&format!("{date}T00:00:00Z")))?;
    };
    let (time, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at_checked(at)?,
        None => (rest, "Z"),
    };
    // Fractions of a second are ignored.
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = time.split(':').collect();
    let whole = match parts.as_slice() {
        [_, _] => format!("{date}T{time}:00Z"),
        [_, _, _] => format!("{date}T{time}Z"),
        _ => return None,
    };
    if !digits(fraction) || !parts.iter().all(|part| part.len() == 2 && digits(part)) {
        return None;
    }
    parse_rfc3339(&whole)?.checked_sub(offset(zone)?)
}

/// Returns how many seconds a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = if let Some(rest) = zone.strip_prefix('+') { (1, rest) } else { (-1, zone.strip_prefix('-')?) };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |part: &str, most: i64| {
        let is_two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|value| is_two_digits && *value <= most)
    };
    let ahead = number(hours, 23)?.checked_mul(3600)?.checked_add(number(minutes, 59)?.checked_mul(60)?)?;
    ahead.checked_mul(sign)
}

/// Formats a time for a sentence: `2026-03-09 10:04:12 UTC (± 20 s)`.
#[must_use]
pub fn about(moment: Moment) -> String {
    let text = rfc3339(moment.seconds, None).replacen('T', " ", 1);
    let text = text.trim_end_matches('Z');
    match moment.within {
        Some(within) => format!("{text} UTC (± {})", span(within)),
        None => format!("{text} UTC or later"),
    }
}

/// Formats a time for a column: `2026-03-09T10:04:12Z ± 20 s`.
#[must_use]
pub fn stamp(moment: Moment) -> String {
    let text = rfc3339(moment.seconds, None);
    match moment.within {
        Some(within) => format!("{text} ± {}", span(within)),
        None => format!("{text} or later"),
    }
}

/// Formats a duration in the largest unit that is precise to a few percent: `20 s`, `12 min`, `3 h`, `40 d`.
#[must_use]
pub fn span(seconds: i64) -> String {
    for (unit, name, up_to) in [(1, "s", 120), (60, "min", 7200), (3600, "h", 172_800)] {
        if seconds < up_to {
            return format!("{} {name}", rounded_up(seconds, unit));
        }
    }
    format!("{} d", rounded_up(seconds, 86_400))
}

fn rounded_up(seconds: i64, unit: i64) -> i64 {
    seconds.saturating_add(unit).saturating_sub(1).div_euclid(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let noon = 1_773_050_640; // date -u -d '2026-03-09 10:04' +%s
        for text in [
            "2026-03-09T10:04:00Z",
            "2026-03-09t10:04:00z",
            "2026-03-09 10:04:00",
            "2026-03-09 10:04",
            "2026-03-09T10:04Z",
            "2026-03-09T12:04:00+02:00",
            "2026-03-09T04:34:00.123-05:30",
        ] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        assert_eq!(parse("2026-03-09"), Some(noon - 10 * 3600 - 4 * 60));
        for text in [
            "",
            "2h",
            "10:04",
            "2026-3-9",
            "2026-03-09x",
            "2026-03-09T",
            "2026-03-09T10",
            "2026-03-09T25:00:00Z",
            "2026-13-09",
            "2026-03-09T10:04:00+2",
            "2026-03-09T10:04:00+02:99",
            "2026-03-09T10:04:+5Z",
            "2026-03-09T10:04:00.Z",
            "+026-03-09T10:04:00Z",
            "2026-03-09T10:04:00 CET",
            "２０２６-03-09",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_uncertainty_is_printed() {
        let moment = |within| Moment { seconds: 1_773_050_640, within };
        assert_eq!(about(moment(Some(20))), "2026-03-09 10:04:00 UTC (± 20 s)");
        assert_eq!(about(moment(None)), "2026-03-09 10:04:00 UTC or later");
        assert_eq!([119, 120, 7300, 400_000].map(span), ["119 s", "2 min", "3 h", "5 d"]);
    }
}
