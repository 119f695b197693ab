//! The good snapshots that the tests damage.

use crate::build::cluster::Version;
use crate::build::history::HistoryParams;
use crate::build::random::{MemberDatabase, member};
use crate::build::{Freelist, Layout, with_trailer};
use crate::read::{BRANCH, File};

/// A good snapshot to be damaged.
pub struct GoodSnapshot {
    /// Its name.
    pub name: String,
    /// The snapshot, with its trailer.
    pub snapshot: Vec<u8>,
}

/// Recorded cases to damage: one of an old etcd, one of a new one.
const RECORDED: [&str; 2] = ["3.4-history", "3.7-history"];

/// Returns a snapshot with small pages that contains everything that can be damaged, one with large pages and no freelist,
/// and two that etcd wrote.
///
/// # Panics
/// Panics if no seed gives such files, or a case is missing.
#[must_use]
pub fn bases() -> Vec<GoodSnapshot> {
    let small = Layout { free_pages: 9, fill: (50, 90), scatter: true, ..Layout::plain(1024, 5) };
    let large = Layout { freelist: Freelist::NotSynced, live_meta: 1, ..Layout::plain(4096, 6) };
    let rich =
        first(&HistoryParams { longest_value: 1500, ..HistoryParams::rich() }, &small, Version::V36, has_everything);
    let lean = first(&HistoryParams { transactions: 120, ..HistoryParams::rich() }, &large, Version::V35, |_| true);
    let built = [("small-pages", rich), ("no-freelist", lean)];
    let built = built.map(|(name, member)| (name, with_trailer(&member.built.database)));
    let recorded = RECORDED.map(|name| {
        let path = crate::programs::tests_dir().join("cases").join(name).join("snapshot.db");
        (name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    built.into_iter().chain(recorded).map(|(name, snapshot)| GoodSnapshot { name: name.to_owned(), snapshot }).collect()
}

fn first(
    params: &HistoryParams,
    layout: &Layout,
    version: Version,
    good: impl Fn(&MemberDatabase) -> bool,
) -> MemberDatabase {
    (0..500).map(|seed| member(params, layout, version, seed)).find(good).expect("a seed that gives such a member")
}

/// Returns whether it has a freelist, three levels of pages, overflow, leases in use, tombstones, a compaction, users and members.
fn has_everything(member: &MemberDatabase) -> bool {
    let file = File::new(member.built.database.clone());
    let key_pages = file.visits_of("key");
    let leased = member.history.revisions.values().any(|entry| entry.value.lease != 0);
    let filled = ["authUsers", "lease", "members_removed"].iter().all(|name| !file.entries(name).is_empty());
    file.has_freelist()
        && key_pages.iter().filter(|v| v.flags == BRANCH).count() > 3
        && key_pages.iter().any(|v| v.depth >= 2)
        && key_pages.iter().any(|v| file.header(v.page).overflow > 0)
        && file.entries("members").len() >= 3
        && member.history.finished.is_some()
        && leased
        && filled
}
