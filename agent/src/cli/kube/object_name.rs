//! One object, as `TYPE/NAME`.

use etcdsnap::{ObjectName, printable};

use crate::cli::failure::Failure;

/// Reads it; `example` is for who writes something else.
///
/// # Errors
/// When it is none.
pub fn parse(object: &str, namespace: &str, example: &str) -> Result<ObjectName, Failure> {
    match object.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !kind.eq_ignore_ascii_case("all") => {
            Ok(ObjectName { kind: kind.into(), namespace: namespace.into(), name: name.into() })
        }
        _ => Err(Failure::new(format!("{} is not TYPE/NAME", printable(object)), example)),
    }
}
