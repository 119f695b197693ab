//! Conditions on keys, such as `size>100kB`.

use etcdsnap::core::store::Key;
use etcdsnap::core::store::small::lease_id;

use super::bytes;
use crate::cli::exit::Failure;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// A number of the key compared with another.
    Number(Field, Operator, i128),
    /// The key has these bytes in it, or has them not.
    Key(Vec<u8>, bool),
}

/// A number of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Size,
    Create,
    Mod,
    Version,
    Lease,
}

/// How two numbers stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
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
    /// Reads a condition.
    ///
    /// # Errors
    /// When it is none, with those that there are.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            let advice = "A condition is size, create, mod, version, lease or key, then =, !=, <, <=, >, >= or ~, then a value: size>100kB, lease=7f3a, key~nginx.";
            Failure::new(format!("--filter: {:?} is no condition", etcdsnap::printable(text)), advice)
        };
        if let Some(part) = text.strip_prefix("key~") {
            return Ok(Self::Key(bytes::typed(part)?, true));
        }
        if let Some(part) = text.strip_prefix("key!~") {
            return Ok(Self::Key(bytes::typed(part)?, false));
        }
        let at = text.find(['!', '<', '>', '=']).ok_or_else(wrong)?;
        let (name, rest) = text.split_at(at);
        let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
        let (operator, value) = found.ok_or_else(wrong)?;
        let field = match name.trim() {
            "size" => Field::Size,
            "create" => Field::Create,
            "mod" => Field::Mod,
            "version" => Field::Version,
            "lease" => Field::Lease,
            _ => return Err(wrong()),
        };
        let value = value.trim();
        let number = match field {
            Field::Size => size(value),
            Field::Lease => lease_id(value).ok().map(i128::from),
            _ => value.parse().ok(),
        };
        Ok(Self::Number(field, operator, number.ok_or_else(wrong)?))
    }

    /// Whether it is true of a key.
    pub fn holds(&self, state: &Key<'_>) -> bool {
        let (field, operator, wanted) = match self {
            Self::Key(part, wanted) => return has(state.key, part) == *wanted,
            Self::Number(field, operator, wanted) => (*field, *operator, *wanted),
        };
        let number = match field {
            Field::Size => i128::from(state.value_len),
            Field::Create => i128::from(state.create_revision),
            Field::Mod => i128::from(state.revision.main),
            Field::Version => i128::from(state.version),
            Field::Lease => i128::from(state.lease),
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

fn has(key: &[u8], part: &[u8]) -> bool {
    part.is_empty() || key.windows(part.len()).any(|window| window == part)
}

/// Bytes, with a unit of thousands or of 1,024.
fn size(text: &str) -> Option<i128> {
    let digits = text.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
    let factor = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "ki" | "kib" => 1 << 10,
        "mi" | "mib" => 1 << 20,
        "gi" | "gib" => 1 << 30,
        _ => return None,
    };
    digits.trim().parse::<i128>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read() {
        let number = |text: &str| Filter::parse(text).unwrap();
        assert_eq!(number("size>100kB"), Filter::Number(Field::Size, Operator::More, 100_000));
        assert_eq!(number("size<=1MiB"), Filter::Number(Field::Size, Operator::LessOrEqual, 1 << 20));
        assert_eq!(number("lease!=0"), Filter::Number(Field::Lease, Operator::Unequal, 0));
        assert_eq!(
            number("lease=7ffffffffffffffe"),
            Filter::Number(Field::Lease, Operator::Equal, i128::from(i64::MAX - 1))
        );
        assert_eq!(number("mod >= 5"), Filter::Number(Field::Mod, Operator::MoreOrEqual, 5));
        assert_eq!(number("key~a=b"), Filter::Key(b"a=b".to_vec(), true));
        for text in ["", "size", "size>", "size>big", "colour=red", "version=1.5"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
