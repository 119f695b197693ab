//! The good files that are damaged.

use crate::build::cluster::Version;
use crate::build::history::Life;
use crate::build::random::{Member, member};
use crate::build::{Freelist, Layout, with_trailer};
use crate::read::{BRANCH, File};

/// A good snapshot to be damaged.
pub struct Base {
    /// Its name.
    pub name: String,
    /// The snapshot, trailer and all.
    pub snapshot: Vec<u8>,
}

/// Recorded cases that are damaged too, from an old etcd and a new one.
const RECORDED: [&str; 2] = ["3.4-history", "3.7-history"];

/// A snapshot of small pages with all that can be damaged in one, and one of large pages without a freelist;
/// and two that etcd wrote.
///
/// # Panics
/// When no seed gives such files, or a case is not there.
#[must_use]
pub fn bases() -> Vec<Base> {
    let small = Layout { free_pages: 9, fill: (50, 90), scatter: true, ..Layout::plain(1024, 5) };
    let large = Layout { freelist: Freelist::NotSynced, live_meta: 1, ..Layout::plain(4096, 6) };
    let rich = first(&Life { longest_value: 1500, ..Life::rich() }, &small, Version::V36, has_everything);
    let lean = first(&Life { transactions: 120, ..Life::rich() }, &large, Version::V35, |_| true);
    let built = [("small-pages", rich), ("no-freelist", lean)];
    let built = built.map(|(name, member)| (name, with_trailer(&member.built.database)));
    let recorded = RECORDED.map(|name| {
        let path = crate::programs::tests_dir().join("cases").join(name).join("snapshot.db");
        (name, std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    });
    built.into_iter().chain(recorded).map(|(name, snapshot)| Base { name: name.to_owned(), snapshot }).collect()
}

fn first(life: &Life, layout: &Layout, version: Version, good: impl Fn(&Member) -> bool) -> Member {
    (0..500).map(|seed| member(life, layout, version, seed)).find(good).expect("a seed that gives such a member")
}

/// A freelist, three levels of pages, overflow, leases in use, tombstones, compaction, users, members.
fn has_everything(member: &Member) -> bool {
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
