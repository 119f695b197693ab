//! Objects as `TYPE/NAME`.

use etcdsnap::{ObjectName, printable};

use crate::cli::failure::Failure;

/// Parses TYPE/NAME; an error shows `example`.
///
/// # Errors
/// When it is something else.
pub fn parse(object: &str, namespace: Option<&str>, example: &str) -> Result<ObjectName, Failure> {
    match split(object) {
        Some((kind, name)) => {
            Ok(ObjectName { kind: kind.into(), namespace: namespace.map(str::to_owned), name: name.into() })
        }
        None => Err(Failure::new(format!("{} is not TYPE/NAME", printable(object)), example)),
    }
}

/// Splits TYPE/NAME; `None` for anything else.
pub fn split(object: &str) -> Option<(&str, &str)> {
    let (kind, name) = object.split_once('/')?;
    let is_one = !kind.is_empty() && !name.is_empty() && !name.contains('/') && !kind.eq_ignore_ascii_case("all");
    is_one.then_some((kind, name))
}
