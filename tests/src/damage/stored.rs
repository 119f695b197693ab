//! Damage to entries that etcd reads before it serves: its position in the raft log, the cluster's version and members, the compaction marks.

use prost::Message;

use super::Damage;
use super::Location::{self, Entry, Nowhere};
use super::access::{remove, rename};
use crate::build::history::revision_key;
use crate::build::message::KeyValue;
use crate::build::{Bucket, Node};
use crate::read::{File, meta};

const MISSING: &[&str] = &["entry-missing"];
const UNKNOWN: &[&str] = &["name-unknown"];
const META: &[&str] = &["meta-malformed"];
const INDEX: &[&str] = &["number-impossible"];
const EXHAUSTED: &[&str] = &["revisions-exhausted", "revisions-missing"];
const NESTED: &[&str] = &["bucket-nested"];

pub const ALL: &[Damage] = &[
    Damage::content("consistent_index_missing", MISSING, |root| remove(root, "meta", "consistent_index")),
    Damage::content("consistent_index_misspelt", UNKNOWN, |r| {
        rename(r, "meta", "consistent_index", "consistent_indey")
    }),
    Damage::content("consistent_index_0", INDEX, |root| set(root, "meta", "consistent_index", &[0; 8])),
    Damage::content("consistent_index_the_maximum", INDEX, |root| set(root, "meta", "consistent_index", &[0xFF; 8])),
    Damage::content("term_missing", MISSING, |root| remove(root, "meta", "term")),
    Damage::content("term_misspelt", UNKNOWN, |root| rename(root, "meta", "term", "tern")),
    Damage::content("term_the_maximum", INDEX, |root| {
        root.bucket("meta").value(b"term")?;
        set(root, "meta", "term", &[0xFF; 8])
    }),
    Damage::content("conf_state_voters_are_text", META, |root| set(root, "meta", "confState", br#"{"voters":["a"]}"#)),
    Damage::content("conf_state_voters_are_a_number", META, |root| set(root, "meta", "confState", br#"{"voters":7}"#)),
    Damage::content("conf_state_auto_leave_is_text", META, |root| {
        set(root, "meta", "confState", br#"{"voters":[1],"auto_leave":"no"}"#)
    }),
    Damage::content("conf_state_voters_negative", META, |root| set(root, "meta", "confState", br#"{"voters":[-5]}"#)),
    Damage::content("conf_state_empty", META, |root| set(root, "meta", "confState", b"{}")),
    Damage::content("finished_mark_misspelt", UNKNOWN, |root| {
        rename(root, "meta", "finishedCompactRev", "finishedCompactRew")
    }),
    Damage::content("storage_version_misspelt", UNKNOWN, |root| {
        rename(root, "meta", "storageVersion", "storageVersioo")
    }),
    Damage::content("downgrade_to_no_version", &["cluster-malformed"], |root| {
        set(root, "cluster", "downgrade", br#"{"target-version":"banana","enabled":true}"#)
    }),
    Damage::content("downgrade_of_wrong_types", &["cluster-malformed"], |root| {
        set(root, "cluster", "downgrade", br#"{"target-version":3,"enabled":"yes"}"#)
    }),
    Damage::content("downgrade_enabled_without_a_target", &["cluster-malformed"], |root| {
        set(root, "cluster", "downgrade", br#"{"tarfet-version":"3.5.0","enabled":true}"#)
    }),
    Damage::content("downgrade_enabled_to_a_version_far_below", &["cluster-malformed"], |root| {
        set(root, "cluster", "downgrade", br#"{"target-version":"3.1.0","enabled":true}"#)
    }),
    Damage::content("downgrade_enabled_before_3_6", &["downgrade-enabled"], |root| {
        root.bucket("meta").value(b"storageVersion").is_none().then_some(())?;
        downgrade(root)
    }),
    Damage::content("cluster_version_of_a_candidate", VERSION, |root| {
        let version = [root.bucket("cluster").value(b"clusterVersion")?, b"-rc.1"].concat();
        set(root, "cluster", "clusterVersion", &version)
    }),
    Damage::content("cluster_version_of_no_major", VERSION, |root| set(root, "cluster", "clusterVersion", b"1.6.0")),
    Damage::content("cluster_version_with_a_patch", VERSION, |root| {
        let version = root.bucket("cluster").value(b"clusterVersion")?.strip_suffix(b"0")?.to_vec();
        set(root, "cluster", "clusterVersion", &[&version[..], b"4"].concat())
    }),
    Damage::content("cluster_version_of_the_next_minor", VERSION, |root| {
        set(root, "cluster", "clusterVersion", b"3.8.0")
    }),
    Damage::content("storage_version_of_the_next_minor", VERSION, |root| set(root, "meta", "storageVersion", b"3.8.0")),
    Damage::content("both_versions_of_the_next_minor", &["version-unknown"], |root| {
        set(root, "cluster", "clusterVersion", b"3.8.0");
        set(root, "meta", "storageVersion", b"3.8.0")
    }),
    Damage::content("cluster_version_missing", MISSING, |root| remove(root, "cluster", "clusterVersion")),
    Damage::content("cluster_version_misspelt", UNKNOWN, |root| {
        rename(root, "cluster", "clusterVersion", "clusterVersiom")
    }),
    Damage::content("cluster_version_of_a_later_minor", VERSION, |root| {
        set(root, "cluster", "clusterVersion", b"3.99.0")
    }),
    Damage::content("cluster_version_of_a_later_major", VERSION, |root| {
        set(root, "cluster", "clusterVersion", b"19.0.0")
    }),
    Damage::content("members_empty", &["members-missing"], |root| {
        root.bucket("members").entries.clear();
        Some(Nowhere)
    }),
    Damage::content("member_there_and_removed", &["member-removed"], |root| {
        let id = root.bucket("members").entries.first_key_value()?.0.clone();
        root.bucket("members_removed").put(id.clone(), "removed");
        Some(Entry("members_removed", id))
    }),
    Damage::content("last_revision_is_the_largest_number", EXHAUSTED, |root| last_revision(root, i64::MAX)),
    Damage::content("compaction_at_the_largest_number", &["revisions-exhausted"], |root| {
        compaction(root, &["scheduledCompactRev", "finishedCompactRev"], (i64::MAX, 0))
    }),
    Damage::content("last_revision_is_the_largest_but_one", EXHAUSTED, |root| last_revision(root, i64::MAX - 1)),
    Damage::content("last_revision_is_a_quarter_of_the_largest", &["revisions-missing"], |root| {
        last_revision(root, i64::MAX / 4)
    }),
    Damage::content("compaction_far_above_the_last_revision", &["compacted-revision-missing"], |root| {
        compaction(root, &["scheduledCompactRev", "finishedCompactRev"], (1 << 40, 0))
    }),
    Damage::content("compaction_scheduled_far_above_the_last_revision", &["compaction-marks"], |root| {
        compaction(root, &["scheduledCompactRev"], (1 << 40, 0))
    }),
    Damage::content("compaction_scheduled_at_the_largest_number", &["revisions-exhausted"], |root| {
        compaction(root, &["scheduledCompactRev"], (i64::MAX, 0))
    }),
    Damage::content("compaction_scheduled_within_a_transaction", META, |root| {
        let main = revision(root.bucket("key").entries.last_key_value()?.0);
        compaction(root, &["scheduledCompactRev"], (main, 7))
    }),
    Damage::content("bucket_without_a_name", &["bucket-invalid"], |root| {
        root.entries.insert(Vec::new(), Node::Bucket(Bucket::default()));
        Some(Nowhere)
    }),
    Damage::content("bucket_of_another_name", &["bucket-unknown"], |root| {
        root.bucket("leasf");
        Some(Nowhere)
    }),
    Damage::content("bucket_within_bucket_meta", NESTED, |root| nest(root, "meta")),
    Damage::content("bucket_within_bucket_auth", NESTED, |root| nest(root, "auth")),
    Damage::content("bucket_within_bucket_auth_users", NESTED, |root| nest(root, "authUsers")),
    Damage::content("bucket_within_bucket_lease", NESTED, |root| nest(root, "lease")),
    Damage::content("bucket_within_bucket_members", NESTED, |root| nest(root, "members")),
    Damage::content("bucket_within_bucket_cluster", NESTED, |root| nest(root, "cluster")),
    Damage::content("bucket_within_bucket_alarm", NESTED, |root| nest(root, "alarm")),
    Damage::pages("meta_0_of_an_impossible_page_size", &["page-size-mismatch"], |f| page_size(f, 0, 5000)),
    Damage::pages("meta_1_of_an_impossible_page_size", &["meta-invalid"], |file| page_size(file, 1, 5000)),
    Damage::pages("meta_0_of_page_size_0", &["page-size-mismatch"], |file| page_size(file, 0, 0)),
    Damage::pages("meta_1_of_another_page_size", &["meta-invalid"], |file| {
        page_size(file, 1, file.page_size as u32 * 2)
    }),
    Damage::pages("meta_0_under_a_wrong_number", &["meta-invalid"], |file| meta_number(file, 0)),
    Damage::pages("meta_1_under_a_wrong_number", &["meta-invalid"], |file| meta_number(file, 1)),
    Damage::content("store_empty", &["store-empty"], |root| {
        for bucket in ["key", "lease"] {
            root.bucket(bucket).entries.clear();
        }
        for name in [&b"scheduledCompactRev"[..], b"finishedCompactRev"] {
            root.bucket("meta").entries.remove(name);
        }
        Some(Nowhere)
    }),
];

/// Contents that a healthy cluster may have.
pub(super) const HEALTHY: &[Damage] = &[
    Damage::content("conf_state_missing", &[], |root| remove(root, "meta", "confState")),
    Damage::content("conf_state_of_other_members", &[], |root| {
        root.bucket("meta").value(b"confState")?;
        set(root, "meta", "confState", br#"{"voters":[1,2,3],"auto_leave":false}"#)
    }),
    Damage::content("cluster_version_above_the_storage_version", &[], |root| {
        (root.bucket("cluster").value(b"clusterVersion")? == b"3.7.0").then_some(())?;
        set(root, "meta", "storageVersion", b"3.6.0")
    }),
    Damage::content("downgrade_enabled_since_3_6", &[], |root| {
        root.bucket("meta").value(b"storageVersion")?;
        downgrade(root)
    }),
    Damage::content("key_auth_enabled_missing", &[], |root| remove(root, "auth", "authEnabled")),
];

const VERSION: &[&str] = &["version-impossible"];

fn set(root: &mut Bucket, bucket: &'static str, key: &str, value: &[u8]) -> Option<Location> {
    root.bucket(bucket).put(key, value);
    Some(Entry(bucket, key.into()))
}

/// Enables the downgrade to the previous minor version.
fn downgrade(root: &mut Bucket) -> Option<Location> {
    let version = String::from_utf8(root.bucket("cluster").value(b"clusterVersion")?.to_vec()).ok()?;
    let minor: u32 = version.split('.').nth(1)?.parse().ok()?;
    let text = format!(r#"{{"target-version":"3.{}.0","enabled":true}}"#, minor - 1);
    set(root, "cluster", "downgrade", text.as_bytes())
}

fn revision(key: &[u8]) -> i64 {
    i64::from_be_bytes(key[..8].try_into().expect("eight bytes"))
}

fn last_revision(root: &mut Bucket, main: i64) -> Option<Location> {
    let message = KeyValue {
        key: b"last".to_vec(),
        create_revision: main,
        mod_revision: main,
        version: 1,
        ..KeyValue::default()
    };
    let key = revision_key((main, 0), false);
    root.bucket("key").put(key.clone(), message.encode_to_vec());
    Some(Entry("key", key))
}

/// Sets compaction marks.
fn compaction(root: &mut Bucket, marks: &[&str], at: (i64, i64)) -> Option<Location> {
    root.bucket("key").entries.last_key_value()?;
    for name in marks {
        root.bucket("meta").put(*name, revision_key(at, false));
    }
    Some(Nowhere)
}

fn nest(root: &mut Bucket, bucket: &'static str) -> Option<Location> {
    let mut below = Bucket::default();
    below.put("a", "b");
    root.bucket(bucket).entries.insert(b"nested".to_vec(), Node::Bucket(below));
    Some(Entry(bucket, b"nested".to_vec()))
}

fn page_size(file: &mut File, page: u64, size: u32) -> Option<Location> {
    file.put_u32(file.at(page) + meta::PAGE_SIZE, size);
    file.update_meta_checksum(page);
    Some(Nowhere)
}

fn meta_number(file: &mut File, page: u64) -> Option<Location> {
    file.put_u64(file.at(page), 5);
    Some(Nowhere)
}
