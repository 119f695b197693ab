//! Checks that need all small buckets: missing entries, and entries that contradict each other.
//!
//! `docs/what-etcd-starts-from.md` records what real servers do with each.

use crate::etcd::bucket_rules::Facts;
use crate::etcd::revision::Revision;
use crate::etcd::version;
use crate::finding::Finding;
use crate::finding_code::Code;

/// Smallest value considered impossible for a number that etcd or bbolt counts up from 1: half of the 64-bit range.
pub const IMPOSSIBLE: u64 = 1 << 63;

/// Number of revisions that must be left for writes. At a million per second they last for more than an hour.
const REVISIONS_LEFT: u64 = 1 << 32;

/// Judges the small buckets as a whole. `has` says whether a bucket exists; entries of missing buckets are not reported
/// here.
#[must_use]
pub fn judge(facts: &Facts, has: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |code: Code, key: &str, text: String| {
        let finding = Finding::new(code, text).key(key.as_bytes());
        found.push(match facts.places.get(key) {
            Some((page, offset)) => finding.page(*page).offset(*offset),
            None => finding,
        });
    };
    let versions = [facts.cluster_version.as_deref(), facts.storage_version.as_deref()];
    let since_3_5 = versions.into_iter().flatten().filter_map(version::parse).any(|version| version >= (3, 5, 0));
    for (bucket, name, wanted) in [
        ("meta", "consistent_index", true),
        ("meta", "term", since_3_5),
        ("cluster", "clusterVersion", true),
        ("auth", "authRevision", true),
    ] {
        if wanted && !facts.places.contains_key(name) && has(bucket) {
            say(Code::EntryMissing, name, format!("Bucket `{bucket}` has no entry `{name}`."));
        }
    }
    for (name, number) in
        [("consistent_index", facts.consistent_index), ("term", facts.term), ("authRevision", facts.access.revision)]
    {
        if let Some(number) = number.filter(|number| *number == 0 || *number >= IMPOSSIBLE) {
            say(Code::NumberImpossible, name, format!("`{name}` is {number}; etcd counts it up from 1."));
        }
    }
    for (name, mark) in
        [("finishedCompactRev", facts.finished_compact), ("scheduledCompactRev", facts.scheduled_compact)]
    {
        if let Some(mark) = mark.filter(|mark| !leaves_revisions(*mark)) {
            say(
                Code::RevisionsExhausted,
                name,
                format!("`{name}` is {mark}; the largest revision is {}.", Revision::MAX),
            );
        }
    }
    if let Some((code, key, text)) = version::contradiction(versions[0], versions[1]) {
        say(code, key, text);
    }
    if let Some(target) = &facts.downgrade
        && let Some((code, text)) = downgrade(target, versions[0], versions[1])
    {
        say(code, "downgrade", text);
    }
    if facts.access.enabled && !facts.access.has_root {
        let text = "Authentication is on, but there is no user `root` with the role `root`.";
        let key = if facts.places.contains_key("root") { "root" } else { "authEnabled" };
        say(Code::AuthWithoutRoot, key, text.into());
    }
    if facts.members == 0 && has("members") {
        say(Code::MembersMissing, "members", "Bucket `members` is empty.".into());
    }
    found
}

/// Judges an enabled downgrade to version `target`.
///
/// A downgrade leads to the previous minor version, which then becomes the cluster version, until all members run it.
/// etcd 3.6 and later start from it.
fn downgrade(target: &str, cluster: Option<&str>, storage: Option<&str>) -> Option<(Code, String)> {
    let (major, minor, _) = version::parse(cluster?)?;
    let (to_major, to_minor, _) = version::parse(target)?;
    if to_major != major || !(to_minor == minor || to_minor.checked_add(1) == Some(minor)) {
        let text = format!("A downgrade to {target} is enabled, but the cluster version is {}.", cluster?);
        return Some((Code::ClusterMalformed, text));
    }
    if storage.is_some() {
        return None;
    }
    let text = format!("A downgrade to {target} is enabled; the cluster version is {}.", cluster?);
    Some((Code::DowngradeEnabled, text))
}

/// Whether enough revisions are left for writes to a store at this revision.
#[must_use]
pub fn leaves_revisions(revision: Revision) -> bool {
    Revision::MAX.since(revision) > REVISIONS_LEFT
}
