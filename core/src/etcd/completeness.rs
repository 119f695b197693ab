//! Checks that need the contents of all small buckets: missing entries, and entries that contradict each other.
//!
//! `docs/what-etcd-starts-from.md` records how real servers react to each of these problems.

use crate::etcd::bucket_rules::SchemaFacts;
use crate::etcd::revision::Revision;
use crate::etcd::version;
use crate::finding::Finding;
use crate::finding_code::Code;

/// Smallest impossible value of a counter that etcd or bbolt counts up from 1: half of the 64-bit range.
pub const IMPOSSIBLE_COUNTER: u64 = 1 << 63;

/// Number of revisions that must be left for writes: enough for more than an hour at a million writes per second.
const REVISIONS_LEFT: u64 = 1 << 32;

/// Checks the contents of the small buckets together; returns the findings. `has` returns whether a bucket exists:
/// entries of missing buckets are not reported.
#[must_use]
pub fn judge_schema(facts: &SchemaFacts, has: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report = |code: Code, key: &str, text: String| {
        let finding = Finding::new(code, text).key(key.as_bytes());
        findings.push(match facts.locations.get(key) {
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
        if wanted && !facts.locations.contains_key(name) && has(bucket) {
            report(Code::EntryMissing, name, format!("Bucket `{bucket}` has no entry `{name}`."));
        }
    }
    for (name, number) in
        [("consistent_index", facts.consistent_index), ("term", facts.term), ("authRevision", facts.auth.revision)]
    {
        if let Some(number) = number.filter(|number| *number == 0 || *number >= IMPOSSIBLE_COUNTER) {
            report(Code::NumberImpossible, name, format!("`{name}` is {number}; etcd counts it up from 1."));
        }
    }
    for (name, compaction) in
        [("finishedCompactRev", facts.finished_compact), ("scheduledCompactRev", facts.scheduled_compact)]
    {
        if let Some(compaction) = compaction.filter(|compaction| !leaves_revisions(*compaction)) {
            report(
                Code::RevisionsExhausted,
                name,
                format!("`{name}` is {compaction}; the largest revision is {}.", Revision::MAX),
            );
        }
    }
    if let Some((code, key, text)) = version::contradiction(versions[0], versions[1]) {
        report(code, key, text);
    }
    if let Some(target) = &facts.downgrade
        && let Some((code, text)) = downgrade(target, versions[0], versions[1])
    {
        report(code, "downgrade", text);
    }
    if facts.auth.enabled && !facts.auth.has_root {
        let text = "Authentication is on, but there is no user `root` with the role `root`.";
        let key = if facts.locations.contains_key("root") { "root" } else { "authEnabled" };
        report(Code::AuthWithoutRoot, key, text.into());
    }
    if facts.members == 0 && has("members") {
        report(Code::MembersMissing, "members", "Bucket `members` is empty.".into());
    }
    findings
}

/// Checks an enabled downgrade to version `target`; returns a code and a sentence if it is a problem.
///
/// A downgrade leads to the previous minor version. While it runs, the cluster version becomes the target version. A
/// storage version shows that etcd 3.6 or later wrote the file, which starts from it despite the downgrade.
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
