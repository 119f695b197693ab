//! Damage to the two meta pages. If a field changes in both, both checksums are updated, so that only the value is wrong.

use super::Damage;
use super::Location::{self, Nowhere, Pages};
use crate::read::{File, meta};

const INVALID: &[&str] = &["no-valid-meta"];
const PAGE_SIZE: &[&str] = &["page-size-mismatch"];
const ABSURD_PAGE_SIZE: &[&str] = &["no-valid-meta", "page-size-mismatch"];
const ROOT: &[&str] = &["root-invalid"];

pub const ALL: &[Damage] = &[
    Damage::pages("live_meta_checksum_wrong", &["meta-invalid"], |file| meta_broken(file, file.live_meta())),
    Damage::pages("other_meta_checksum_wrong", &["meta-invalid"], |file| meta_broken(file, 1 - file.live_meta())),
    Damage::pages("live_meta_zeroed", &["meta-invalid"], |file| meta_zeroed(file, file.live_meta())),
    Damage::pages("other_meta_zeroed", &["meta-invalid"], |file| meta_zeroed(file, 1 - file.live_meta())),
    Damage::pages("both_metas_checksums_wrong", INVALID, both_metas_broken),
    Damage::pages("both_metas_zeroed", &["no-valid-meta", "not-a-snapshot"], both_metas_zeroed),
    Damage::pages("magic_wrong_in_both", &["no-valid-meta", "not-a-snapshot"], |f| {
        both_u32(f, meta::MAGIC, 0xED0C_DAEE)
    }),
    Damage::pages("version_wrong_in_both", INVALID, |file| both_u32(file, meta::VERSION, 3)),
    Damage::pages("page_size_doubled", PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, file.page_size as u32 * 2)),
    Damage::pages("page_size_halved", PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, file.page_size as u32 / 2)),
    Damage::pages("page_size_16_times", PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, file.page_size as u32 * 16)),
    Damage::pages("page_size_no_power_of_two", ABSURD_PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, 5000)),
    Damage::pages("page_size_0", ABSURD_PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, 0)),
    Damage::pages("page_size_of_4_gib", ABSURD_PAGE_SIZE, |file| both_u32(file, meta::PAGE_SIZE, u32::MAX)),
    Damage::pages("root_behind_the_end", ROOT, |file| both_u64(file, meta::ROOT, file.meta().pages + 3)),
    Damage::pages("root_at_the_high_water_mark", ROOT, |file| both_u64(file, meta::ROOT, file.meta().pages)),
    Damage::pages("root_is_the_largest_number", ROOT, |file| both_u64(file, meta::ROOT, u64::MAX)),
    Damage::pages("root_is_0", ROOT, |file| both_u64(file, meta::ROOT, 0)),
    Damage::pages("root_is_a_meta_page", ROOT, |file| both_u64(file, meta::ROOT, 1)),
    Damage::pages("high_water_mark_doubled", &["file-truncated"], |f| both_u64(f, meta::PAGES, f.meta().pages * 2)),
    Damage::pages("high_water_mark_one_too_high", &["file-truncated"], |f| {
        both_u64(f, meta::PAGES, f.meta().pages + 1)
    }),
    Damage::pages("high_water_mark_too_large_to_multiply", &["file-truncated", "no-valid-meta"], |file| {
        both_u64(file, meta::PAGES, u64::MAX - 1)
    }),
    Damage::pages("high_water_mark_halved", &["page-out-of-range", "root-invalid"], |file| {
        both_u64(file, meta::PAGES, file.meta().pages / 2)
    }),
    Damage::pages("high_water_mark_is_0", &["root-invalid", "no-valid-meta"], |file| both_u64(file, meta::PAGES, 0)),
    Damage::pages("transaction_0", &["transaction-impossible"], |file| both_u64(file, meta::TXID, 0)),
    Damage::pages("transaction_of_the_largest_number", &["transaction-impossible"], |file| {
        both_u64(file, meta::TXID, u64::MAX)
    }),
    Damage::pages("freelist_behind_the_end", &["freelist-invalid"], |f| {
        both_u64(f, meta::FREELIST, f.meta().pages + 9)
    }),
    Damage::pages("freelist_is_a_meta_page", &["freelist-invalid"], |file| both_u64(file, meta::FREELIST, 1)),
    Damage::pages("newest_root_lost_above_an_older_tree", &["older-meta-sound"], newest_root_lost),
    Damage::pages("freelist_is_the_root", &["freelist-invalid"], |f| both_u64(f, meta::FREELIST, f.meta().root)),
];

fn meta_broken(file: &mut File, page: u64) -> Option<Location> {
    let at = file.at(page) + meta::CHECKSUM;
    file.bytes[at] ^= 1;
    Some(Pages(vec![page]))
}

fn meta_zeroed(file: &mut File, page: u64) -> Option<Location> {
    let extent = file.at(page)..file.at(page + 1);
    file.bytes[extent].fill(0);
    Some(Pages(vec![page]))
}

fn both_metas_broken(file: &mut File) -> Option<Location> {
    meta_broken(file, 0);
    meta_broken(file, 1);
    Some(Nowhere)
}

fn both_metas_zeroed(file: &mut File) -> Option<Location> {
    meta_zeroed(file, 0);
    meta_zeroed(file, 1);
    Some(Nowhere)
}

/// Makes the newest meta page point to a root that was never written; the older one still points to the intact tree.
fn newest_root_lost(file: &mut File) -> Option<Location> {
    let (live, new) = (file.live_meta(), file.meta().pages);
    file.bytes.resize(file.at(new + 1), 0);
    file.put_u64(file.at(live) + meta::ROOT, new);
    file.put_u64(file.at(live) + meta::PAGES, new + 1);
    file.update_meta_checksum(live);
    Some(Pages(vec![1 - live]))
}

fn both_u32(file: &mut File, field: usize, value: u32) -> Option<Location> {
    for page in [0, 1] {
        file.put_u32(file.at(page) + field, value);
        file.update_meta_checksum(page);
    }
    Some(Nowhere)
}

fn both_u64(file: &mut File, field: usize, value: u64) -> Option<Location> {
    file.set_metas(field, value);
    Some(Nowhere)
}
