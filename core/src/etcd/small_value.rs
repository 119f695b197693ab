//! The length limit for values of small buckets: members, users, alarms and the like.

use crate::limits::MAX_SMALL_VALUE;

/// Returns `value`, or an error if it is longer than etcd ever writes it. Decoded, a value can take thirty times as
/// much memory.
pub(crate) fn checked_length(value: &[u8]) -> Result<&[u8], String> {
    if value.len() > MAX_SMALL_VALUE {
        return Err(format!("the value has {} bytes, but etcd writes a few hundred", value.len()));
    }
    Ok(value)
}
