//! Storage and cluster versions.
//!
//! While members are upgraded the cluster version is above the storage version, and while they are downgraded below it, each for seconds.

use crate::finding_code::Code;

/// Storage versions that this program knows: etcd 3.6 wrote the first; 3.5 and older wrote none.
const KNOWN: &[(u64, u64)] = &[(3, 5), (3, 6), (3, 7)];

/// The numbers of `MAJOR.MINOR.PATCH`, a pre-release or build part allowed; `None` when the text is none.
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

/// Whether a storage version is one that this program knows.
#[must_use]
pub fn is_known(version: (u64, u64, u64)) -> bool {
    KNOWN.contains(&(version.0, version.1))
}

/// The oldest etcd that this program knows.
const OLDEST: (u64, u64) = (3, 3);

/// The newest etcd that this program knows.
const NEWEST: (u64, u64) = (3, 7);

/// What the two versions of a file say that no known etcd starts from, or that a newer etcd wrote it: a code, the key of the entry, and a sentence.
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
                "The cluster version is {cluster}; etcd writes 3.0.0, 3.1.0 and so on, and serves nothing under another."
            );
            Some((Code::VersionImpossible, "clusterVersion", text))
        }
        (false, false) if storage_is.is_some_and(|version| !is_known(version)) => {
            let text = format!("The storage version is {storage}, which no etcd ever wrote.");
            Some((Code::VersionImpossible, "storageVersion", text))
        }
        (false, false) => None,
    }
}

/// Whether this is a version that a cluster can have: etcd 3.6 and later look it up whole, and refuse every request under one that they do not find.
fn is_cluster_version((major, minor, patch): (u64, u64, u64), text: &str) -> bool {
    major == NEWEST.0 && minor <= NEWEST.1 && patch == 0 && text == format!("{major}.{minor}.{patch}")
}

/// The oldest etcd that etcd's own rules let start on a store with these versions, as `MAJOR.MINOR`.
///
/// etcd 3.6 and later refuse a store that is newer than themselves. Older ones look at neither version: they start from any store, which etcd does not
/// support when 3.6 or later wrote it. What was seen is recorded in `docs/what-etcd-starts-from.md`.
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
    fn only_what_3_6_or_later_wrote_asks_for_its_own() {
        assert_eq!(oldest_etcd(None, None), OLDEST);
        assert_eq!(oldest_etcd(Some("3.5.0"), None), OLDEST);
        assert_eq!(oldest_etcd(Some("3.7.0"), Some("3.6.0")), (3, 7));
        assert_eq!(oldest_etcd(Some("3.6.0"), Some("3.6.0")), (3, 6));
    }

    #[test]
    fn versions_bear_each_other_out() {
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
