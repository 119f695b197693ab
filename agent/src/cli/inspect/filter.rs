//! `--filter`: conditions on keys, such as `size>100kB`.

use etcdsnap::core::store::filter::{Filter, FilterError};

use super::key_text;
use crate::cli::failure::Failure;

/// What every complaint ends with.
const ADVICE: &str = "A condition is a name, a sign and a value. Sizes, revisions and leases: size>100kB, size<=1.5MiB, create>=1000, mod=1234, version!=1, lease=7f3a. Texts: key~nginx, key!~test, value~10.0.0.7.";

/// Reads a condition.
///
/// # Errors
/// When it is none: what is wrong with it, and what there is.
pub fn parse(text: &str) -> Result<Filter, Failure> {
    Filter::parse(text).map_err(|error| match error {
        FilterError::Quotes(part) => key_text::not_in_quotes(&part),
        why => Failure::new(format!("--filter {:?} is no condition: {why}", etcdsnap::printable(text)), ADVICE),
    })
}
