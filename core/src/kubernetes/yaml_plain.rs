//! Decides which texts need quotes in YAML.
//!
//! Readers of YAML 1.1 take `y`, `off`, `1:30`, `0o7`, `1e3` or `~` for something other than text, and kubectl quotes them. Source of the rules: `resolve` and `yaml_emitter_analyze_scalar` of
//! `sigs.k8s.io/yaml/goyaml.v2`.

use crate::key_syntax::is_unprintable;

/// The ways to write a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Unchanged.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes, with escapes.
    Double,
    /// Line by line behind `|`.
    Literal,
}

/// Returns the style of a text; keys must be on one line.
pub(super) fn style(text: &str, is_key: bool) -> Style {
    if text.is_empty() {
        return Style::Double;
    }
    let form = AllowedStyles::of(text);
    if text.contains('\n') {
        return if form.block && !is_key { Style::Literal } else { Style::Double };
    }
    if is_other_type(text) || !form.single {
        return Style::Double;
    }
    if form.plain { Style::Plain } else { Style::Single }
}

/// The styles that the characters of a text allow.
struct AllowedStyles {
    plain: bool,
    single: bool,
    block: bool,
}

impl AllowedStyles {
    fn of(text: &str) -> Self {
        let mut indicator = text.starts_with("---") || text.starts_with("...");
        let mut special = false;
        let (mut breaks, mut edge, mut break_space, mut space_break) = (false, false, false, false);
        let (mut after_space, mut after_break, mut after_blank) = (false, false, true);
        let mut signs = text.chars().peekable();
        let mut first = true;
        while let Some(sign) = signs.next() {
            let following = signs.peek().copied();
            let before_blank = following.is_none_or(|sign| is_blank(sign) || is_break(sign));
            indicator |= match sign {
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => first,
                '#' => first || after_blank,
                '?' | '-' => first && before_blank,
                ':' => before_blank,
                _ => false,
            };
            special |= is_escaped(sign) && sign != '\n';
            let at_edge = first || following.is_none();
            if sign == ' ' {
                edge |= at_edge;
                break_space |= after_break;
            } else if is_break(sign) {
                breaks = true;
                edge |= at_edge;
                space_break |= after_space;
            }
            (after_space, after_break) = (sign == ' ', is_break(sign));
            after_blank = is_blank(sign) || is_break(sign);
            first = false;
        }
        let none = space_break || special;
        Self {
            plain: !(indicator || edge || break_space || breaks || none),
            single: !(break_space || none),
            block: !(text.ends_with(' ') || none),
        }
    }
}

fn is_blank(sign: char) -> bool {
    matches!(sign, ' ' | '\t')
}

fn is_break(sign: char) -> bool {
    matches!(sign, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character is escaped: those that YAML cannot print, for kubectl's library also everything above U+FFFF; and, unlike in kubectl, invisible characters and those that change the
/// direction of text on a terminal.
pub(super) fn is_escaped(sign: char) -> bool {
    !is_printable(sign) || is_unprintable(sign)
}

fn is_printable(sign: char) -> bool {
    matches!(sign, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a reader would parse a text as a number, a time, `true`, `false` or `null`.
fn is_other_type(text: &str) -> bool {
    match text.bytes().next() {
        Some(b'0'..=b'9' | b'+' | b'-') => {
            is_word(text) || is_timestamp(text) || is_base_60(text) || is_number(&text.replace('_', ""))
        }
        Some(b'.') => is_word(text) || is_go_float(text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' | b'<' | b'=') => is_word(text),
        _ => false,
    }
}

fn is_word(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "n", "N", "no", "No", "NO", "false",
        "False", "FALSE", "off", "Off", "OFF", "~", "null", "Null", "NULL", ".nan", ".NaN", ".NAN", ".inf", ".Inf",
        ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", "<<", "=",
    ];
    WORDS.contains(&text)
}

/// Whether a text is an integer that Go's `ParseInt(text, 0, 64)` accepts, or a float in YAML's form.
fn is_number(text: &str) -> bool {
    is_integer(text) || is_yaml_float(text)
}

fn is_integer(text: &str) -> bool {
    let (negative, digits) = match text.split_at_checked(1) {
        Some(("-", digits)) => (true, digits),
        Some(("+", digits)) => (false, digits),
        _ => (false, text),
    };
    let (radix, digits) = match digits.split_at_checked(2) {
        Some(("0x" | "0X", digits)) => (16, digits),
        Some(("0b" | "0B", digits)) => (2, digits),
        Some(("0o" | "0O", digits)) => (8, digits),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return false;
    }
    // Only 63-bit numbers may have a sign.
    match u64::from_str_radix(digits, radix) {
        Ok(value) if negative => value <= 1 << 63,
        Ok(value) => !text.starts_with('+') || value < 1 << 63,
        Err(_) => false,
    }
}

/// Whether a text matches `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$` and is not too large for a float.
fn is_yaml_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(a, b)| (a, Some(b)));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let good_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let good_mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    good_exponent && good_mantissa && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether a text begins with a point and is a float in Go.
fn is_go_float(text: &str) -> bool {
    let digits = text.strip_prefix('.').unwrap_or(text);
    digits.starts_with(|sign: char| sign.is_ascii_digit()) && is_yaml_float(&text.replace('_', ""))
}

/// Whether a text is a number of base 60, such as `1:30`: `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digit_or_line = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let mut parts = whole.split(':');
    let first = parts.next().unwrap_or_default();
    let mut others = 0_u32;
    let all = parts.all(|part| {
        others = others.saturating_add(1);
        match part.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
            _ => false,
        }
    });
    all && others > 0
        && first.starts_with(|sign: char| sign.is_ascii_digit())
        && first.bytes().all(digit_or_line)
        && fraction.bytes().all(digit_or_line)
}

/// Whether a text is a date or a time: `2006-1-2`, optionally with a time after `T`, `t` or a blank. Only the form counts: kubectl's library does not quote invalid dates, but Python's reader
/// fails on them.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = date.split('-');
    let year = parts.next().is_some_and(|year| year.len() == 4 && is_number(year));
    let [month, day] = [(); 2].map(|()| parts.next().is_some_and(|part| part.len() <= 2 && is_number(part)));
    let time = time.is_none_or(|time| {
        let mut parts = time.trim_start().splitn(3, ':');
        let [hour, minute] = [(); 2].map(|()| parts.next().is_some_and(|part| part.len() <= 2 && is_number(part)));
        hour && minute && parts.next().is_some_and(is_second_with_zone)
    });
    year && month && day && parts.next().is_none() && time
}

/// Whether a text is the seconds of a time, optionally with a fraction and a zone: `5`, `05.25Z`, `05 +1:00`.
fn is_second_with_zone(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let is_number = |text: &str| (1..=2).contains(&text.len()) && digits(text) == text.len();
    let Some((second, rest)) = text.split_at_checked(digits(text)) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|sign: char| sign.is_ascii_digit()),
        None => rest,
    };
    let zone = rest.trim_start();
    let good_zone = match zone.strip_prefix(['+', '-']) {
        Some(offset) => match offset.split_once(':') {
            Some((hours, minutes)) => is_number(hours) && is_number(minutes),
            None => is_number(offset),
        },
        None => matches!(zone, "" | "Z"),
    };
    is_number(second) && good_zone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_yaml_parses_as_another_type_are_quoted() {
        for text in [
            "",
            "y",
            "N",
            "off",
            "YES",
            "~",
            "null",
            "1",
            "-1",
            "+1",
            "1_0",
            "0x1F",
            "0o7",
            "017",
            "0b1",
            "1e3",
            "1.",
            ".5",
            "-.5",
            "1:30",
            "190:20:30.15",
            "2001-01-01",
            "2001-02-30",
            "2001-1-1",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14 21:59:43.10",
            ".inf",
            "-.Inf",
            ".NaN",
            "<<",
            "18446744073709551615",
            "\t",
            "\u{85}",
            "a\u{7f}",
            "\u{1f600}",
            "a\u{2028}b",
            "\u{feff}",
        ] {
            assert_eq!(style(text, false), Style::Double, "{text:?}");
        }
        for text in [
            "a", "ye", "1a", "0o8", "0x", "1e400", "1:60", "a:b", "a#b", "-a", "é", "a b", "1.2.3", "-", "+", "<",
            "8Gi",
        ] {
            let want = if text == "-" { Style::Single } else { Style::Plain };
            assert_eq!(style(text, false), want, "{text:?}");
        }
        for text in [
            "*a", "&a", "- a", "a: b", "a:", "a #b", "#a", "[a", "{a", "'a", "\"a", "%a", "@a", "`a", " a", "a ",
            "? a", "--- a", "| a", "!a",
        ] {
            assert_eq!(style(text, false), Style::Single, "{text:?}");
        }
        for text in ["a\n", "a\nb", "\na", " a\nb", "\n", "a\n\n"] {
            assert_eq!(style(text, false), Style::Literal, "{text:?}");
            assert_eq!(style(text, true), Style::Double, "{text:?}");
        }
        for text in ["a \nb", "a\tb\n", "a\nb ", "a\r\nb"] {
            assert_eq!(style(text, false), Style::Double, "{text:?}");
        }
    }
}
