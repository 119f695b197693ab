//! The order of keys in kubectl's YAML: letters come after other characters, and numbers are compared by value, so that `a2` comes before `a10`.
//!
//! Source: `keyList.Less` of `go.yaml.in/yaml/v2`, with which `sigs.k8s.io/yaml` writes. It is not a strict order for all texts, so the sort here does not rely on one.
//! Combining marks count as letters here, which makes a difference only for keys that Kubernetes does not have.

/// Whether `a` comes before `b`.
#[must_use]
pub fn is_before(a: &str, b: &str) -> bool {
    // Most keys differ in a letter.
    let (mut left, mut right) = (a.chars(), b.chars());
    let mut nonzero_digit = false;
    loop {
        let (before_left, before_right) = (left.as_str(), right.as_str());
        match (left.next(), right.next()) {
            (Some(x), Some(y)) if x == y => {
                nonzero_digit = x.is_numeric() && (nonzero_digit || x != '0');
            }
            (Some(x), Some(y)) => match (x.is_alphabetic(), y.is_alphabetic()) {
                (true, true) => return x < y,
                (true, false) => return false,
                (false, true) => return true,
                (false, false) => {
                    // A zero within a number is one of its digits.
                    let start = u64::from((x == '0' || y == '0') && nonzero_digit);
                    let (x_value, x_len) = number(start, before_left);
                    let (y_value, y_len) = number(start, before_right);
                    return (x_value, x_len, x) < (y_value, y_len, y);
                }
            },
            (x, y) => return x.is_none() && y.is_some(),
        }
    }
}

/// Parses the digits that continue a number; returns its value and the number of digits. Overflow wraps around, as in Go.
fn number(start: u64, text: &str) -> (i64, usize) {
    let mut value = start;
    let mut len = 0_usize;
    for digit in text.chars().map_while(|sign| sign.to_digit(10)) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        len = len.saturating_add(1);
    }
    (value.cast_signed(), len)
}

/// Sorts by merging, which does not require a strict order.
pub fn sort<T: Clone>(items: &mut Vec<T>, key: impl Fn(&T) -> &str + Copy) {
    let in_order = |pair: &[T]| matches!(pair, [a, b] if !is_before(key(b), key(a)));
    if items.windows(2).all(in_order) {
        return;
    }
    let mut right = items.split_off(items.len().div_euclid(2));
    sort(items, key);
    sort(&mut right, key);
    let mut merged = Vec::with_capacity(items.len().saturating_add(right.len()));
    let (mut left, mut right) = (items.drain(..).peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if is_before(key(b), key(a)) { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    *items = merged;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_their_value() {
        // The expected order is that of sigs.k8s.io/yaml.
        let want = ["", "1", "2", "10", "A", "Z", "a", "a-1", "a-2", "a-10", "a.b", "a1", "a2", "a10", "ab", "b"];
        let mut keys: Vec<&str> = want.to_vec();
        keys.reverse();
        sort(&mut keys, |key| key);
        assert_eq!(keys, want);
    }
}
