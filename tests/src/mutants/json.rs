//! Mutates the JSON that etcd stores: other spellings that Go's decoder accepts, and texts that it refuses.

use super::numbers;
use crate::seeded_random::SeededRandom;

/// Returns a mutated text, and a description of the change. The input may be any bytes.
pub fn mutate(text: &[u8], rng: &mut SeededRandom) -> (Vec<u8>, String) {
    let Ok(good) = std::str::from_utf8(text) else { return (b"{}".to_vec(), "an empty object".to_owned()) };
    let name = names(good).into_iter().nth(rng.below(names(good).len())).unwrap_or_default();
    let quoted = format!("\"{name}\"");
    let (new, words) = match rng.below(16) {
        0 => (format!(" \n\t{good}\r\n "), "spaces around it".to_owned()),
        1 => (good.replacen(&quoted, &format!("\"{}\"", other_case(&name, rng)), 1), format!("{name} in other case")),
        2 => (good.replacen('{', "{\"other\":[{\"deep\":null}],", 1), "an unknown field".to_owned()),
        3 => {
            (good.replacen(&format!("{quoted}:"), &format!("{quoted}:null,{quoted}:"), 1), format!("{name} null first"))
        }
        4 => {
            let first = *rng.pick(&["0", "7", "\"x\"", "[]", "[1]", "[\"x\"]", "{}", "true", "1.0", "1e2", "-1"]);
            (
                good.replacen(&format!("{quoted}:"), &format!("{quoted}:{first},{quoted}:"), 1),
                format!("{name} {first} first"),
            )
        }
        5 => {
            let value = *rng.pick(&["null", "0", "\"x\"", "[]", "[1]", "[\"x\"]", "{}", "true", "1.0", "1e2", "-1"]);
            let end = good.rfind('}').unwrap_or(0);
            (format!("{},{quoted}:{value}{}", &good[..end], &good[end..]), format!("{name} {value} last"))
        }
        6 => (good.replacen(&quoted, &format!("\"{}\"", escaped(&name)), 1), format!("{name} in escapes")),
        7 => (good.replacen(&quoted, "\"renamed\"", 1), format!("{name} renamed")),
        8 => {
            let new = number(good, rng);
            (new, "another number".to_owned())
        }
        9 => (format!("{good}{}", rng.pick(&["x", "}", "{}", "\0", "null", ","])), "something behind it".to_owned()),
        10 => {
            ((*rng.pick(&["null", "{}", "[]", "0", "\"\"", "", " ", "true"])).to_owned(), "something else".to_owned())
        }
        11 => (good.replace(':', " : ").replace(',', " ,\n"), "spaces in it".to_owned()),
        12 => (format!("\u{FEFF}{good}"), "a byte order mark".to_owned()),
        13 => {
            let deep = rng.pick(&[100, 9_999, 10_000]);
            let value = format!("{}{}", "[".repeat(*deep), "]".repeat(*deep));
            (good.replacen('{', &format!("{{\"deep\":{value},"), 1), format!("{deep} arrays in each other"))
        }
        14 => {
            let to = rng.below(good.len());
            return (text[..to].to_vec(), format!("cut to {to} bytes"));
        }
        _ => {
            let mut bytes = text.to_vec();
            let bit = rng.below(8 * bytes.len());
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            return (bytes, format!("bit {} of byte {}", bit % 8, bit / 8));
        }
    };
    (new.into_bytes(), words)
}

/// Returns the texts in quotes before a colon.
fn names(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('"').collect();
    let named = parts.windows(2).skip(1).step_by(2).filter(|pair| pair[1].trim_start().starts_with(':'));
    named.map(|pair| pair[0].to_owned()).collect()
}

fn other_case(name: &str, rng: &mut SeededRandom) -> String {
    // Go matches the Kelvin sign and the long s with k and s in the other case.
    match rng.below(4) {
        0 => name.to_uppercase(),
        1 => name.to_lowercase(),
        2 => name.replace('k', "\u{212A}").replace('s', "\u{17F}"),
        _ => {
            name.chars().map(|c| if rng.chance(50) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
        }
    }
}

fn escaped(name: &str) -> String {
    name.chars().map(|c| format!("\\u{:04x}", c as u32)).collect()
}

/// Replaces the first number by another, or by another spelling of it.
fn number(text: &str, rng: &mut SeededRandom) -> String {
    let Some(from) = text.find(|c: char| c.is_ascii_digit()) else { return text.to_owned() };
    let len = text[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - from);
    let old = &text[from..from + len];
    let new = match rng.below(7) {
        0 => format!("0{old}"),
        1 => format!("{old}.0"),
        2 => format!("{old}e0"),
        3 => format!("-{old}"),
        4 => "18446744073709551616".to_owned(),
        5 => format!("\"{old}\""),
        _ => numbers::number_near(old.parse().unwrap_or(0), 64, rng).to_string(),
    };
    format!("{}{new}{}", &text[..from], &text[from + len..])
}
