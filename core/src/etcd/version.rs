//! Storage and cluster versions.
//!
//! The two are equal, except for some seconds: during an upgrade the cluster version is higher, during a downgrade
//! lower.

use crate::finding_code::Code;

/// Storage versions that this program knows. etcd 3.6 wrote the first; 3.5 and older wrote none.
const KNOWN: &[(u64, u64)] = &[(3, 5), (3, 6), (3, 7)];

/// Parses `MAJOR.MINOR.PATCH`, with an optional pre-release or build part; `None` if the text is not a version.
#[must_use]
pub fn parse(text: &str) -> Option<(u64, u64, u64)> {
    let core = text.split(['-', '+']).next()?;
    let mut numbers = core.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let version = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(version)
}

/// Whether this program knows a storage version.
#[must_use]
pub fn is_known(version: (u64, u64, u64)) -> bool {
    KNOWN.contains(&(version.0, version.1))
}

/// The oldest etcd that this program knows.
const OLDEST: (u64, u64) = (3, 3);

/// The newest etcd that this program knows.
const NEWEST: (u64, u64) = (3, 7);

/// Checks the cluster version and the storage version of a file. If no known etcd starts from them, or an etcd newer
/// than this program wrote them, returns a code, the key of the entry and a sentence.
#[must_use]
pub fn contradiction(cluster: Option<&str>, storage: Option<&str>) -> Option<(Code, &'static str, String)> {
    let known = "this program knows etcd up to 3.7";
    let (cluster_is, storage_is) = (cluster.and_then(parse), storage.and_then(parse));
    let (cluster, storage) = (cluster.unwrap_or("missing"), storage.unwrap_or("missing"));
    let is_newer = |version: Option<(u64, u64, u64)>| version.is_some_and(|(major, minor, _)| (major, minor) > NEWEST);
    match (is_newer(cluster_is), is_newer(storage_is)) {
        (true, true) => {
            let text = format!("The cluster version is {cluster}, the storage version {storage}; {known}.");
            Some((Code::VersionUnknown, "storageVersion", text))
        }
        (true, false) => {
            let text = format!("The cluster version is {cluster}, but the storage version is {storage}; {known}.");
            Some((Code::VersionImpossible, "clusterVersion", text))
        }
        (false, true) => {
            let text = format!("The storage version is {storage}, but the cluster version is {cluster}; {known}.");
            Some((Code::VersionImpossible, "storageVersion", text))
        }
        (false, false) if cluster_is.is_some_and(|version| !is_cluster_version(version, cluster)) => {
            let text = format!(
                "The cluster version is {cluster}; etcd writes only 3.0.0, 3.1.0 and so on, and serves no request under another version."
            );
            Some((Code::VersionImpossible, "clusterVersion", text))
        }
        (false, false) if storage_is.is_some_and(|version| !is_known(version)) => {
            let text = format!("The storage version is {storage}, which etcd never writes.");
            Some((Code::VersionImpossible, "storageVersion", text))
        }
        (false, false) => None,
    }
}

/// Whether a cluster can have this version. etcd 3.6 and later look up the whole version in a table, and refuse every
/// request if it is not there.
fn is_cluster_version((major, minor, patch): (u64, u64, u64), text: &str) -> bool {
    major == NEWEST.0 && minor <= NEWEST.1 && patch == 0 && text == format!("{major}.{minor}.{patch}")
}

/// Returns the oldest etcd that, by etcd's own rules, starts from a store with these versions, as `MAJOR.MINOR`.
///
/// etcd 3.6 and later refuse a store that is newer than themselves. Older ones check neither version: they start from
/// any store, although etcd does not support that if 3.6 or later wrote it. `docs/what-etcd-starts-from.md` records the
/// observations.
#[must_use]
pub fn oldest_etcd(cluster: Option<&str>, storage: Option<&str>) -> (u64, u64) {
    let newest =
        [cluster, storage].into_iter().flatten().filter_map(parse).map(|(major, minor, _)| (major, minor)).max();
    newest.filter(|version| *version >= (3, 6)).unwrap_or(OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stores_of_etcd_3_6_or_later_need_a_newer_etcd() {
        assert_eq!(oldest_etcd(None, None), OLDEST);
        assert_eq!(oldest_etcd(Some("3.5.0"), None), OLDEST);
        assert_eq!(oldest_etcd(Some("3.7.0"), Some("3.6.0")), (3, 7));
        assert_eq!(oldest_etcd(Some("3.6.0"), Some("3.6.0")), (3, 6));
    }

    #[test]
    fn contradictory_versions_are_found() {
        let code = |cluster, storage| contradiction(cluster, storage).map(|(code, ..)| code);
        for storage in [None, Some("3.5.0"), Some("3.6.0"), Some("3.7.0")] {
            for cluster in [None, Some("3.6.0"), Some("3.7.0")] {
                assert_eq!(code(cluster, storage), None, "{cluster:?} {storage:?}");
            }
            assert_eq!(code(Some("3.8.0"), storage), Some(Code::VersionImpossible));
        }
        for (cluster, storage) in
            [("1.6.0", None), ("3.6.4", Some("3.6.0")), ("3.7.0+meta", None), ("3.7.0-rc.0", None), ("3.07.0", None)]
        {
            assert_eq!(code(Some(cluster), storage), Some(Code::VersionImpossible), "{cluster}");
        }
        assert_eq!(code(Some("3.0.0"), None), None);
        assert_eq!(code(Some("3.8.0"), Some("3.8.0")), Some(Code::VersionUnknown));
        assert_eq!(code(Some("3.7.0"), Some("3.8.0")), Some(Code::VersionImpossible));
        assert_eq!(code(Some("3.7.0"), Some("2.6.0")), Some(Code::VersionImpossible));
    }

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(parse("3.6.0"), Some((3, 6, 0)));
        assert_eq!(parse("3.7.0-rc.1"), Some((3, 7, 0)));
        for text in ["", "3", "3.6", "3.6.0.1", "a.b.c", "3..0", "+3.6.0"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
