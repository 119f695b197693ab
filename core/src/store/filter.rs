//! Conditions on keys, such as `size>100kB`.

use std::fmt;

use memchr::memmem::Finder;

use crate::key_syntax::{key_bytes, printable};
use crate::store::cluster_buckets::lease_id;
use crate::store::key_state::Key;

/// A condition on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Compares a number of the key.
    Number(KeyNumber, Operator, i128),
    /// The key contains these bytes, or does not.
    Key(Needle, bool),
    /// The value contains these bytes, or does not.
    Value(Needle, bool),
    /// The key is deleted, or live.
    Deleted(bool),
}

/// Bytes to search for in many keys.
#[derive(Debug, Clone)]
pub struct Needle(Finder<'static>);

impl Needle {
    /// Prepares a search for `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Finder::new(bytes).into_owned())
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.find(bytes).is_some()
    }
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        self.0.needle() == other.0.needle()
    }
}

impl Eq for Needle {}

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionError {
    /// A syntax error, described by the text.
    Condition(String),
    /// The quoted text has an invalid escape.
    Quotes(String),
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition(why) => f.write_str(why),
            Self::Quotes(text) => write!(f, "{} is not a valid quoted text", printable(text)),
        }
    }
}

impl std::error::Error for ConditionError {}

/// A number of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyNumber {
    /// Length of its value in bytes.
    Size,
    /// The revision that created it.
    Create,
    /// Its newest revision.
    Mod,
    /// Puts since its creation.
    Version,
    /// Its lease, or 0.
    Lease,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    More,
    /// `>=`
    MoreOrEqual,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::MoreOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::More),
];

impl Filter {
    /// Parses a condition. Spaces around its parts are ignored; a text that begins or ends with a space needs quotes.
    ///
    /// # Errors
    /// The text is not a condition; the error says what is wrong and what is possible.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        let wrong = |why: &str| ConditionError::Condition(why.to_owned());
        let name = text.trim();
        let name =
            name.get(..name.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(name.len())).unwrap_or_default();
        let rest = text.trim().get(name.len()..).unwrap_or_default().trim_start();
        let field = match name {
            "size" => KeyNumber::Size,
            "create" => KeyNumber::Create,
            "mod" | "rev" => KeyNumber::Mod,
            "version" => KeyNumber::Version,
            "lease" => KeyNumber::Lease,
            "key" | "value" => {
                let of = if name == "key" { Self::Key } else { Self::Value };
                let (part, wanted) = match (rest.strip_prefix('~'), rest.strip_prefix("!~")) {
                    (Some(part), _) => (part, true),
                    (None, Some(part)) => (part, false),
                    _ => return Err(wrong(&format!("{name} takes ~ (contains) or !~ (does not contain)"))),
                };
                return match key_bytes(part.trim()) {
                    None => Err(ConditionError::Quotes(part.trim().to_owned())),
                    Some(part) if part.is_empty() => Err(wrong("the text after the operator is missing")),
                    Some(part) => Ok(of(Needle::new(&part), wanted)),
                };
            }
            _ => return Err(wrong("it must begin with size, create, rev, version, lease, key or value")),
        };
        let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?.trim())));
        let (operator, value) =
            found.ok_or_else(|| wrong(&format!("{name} is a number and takes =, !=, <, <=, > or >=")))?;
        let (number, what) = match field {
            KeyNumber::Size => {
                (size(value, operator), "a whole number of bytes, with or without a unit: 1500, 100kB, 1.5MiB")
            }
            KeyNumber::Lease => {
                (lease_id(value).ok().map(i128::from), "a lease's id in hexadecimal, as etcdctl prints it")
            }
            _ => (value.parse().ok(), "a whole number"),
        };
        let number = number.ok_or_else(|| wrong(&format!("the operator must be followed by {what}")))?;
        Ok(Self::Number(field, operator, number))
    }

    /// Whether the condition needs the value.
    #[must_use]
    pub fn is_about_the_value(&self) -> bool {
        matches!(self, Self::Value(..))
    }

    /// Whether the condition holds for a value; true if the condition is about something else.
    #[must_use]
    pub fn holds_of_value(&self, value: &[u8]) -> bool {
        match self {
            Self::Value(part, wanted) => part.is_in(value) == *wanted,
            _ => true,
        }
    }

    /// Whether the condition holds for a key; true if the condition is about the value.
    #[must_use]
    pub fn holds(&self, state: &Key<'_>) -> bool {
        let (field, operator, wanted) = match self {
            Self::Key(part, wanted) => return part.is_in(state.key) == *wanted,
            Self::Deleted(deleted) => return state.deleted == *deleted,
            Self::Value(..) => return true,
            Self::Number(field, operator, wanted) => (*field, *operator, *wanted),
        };
        let number = match field {
            KeyNumber::Size => i128::from(state.value_len),
            KeyNumber::Create => i128::from(state.create_revision),
            KeyNumber::Mod => i128::from(state.revision.main),
            KeyNumber::Version => i128::from(state.version),
            KeyNumber::Lease => i128::from(state.lease),
        };
        match operator {
            Operator::Equal => number == wanted,
            Operator::Unequal => number != wanted,
            Operator::Less => number < wanted,
            Operator::LessOrEqual => number <= wanted,
            Operator::More => number > wanted,
            Operator::MoreOrEqual => number >= wanted,
        }
    }
}

/// Decimal places read from a size.
const DECIMALS: usize = 9;

/// Parses a number of bytes with a decimal or binary unit. A fraction of a byte is rounded so that comparisons with
/// whole bytes stay true; `=` with a fraction is never true.
fn size(text: &str, operator: Operator) -> Option<i128> {
    let digits = text.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
    let factor: i128 = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        _ => return None,
    };
    let (whole, part) = digits.trim().split_once('.').unwrap_or((digits.trim(), "0"));
    if part.is_empty() || part.len() > DECIMALS || ![whole, part].concat().bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let scaled =
        whole.parse::<i128>().ok()?.checked_mul(scale)?.checked_add(part.parse().ok()?)?.checked_mul(factor)?;
    match (operator, scaled.checked_rem(scale)?) {
        (_, 0) | (Operator::LessOrEqual | Operator::More, _) => scaled.checked_div(scale),
        (Operator::Less | Operator::MoreOrEqual, _) => scaled.checked_div(scale)?.checked_add(1),
        (Operator::Equal | Operator::Unequal, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let number = |text: &str| Filter::parse(text).unwrap();
        assert_eq!(number("size>100kB"), Filter::Number(KeyNumber::Size, Operator::More, 100_000));
        assert_eq!(number("size<=1MiB"), Filter::Number(KeyNumber::Size, Operator::LessOrEqual, 1 << 20));
        assert_eq!(number("lease!=0"), Filter::Number(KeyNumber::Lease, Operator::Unequal, 0));
        assert_eq!(
            number("lease=7ffffffffffffffe"),
            Filter::Number(KeyNumber::Lease, Operator::Equal, i128::from(i64::MAX - 1))
        );
        assert_eq!(number("mod >= 5"), Filter::Number(KeyNumber::Mod, Operator::MoreOrEqual, 5));
        assert_eq!(number("size>=1.5MiB"), Filter::Number(KeyNumber::Size, Operator::MoreOrEqual, 3 << 19));
        assert_eq!(number(" size < 0.25 kB "), Filter::Number(KeyNumber::Size, Operator::Less, 250));
        assert_eq!(number("key~a=b"), Filter::Key(Needle::new(b"a=b"), true));
        assert_eq!(number("key !~ a b "), Filter::Key(Needle::new(b"a b"), false));
        assert_eq!(number("value~\" \\x00\""), Filter::Value(Needle::new(b" \0"), true));
    }

    /// 1.1 KiB are 1126.4 bytes.
    #[test]
    fn a_part_of_a_byte_does_not_change_the_answer() {
        for (condition, whole) in
            [("size<1.1KiB", 1127), ("size>=1.1KiB", 1127), ("size>1.1KiB", 1126), ("size<=1.1KiB", 1126)]
        {
            assert!(
                matches!(Filter::parse(condition).unwrap(), Filter::Number(_, _, number) if number == whole),
                "{condition}"
            );
        }
        assert!(Filter::parse("size=1.1KiB").is_err() && Filter::parse("size=1.5kB").is_ok());
    }

    #[test]
    fn errors_quote_texts_that_are_no_conditions() {
        for (text, why) in [
            ("", "it must begin with size"),
            ("colour=red", "it must begin with size"),
            ("size", "size is a number and takes ="),
            ("size ~ x", "size is a number and takes ="),
            ("lease~7f", "lease is a number and takes ="),
            ("size>", "a whole number of bytes"),
            ("size>big", "a whole number of bytes"),
            ("size>1.2.3", "a whole number of bytes"),
            ("size>.5kB", "a whole number of bytes"),
            ("size>-1", "a whole number of bytes"),
            ("size>99999999999999999999999999999999999999GiB", "a whole number of bytes"),
            ("version=1.5", "a whole number"),
            ("lease=xyz", "in hexadecimal"),
            ("key=/a", "key takes ~"),
            ("value>1", "value takes ~"),
            ("key~", "text after the operator is missing"),
            ("key~\"\\q\"", "is not a valid quoted text"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
