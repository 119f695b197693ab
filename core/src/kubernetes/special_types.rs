//! Decodes the types of Kubernetes that have a JSON form of their own: times, durations, quantities, and numbers or names.

use crate::protobuf_raw::{WireValue, next};

/// Decodes a `metav1.Time` or `MicroTime`, `{1 seconds, 2 nanos}`, into seconds and nanoseconds since 1970; `None` for the zero time, which is an empty message.
#[must_use]
pub fn timestamp(mut message: &[u8]) -> Option<(i64, i64)> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((number, value)) = next(&mut message) {
        match (number, value) {
            (1, WireValue::Varint(value)) => seconds = value.cast_signed(),
            (2, WireValue::Varint(value)) => nanos = value.cast_signed(),
            _ => {}
        }
    }
    (seconds != 0 || nanos != 0).then_some((seconds, nanos))
}

/// Decodes a `metav1.Duration` into nanoseconds.
#[must_use]
pub fn duration(mut message: &[u8]) -> i64 {
    let mut nanos = 0;
    while let Some((number, value)) = next(&mut message) {
        if let (1, WireValue::Varint(value)) = (number, value) {
            nanos = value.cast_signed();
        }
    }
    nanos
}

/// Returns field 1 of a message like `Quantity`, `FieldsV1` or `RawExtension`.
#[must_use]
pub fn inner(mut message: &[u8]) -> &[u8] {
    let mut found: &[u8] = &[];
    while let Some((number, value)) = next(&mut message) {
        if let (1, WireValue::Delimited(bytes)) = (number, value) {
            found = bytes;
        }
    }
    found
}

/// A number or a name: `intstr.IntOrString {1 type, 2 int, 3 string}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntOrString<'a> {
    /// A number.
    Int(i64),
    /// A name.
    Text(&'a [u8]),
}

/// Decodes an `IntOrString`.
#[must_use]
pub fn int_or_string(mut message: &[u8]) -> IntOrString<'_> {
    let (mut is_text, mut int, mut text) = (false, 0, &[][..]);
    while let Some((number, value)) = next(&mut message) {
        match (number, value) {
            (1, WireValue::Varint(value)) => is_text = value == 1,
            (2, WireValue::Varint(value)) => int = value.cast_signed(),
            (3, WireValue::Delimited(bytes)) => text = bytes,
            _ => {}
        }
    }
    if is_text { IntOrString::Text(text) } else { IntOrString::Int(int) }
}

/// Formats a time as RFC 3339 in UTC, to the second, or with six decimals if `micros` are given.
#[must_use]
pub fn rfc3339(seconds: i64, micros: Option<i64>) -> String {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    let [hour, minute, second] = [of_day / 3600, of_day / 60 % 60, of_day % 60];
    let fraction = micros.map(|micros| format!(".{micros:06}")).unwrap_or_default();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Converts a day since 1970 to year, month and day of the Gregorian calendar. Eras of 400 years have 146,097 days; years begin in March, so that the leap day is the last.
#[expect(clippy::arithmetic_side_effects, reason = "remainders of an era are small")]
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era.saturating_mul(400).saturating_add(year_of_era).saturating_add(i64::from(month <= 2));
    (year, month, day)
}

/// Parses a time as [`rfc3339`] writes it, with or without a fraction, into seconds since 1970; `None` for anything else.
#[must_use]
#[expect(clippy::arithmetic_side_effects, reason = "all parts are in their ranges")]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day): (i64, i64, i64) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split('.').next()?.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let in_range = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !in_range {
        return None;
    }
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let march = (month + 9) % 12;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * march + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Formats a duration like Go's `time.Duration`: `1h0m0s`, `1.5s`, `2ms`, `0s`.
#[must_use]
pub fn go_duration(nanos: i64) -> String {
    let magnitude = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    if magnitude == 0 {
        return "0s".into();
    }
    for (unit, name) in [(1_u64, "ns"), (1_000, "µs"), (1_000_000, "ms")] {
        if magnitude < unit.saturating_mul(1000) {
            return format!("{sign}{}{name}", fraction(magnitude, unit));
        }
    }
    let minutes = magnitude / 60_000_000_000;
    let seconds = fraction(magnitude % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// Formats a number of units with a fraction without trailing zeros.
fn fraction(magnitude: u64, unit: u64) -> String {
    let whole = magnitude.checked_div(unit).unwrap_or_default();
    let rest = magnitude.checked_rem(unit).unwrap_or_default();
    if rest == 0 {
        return whole.to_string();
    }
    let width = unit.ilog10() as usize;
    format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (-62_135_596_800, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds, None), text);
            assert_eq!(parse_rfc3339(text), Some(seconds));
        }
        assert_eq!(rfc3339(1, Some(42)), "1970-01-01T00:00:01.000042Z");
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01.000042Z"), Some(1));
        for hostile in [i64::MIN, i64::MAX] {
            assert!(rfc3339(hostile, None).ends_with('Z'));
        }
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn durations_are_as_go_prints_them() {
        for (nanos, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_500, "1.5µs"),
            (2_000_000, "2ms"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (3_600_000_000_000, "1h0m0s"),
            (-90_000_000_000, "-1m30s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(go_duration(nanos), text);
        }
    }
}
