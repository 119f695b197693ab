//! The bound of the values of small buckets: members, users, alarms and the like.

use crate::limits::MAX_SMALL_VALUE;

/// A value, if it is of a length that etcd could have written: decoded, it can take thirty times that.
pub(crate) fn small(value: &[u8]) -> Result<&[u8], String> {
    if value.len() > MAX_SMALL_VALUE {
        return Err(format!("{} bytes where etcd writes a few hundred", value.len()));
    }
    Ok(value)
}
