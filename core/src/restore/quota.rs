//! etcd's database quota, and the quota that a restored database needs.

/// Default quota in bytes. Source: `DefaultQuotaBytes` of etcd's `server/storage/quota.go`, the same from 3.4 to 3.7.
pub const DEFAULT_QUOTA: u64 = 2 << 30;

/// Largest quota without a warning from etcd, in bytes. Source: `MaxQuotaBytes` in the same file.
const RECOMMENDED: u64 = 8 << 30;

/// Returns the `--quota-backend-bytes` to use for a database of `database` bytes; `None` if the default quota is
/// enough, because the database takes at most three quarters of it.
///
/// etcd compares the quota with the whole file, free pages included, and at the limit it refuses every write with the
/// alarm NOSPACE. The returned quota is at least twice the size of the database, rounded up to a power of two, but at
/// most 8 GiB if the database takes no more than three quarters of that, because etcd warns of larger quotas.
#[must_use]
pub fn needed_quota(database: u64) -> Option<u64> {
    let quarters = |quota: u64| quota.saturating_sub(quota / 4);
    if database <= quarters(DEFAULT_QUOTA) {
        return None;
    }
    let doubled = database.saturating_mul(2).checked_next_power_of_two().unwrap_or(u64::MAX);
    let quota = if database <= quarters(RECOMMENDED) { doubled.min(RECOMMENDED) } else { doubled };
    // The flag is an i64.
    Some(quota.min(i64::MAX.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_near_the_default_gets_more() {
        const GIB: u64 = 1 << 30;
        for (database, quota) in [
            (0, None),
            (3 * GIB / 2, None),
            (3 * GIB / 2 + 1, Some(4 * GIB)),
            (2 * GIB, Some(4 * GIB)),
            (2_300_000_000, Some(8 * GIB)),
            (5 * GIB, Some(8 * GIB)),
            (6 * GIB, Some(8 * GIB)),
            (6 * GIB + 1, Some(16 * GIB)),
            (u64::MAX, Some(i64::MAX as u64)),
        ] {
            assert_eq!(needed_quota(database), quota, "{database}");
        }
    }
}
