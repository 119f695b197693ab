//! `--filter`: words and conditions on keys, such as `size>100kB`.

use etcdsnap::core::kubernetes::key_search::KeySearch;

use crate::cli::failure::Failure;

/// Advice after every error.
const ADVICE: &str = "A condition is a name, a sign and a value. Sizes, revisions and leases: size>100kB, size<=1.5MiB, create>=1000, rev=1234, version!=1, lease=7f3a. Kubernetes: kind:deploy, ns:shop. Texts: nginx, ^/registry/pods/, key~nginx, key!~test, value~10.0.0.7.";

/// Parses all `--filter` arguments; a key must meet all of them.
///
/// # Errors
/// When one is not a condition; the error says what is wrong and what is possible.
pub fn parse(texts: &[String]) -> Result<KeySearch, Failure> {
    let mut all = KeySearch::default();
    for text in texts {
        let search = KeySearch::parse_option(text).map_err(|error| {
            Failure::new(format!("--filter {:?} is not a condition: {}", etcdsnap::printable(text), error.why), ADVICE)
        })?;
        if search.is_empty() {
            let why = format!("--filter {:?} is empty", etcdsnap::printable(text));
            return Err(Failure::new(why, ADVICE));
        }
        all = all.and(search);
    }
    Ok(all)
}
