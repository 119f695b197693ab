//! Damage to bucket headers and inline buckets.

use super::Damage;
use super::Location::{self, Nowhere, Pages};
use crate::build::{Bucket, Node};
use crate::read::{BRANCH, File, Leaf};

const MISSING: &[&str] = &["bucket-missing"];
const HEADER: &[&str] = &["bucket-invalid"];
const ROOT: &[&str] = &["page-out-of-range", "bucket-invalid"];
/// An inline bucket's page is part of a bucket's value, so codes of both are right.
const COUNT: &[&str] = &["page-count", "bucket-invalid", "element-range"];
const ELEMENT: &[&str] = &["element-range", "bucket-invalid", "page-layout"];

pub const ALL: &[Damage] = &[
    Damage::content("bucket_key_missing", MISSING, |root| missing(root, "key")),
    Damage::content("bucket_meta_missing", MISSING, |root| missing(root, "meta")),
    Damage::content("bucket_lease_missing", MISSING, |root| missing(root, "lease")),
    Damage::content("bucket_members_missing", MISSING, |root| missing(root, "members")),
    Damage::content("bucket_cluster_missing", MISSING, |root| missing(root, "cluster")),
    Damage::content("bucket_auth_missing", MISSING, |root| missing(root, "auth")),
    Damage::content("bucket_alarm_missing", MISSING, |root| missing(root, "alarm")),
    Damage::content("every_bucket_missing", MISSING, every_bucket_missing),
    Damage::content("bucket_within_bucket_key", IN_KEY, bucket_in_key),
    Damage::pages("bucket_header_short", HEADER, bucket_header_short),
    Damage::pages("bucket_is_a_value", &["bucket-invalid", "bucket-missing", "element-flags"], bucket_is_a_value),
    Damage::pages("bucket_root_behind_the_end", ROOT, |file| bucket_root(file, |file| file.meta().pages + 1)),
    Damage::pages("bucket_root_is_the_largest_number", ROOT, |file| bucket_root(file, |_| u64::MAX)),
    Damage::pages("bucket_root_is_a_meta_page", META_PAGE, |file| bucket_root(file, |_| 1)),
    Damage::pages("bucket_root_is_0", &["bucket-invalid"], |file| bucket_root(file, |_| 0)),
    Damage::pages("inline_count_too_high", COUNT, |file| inline_u16(file, 10, 0xFFFF)),
    Damage::pages("inline_count_one_too_low", &["page-layout", "bucket-invalid"], inline_count_low),
    Damage::pages("inline_count_is_0", &["page-layout"], |file| inline_u16(file, 10, 0)),
    Damage::pages("bucket_header_long", &["page-layout"], bucket_header_long),
    Damage::pages("inline_type_is_branch", &["bucket-invalid", "page-type"], |file| inline_u16(file, 8, BRANCH)),
    Damage::pages("inline_without_a_type", &["bucket-invalid", "page-type"], |file| inline_u16(file, 8, 0)),
    Damage::pages("inline_position_behind_the_value", ELEMENT, |file| inline_element(file, 4, 1 << 16)),
    Damage::pages("inline_key_size_behind_the_value", ELEMENT, |file| inline_element(file, 8, u32::MAX)),
    Damage::pages("inline_value_size_behind_the_value", ELEMENT, |file| inline_element(file, 12, 100_000)),
    Damage::pages("inline_element_flag_unknown", &["element-flags", "bucket-invalid"], |f| inline_element(f, 0, 4)),
    Damage::pages("inline_keys_out_of_order", &["key-order", "bucket-invalid"], inline_keys_out_of_order),
];

const META_PAGE: &[&str] = &["page-type", "page-out-of-range", "bucket-invalid", "page-shared"];
const IN_KEY: &[&str] = &["revision-malformed", "bucket-invalid", "keyvalue-malformed"];

fn missing(root: &mut Bucket, name: &str) -> Option<Location> {
    root.entries.remove(name.as_bytes())?;
    Some(Nowhere)
}

fn every_bucket_missing(root: &mut Bucket) -> Option<Location> {
    root.entries.clear();
    Some(Nowhere)
}

fn bucket_in_key(root: &mut Bucket) -> Option<Location> {
    let mut below = Bucket::default();
    below.put("a", "b");
    root.bucket("key").entries.insert(b"nested".to_vec(), Node::Bucket(below));
    Some(Nowhere)
}

/// Shortens the last bucket header of the root's last page, so that the page's layout stays valid.
fn bucket_header_short(file: &mut File) -> Option<Location> {
    let bucket = file.bucket("meta")?;
    file.put_u32(bucket.at + 12, 8);
    Some(Pages(vec![bucket.page]))
}

/// Lengthens the value of a bucket with its own pages by a byte; everything after it moves.
fn bucket_header_long(file: &mut File) -> Option<Location> {
    let root = file.meta().root;
    let buckets = file.leaves(root);
    let long = buckets.iter().position(|bucket| !file.is_inline(bucket))?;
    let (start, end) = (buckets[long].value.end, buckets.last()?.value.end);
    (end < file.at(root) + file.page_size).then_some(())?;
    file.bytes.copy_within(start..end, start + 1);
    file.put_u32(buckets[long].at + 12, 17);
    for behind in &buckets[long + 1..] {
        file.put_u32(behind.at + 4, file.u32(behind.at + 4) + 1);
    }
    Some(Pages(vec![root]))
}

fn bucket_is_a_value(file: &mut File) -> Option<Location> {
    let bucket = file.bucket("key")?;
    file.put_u32(bucket.at, 0);
    Some(Nowhere)
}

fn bucket_root(file: &mut File, root: impl Fn(&File) -> u64) -> Option<Location> {
    let bucket = file.bucket("key").filter(|bucket| !file.is_inline(bucket))?;
    let root = root(file);
    file.put_u64(bucket.value.start, root);
    Some(Pages(vec![bucket.page, root]))
}

/// Finds an inline bucket with at least this many entries.
fn inline(file: &File, entries: usize) -> Option<(Leaf, Vec<Leaf>)> {
    ["meta", "cluster", "auth", "authUsers", "members", "lease"].iter().find_map(|name| {
        let bucket = file.bucket(name).filter(|bucket| file.is_inline(bucket))?;
        Some((bucket, file.entries(name))).filter(|(_, found)| found.len() >= entries)
    })
}

fn inline_u16(file: &mut File, field: usize, value: u16) -> Option<Location> {
    let (bucket, _) = inline(file, 1)?;
    file.put_u16(bucket.value.start + 16 + field, value);
    Some(Pages(vec![bucket.page]))
}

fn inline_count_low(file: &mut File) -> Option<Location> {
    let (_, entries) = inline(file, 2)?;
    inline_u16_of(file, entries.len() as u16 - 1)
}

fn inline_u16_of(file: &mut File, count: u16) -> Option<Location> {
    let (bucket, _) = inline(file, 2)?;
    file.put_u16(bucket.value.start + 16 + 10, count);
    Some(Pages(vec![bucket.page]))
}

fn inline_element(file: &mut File, field: usize, value: u32) -> Option<Location> {
    let (bucket, entries) = inline(file, 1)?;
    file.put_u32(entries[0].at + field, value);
    Some(Pages(vec![bucket.page]))
}

/// Makes the first byte of the first key the highest.
fn inline_keys_out_of_order(file: &mut File) -> Option<Location> {
    let (bucket, entries) = inline(file, 2)?;
    let at = entries[0].key.start;
    file.bytes[at] = 0xFF;
    Some(Pages(vec![bucket.page]))
}
