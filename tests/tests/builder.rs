//! The builder and the reader of the tests agree with each other, and with the real bbolt if it is built.

use etcdsnap_tests::build::cluster::Version;
use etcdsnap_tests::build::history::HistoryParams;
use etcdsnap_tests::build::{Freelist, Layout, random, write};
use etcdsnap_tests::programs::{bbolt_check, reference};
use etcdsnap_tests::read::File;

#[test]
fn written_contents_are_read_back() {
    for seed in 0..60 {
        let (root, layout) = random::bolt(seed, 120);
        let built = write(&root, &layout);
        let file = File::new(built.database);
        assert_eq!(file.tree(), root, "seed {seed}");
    }
}

#[test]
fn a_rich_history_has_every_kind_of_entry() {
    let member = random::member(&HistoryParams::rich(), &Layout::plain(512, 1), Version::V36, 1);
    let file = File::new(member.built.database);
    assert_eq!(file.tree(), member.root);
    assert!(file.visits_of("key").iter().any(|v| v.depth >= 2));
    assert!(member.expected_counts.tombstones > 0 && member.expected_counts.live_keys > 0);
}

#[test]
fn bbolt_passes_the_built_files() {
    let Some(bbolt) = reference("3.7", "bbolt") else { return };
    for seed in 0..60 {
        let (root, layout) = random::bolt(seed, 150);
        let (passed, printed) = bbolt_check(&bbolt, &write(&root, &layout).database);
        assert!(passed, "seed {seed}: {printed}");
        let member = random::any_member(seed, 150);
        let (passed, printed) = bbolt_check(&bbolt, &member.built.database);
        assert!(passed, "member {seed}: {printed}");
    }
}

#[test]
fn bbolt_passes_a_freelist_of_more_than_65534_pages() {
    let Some(bbolt) = reference("3.7", "bbolt") else { return };
    let (root, layout) = random::bolt(3, 20);
    let layout = Layout { page_size: 512, free_pages: 65_600, freelist: Freelist::Synced, ..layout };
    let (passed, printed) = bbolt_check(&bbolt, &write(&root, &layout).database);
    assert!(passed, "{printed}");
}
