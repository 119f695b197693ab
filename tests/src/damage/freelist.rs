//! Damage to the list of free pages.

use super::Damage;
use super::Location::{self, Nowhere, Pages};
use super::page_tree::some_leaf;
use crate::read::{File, LEAF};

const INVALID: &[&str] = &["freelist-invalid"];
const RANGE: &[&str] = &["freelist-range"];

pub const ALL: &[Damage] = &[
    Damage::pages("free_page_twice", &["freelist-duplicate"], free_page_twice).and_bbolt(),
    Damage::pages("free_page_twice_apart", &["freelist-duplicate"], free_page_twice_apart).and_bbolt(),
    Damage::pages("free_pages_out_of_order", &["freelist-order"], out_of_order),
    Damage::pages("free_page_behind_the_end", RANGE, |file| last_slot(file, |file| file.meta().pages + 10)),
    Damage::pages("free_page_at_the_high_water_mark", RANGE, |file| last_slot(file, |file| file.meta().pages)),
    Damage::pages("free_page_is_the_largest_number", RANGE, |file| last_slot(file, |_| u64::MAX)),
    Damage::pages("free_page_is_a_meta_page", RANGE, |file| first_slot(file, |_| 1)),
    Damage::pages("free_page_is_0", RANGE, |file| first_slot(file, |_| 0)),
    Damage::pages("free_page_is_the_freelist", &["page-free-in-use"], freelist_is_free),
    Damage::pages("leaf_listed_as_free", &["page-free-in-use"], leaf_listed_as_free).and_bbolt(),
    Damage::pages("branch_listed_as_free", &["page-free-in-use"], branch_listed_as_free).and_bbolt(),
    Damage::pages("overflow_page_listed_as_free", &["page-free-in-use"], overflow_listed_as_free),
    Damage::pages("free_page_lost", &["page-unreachable"], free_page_lost).and_bbolt(),
    Damage::pages("free_pages_all_lost", &["page-unreachable"], |file| count(file, |_| 0)).and_bbolt(),
    Damage::pages("freelist_count_one_too_high", ANY, |file| count(file, |count| count + 1)),
    Damage::pages("freelist_count_far_too_high", INVALID, |file| count(file, |_| 0xFFF0)),
    Damage::pages("freelist_count_in_its_first_place_lies", ANY, |file| count(file, |_| 0xFFFF)),
    Damage::pages("freelist_count_is_the_largest_number", INVALID, huge_count),
    Damage::pages("freelist_is_of_another_type", INVALID, wrong_type),
    Damage::pages("freelist_id_field_wrong", &["freelist-invalid", "page-id-mismatch"], wrong_id),
    Damage::pages("freelist_overflow_past_the_end", &["freelist-invalid", "page-overflow"], overflow_past_the_end),
    Damage::pages("freelist_zeroed", INVALID, zeroed),
];

const ANY: &[&str] = &["freelist-range", "freelist-order", "freelist-duplicate", "freelist-invalid"];

/// Returns the offsets of the list's page ids, if there are any.
fn slots(file: &File) -> Option<Vec<usize>> {
    Some(file).filter(|file| file.has_freelist()).map(File::freelist_slots).filter(|slots| slots.len() > 3)
}

fn at_freelist(file: &File, other: u64) -> Location {
    Pages(vec![file.meta().freelist, other])
}

fn free_page_twice(file: &mut File) -> Option<Location> {
    let slots = slots(file)?;
    let page = file.u64(slots[1]);
    file.put_u64(slots[2], page);
    Some(at_freelist(file, page))
}

fn free_page_twice_apart(file: &mut File) -> Option<Location> {
    let slots = slots(file)?;
    let page = file.u64(slots[0]);
    file.put_u64(*slots.last()?, page);
    Some(at_freelist(file, page))
}

fn out_of_order(file: &mut File) -> Option<Location> {
    let slots = slots(file)?;
    let (one, two) = (file.u64(slots[0]), file.u64(slots[1]));
    file.put_u64(slots[0], two);
    file.put_u64(slots[1], one);
    Some(at_freelist(file, one))
}

fn last_slot(file: &mut File, page: impl Fn(&File) -> u64) -> Option<Location> {
    let slot = *slots(file)?.last()?;
    file.put_u64(slot, page(file));
    Some(at_freelist(file, page(file)))
}

fn first_slot(file: &mut File, page: impl Fn(&File) -> u64) -> Option<Location> {
    let slot = slots(file)?[0];
    file.put_u64(slot, page(file));
    Some(at_freelist(file, page(file)))
}

/// Adds a page to the list in sorted order and removes another.
fn list(file: &mut File, page: u64) -> Option<Location> {
    let slots = slots(file)?;
    let mut pages: Vec<u64> = slots.iter().map(|slot| file.u64(*slot)).collect();
    pages[0] = page;
    pages.sort_unstable();
    for (slot, page) in slots.iter().zip(pages) {
        file.put_u64(*slot, page);
    }
    Some(at_freelist(file, page))
}

fn freelist_is_free(file: &mut File) -> Option<Location> {
    let page = file.meta().freelist;
    list(file, page)
}

fn leaf_listed_as_free(file: &mut File) -> Option<Location> {
    let page = some_leaf(file)?.page;
    list(file, page)
}

fn branch_listed_as_free(file: &mut File) -> Option<Location> {
    let page = file.visits_of("key").into_iter().find(|v| v.flags != LEAF)?.page;
    list(file, page)
}

/// `bbolt check` looks only at the first page.
fn overflow_listed_as_free(file: &mut File) -> Option<Location> {
    let page = file.visits().into_iter().find(|v| file.header(v.page).overflow > 0)?.page;
    list(file, page + 1)?;
    Some(Pages(vec![page, page + 1]))
}

fn free_page_lost(file: &mut File) -> Option<Location> {
    let slots = slots(file)?;
    let lost = file.u64(*slots.last()?);
    count(file, |count| count - 1)?;
    Some(Pages(vec![lost]))
}

fn count(file: &mut File, change: impl Fn(u16) -> u16) -> Option<Location> {
    let slots = slots(file)?;
    let free: Vec<u64> = slots.iter().map(|slot| file.u64(*slot)).collect();
    let page = file.meta().freelist;
    let before = file.header(page).count;
    file.put_u16(file.at(page) + 10, change(before));
    Some(Pages([vec![page], free].concat()))
}

fn huge_count(file: &mut File) -> Option<Location> {
    count(file, |_| 0xFFFF)?;
    let page = file.meta().freelist;
    file.put_u64(file.at(page) + 16, u64::MAX);
    Some(Pages(vec![page]))
}

fn wrong_type(file: &mut File) -> Option<Location> {
    slots(file)?;
    let page = file.meta().freelist;
    file.put_u16(file.at(page) + 8, LEAF);
    Some(Pages(vec![page]))
}

fn wrong_id(file: &mut File) -> Option<Location> {
    slots(file)?;
    let page = file.meta().freelist;
    file.put_u64(file.at(page), page + 1);
    Some(Pages(vec![page]))
}

fn overflow_past_the_end(file: &mut File) -> Option<Location> {
    slots(file)?;
    let page = file.meta().freelist;
    file.put_u32(file.at(page) + 12, u32::MAX);
    Some(Pages(vec![page]))
}

fn zeroed(file: &mut File) -> Option<Location> {
    slots(file)?;
    let extent = file.extent(file.meta().freelist);
    file.bytes[extent].fill(0);
    Some(Nowhere)
}
