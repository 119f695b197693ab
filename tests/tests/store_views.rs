//! The queries of the page: the tree of keys, the order of keys, and dissected pages; of any store, sound or not.

use etcdsnap_core::IgnoreProgress;
use etcdsnap_core::PageId;
use etcdsnap_core::kubernetes::usage_below::{UsageBelow, UsageLimits};
use etcdsnap_core::pass::reading::Accumulator;
use etcdsnap_core::store::{Index, KeyRange, OpenedStore, Order, Query, Store, Tree, TreeLine};
use etcdsnap_tests::build::kubernetes;
use etcdsnap_tests::build::random::any_member;
use etcdsnap_tests::build::with_trailer;
use etcdsnap_tests::seeded_random::SeededRandom;
use proptest::prelude::*;

type Bytes = Vec<u8>;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() }
}

fn open(file: &Bytes) -> Option<Box<Store<'_, Bytes>>> {
    match Store::open(file).expect("bytes can always be read") {
        OpenedStore::Store(store) => Some(store),
        OpenedStore::Refused(_) => None,
    }
}

fn index(store: &Store<'_, Bytes>) -> Index {
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: false, folders: Vec::new() };
    let mut index = Index::new(query);
    for work in store.work() {
        index.read(store, work, &IgnoreProgress).expect("readable bytes");
    }
    index
}

fn lines(tree: &Tree, index: &Index, order: &Order) -> Vec<TreeLine> {
    let lines: Vec<_> = tree.lines(index, order, 0..usize::MAX).collect();
    assert_eq!((lines.len(), lines.is_empty()), (tree.len(), tree.is_empty()));
    let some = lines.len() / 3..lines.len() / 2;
    assert!(tree.lines(index, order, some.clone()).eq(lines[some].iter().copied()));
    lines
}

/// Asserts the invariants of a key tree.
fn assert_consistent(tree: &Tree, index: &Index, order: &Order) {
    let mut next = 0;
    let mut above: Vec<(u32, u32)> = Vec::new();
    for line in lines(tree, index, order) {
        above.truncate(line.depth as usize);
        assert_eq!(above.len(), line.depth as usize);
        if let Some((to, end)) = above.last() {
            assert!(line.from == *to && line.end <= *end, "a line goes on where its folder ends: {line:?}");
        }
        assert!(line.start < line.end);
        let first = order.name(index, line.start as usize);
        let part = &first[..line.to as usize];
        if line.folder {
            assert!(part.ends_with(b"/"));
            for number in line.start..line.end {
                assert!(order.name(index, number as usize).starts_with(part));
            }
        } else {
            assert_eq!(part, first);
        }
        if line.open {
            assert_eq!(line.start, next);
        } else {
            assert_eq!(line.start, next, "the lines share out the keys");
            next = line.end;
        }
        above.push((line.to, line.end));
    }
    assert_eq!(next as usize, order.len());
}

#[test]
fn usage_below_a_prefix_has_each_group_once() {
    let keys = ["/registry", "/registry/a", "/registry/pods/x/y", "/registry/z", "/registry2/pods/x", "other"];
    let writes: Vec<_> = keys.iter().map(|key| (*key, Some(b"value".to_vec()))).collect();
    let file = with_trailer(&kubernetes::cluster(&writes));
    let store = open(&file).expect("a sound file");
    let index = index(&store);
    let order = Order::of(&index, |_| true);
    let groups = |asked: &str| -> Vec<(String, bool)> {
        let below = UsageBelow::of(
            &index,
            &order,
            asked.as_bytes(),
            &[b"/registry".to_vec()],
            UsageLimits { groups: 9, keys: 9 },
        );
        let of_groups: u64 = below.groups.iter().map(|group| group.sum.bytes()).sum();
        assert_eq!((of_groups, below.rest.1), (below.total.bytes(), 0), "{asked}");
        let mut groups: Vec<_> = below
            .groups
            .iter()
            .map(|group| (String::from_utf8_lossy(group.prefix).into_owned(), group.folder))
            .collect();
        groups.sort();
        groups
    };
    let expected = |groups: &[(&str, bool)]| -> Vec<(String, bool)> {
        groups.iter().map(|(name, folder)| ((*name).to_owned(), *folder)).collect()
    };
    let below_registry = [("/registry/a", false), ("/registry/pods/", true), ("/registry/z", false)];
    assert_eq!(groups("/registry/"), expected(&below_registry));
    let with_others = [&[("/registry", false)], &below_registry[..], &[("/registry2/", true)]].concat();
    assert_eq!(groups("/registry"), expected(&with_others));
    assert_eq!(
        groups(""),
        expected(&[("/registry", false), ("/registry/", true), ("/registry2/", true), ("other", false)])
    );
    assert_eq!(groups("/registry/pods/x/y"), expected(&[("/registry/pods/x/y", false)]));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_tree_contains_every_key_once(seed in any::<u64>(), transactions in 0_usize..200) {
        let mut rng = SeededRandom::new(seed);
        let file = with_trailer(&any_member(seed, transactions).built.database);
        let store = open(&file).expect("a store");
        let index = index(&store);
        let all = Order::of(&index, |_| true);
        let order = all.only(&index, |key| !key.deleted);
        prop_assert_eq!(all.len(), index.len());
        prop_assert!((1..all.len()).all(|number| all.name(&index, number - 1) < all.name(&index, number)));
        let mut tree = Tree::new(&index, &order);
        assert_consistent(&tree, &index, &order);
        for _ in 0..20 {
            if tree.is_empty() {
                break;
            }
            let before = lines(&tree, &index, &order);
            let at = rng.below(before.len());
            tree.toggle(&index, &order, at);
            assert_consistent(&tree, &index, &order);
            if before[at].folder && !before[at].open {
                tree.toggle(&index, &order, at);
                prop_assert_eq!(lines(&tree, &index, &order), before);
            }
            let number = rng.below(order.len());
            let line = tree.reveal(&index, &order, number).expect("a line");
            assert_consistent(&tree, &index, &order);
            let shown = lines(&tree, &index, &order)[line];
            prop_assert!(shown.start as usize == number && !shown.folder);
        }
        prop_assert_eq!(tree.reveal(&index, &order, order.len()), None);
        for number in (0..all.len()).step_by(7) {
            let name = all.name(&index, number);
            prop_assert_eq!(all.find(&index, name), Some(number));
            let prefix = &name[..rng.below(name.len() + 1)];
            let range = all.prefix(&index, prefix);
            let expected = (0..all.len()).filter(|number| all.name(&index, *number).starts_with(prefix));
            prop_assert_eq!(range.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }

    /// Dissects any page: each field lies in its bytes, whatever damaged the file.
    #[test]
    fn any_page_can_be_dissected(seed in any::<u64>(), transactions in 0_usize..60, spoilt in 0_usize..40) {
        let mut rng = SeededRandom::new(seed);
        let mut file = with_trailer(&any_member(seed, transactions).built.database);
        for _ in 0..spoilt {
            let at = rng.below(file.len());
            file[at] = rng.bits() as u8;
        }
        let Some(store) = open(&file) else { return Ok(()) };
        for page in (0..store.pages() + 2).chain([u64::MAX, u64::MAX / 4096]).map(PageId::new) {
            let bytes = store.page_bytes(page).expect("readable bytes");
            let view = store.page_view(page).expect("readable bytes");
            prop_assert_eq!(bytes.is_empty(), page.get() >= store.pages());
            prop_assert_eq!(view.fields.is_empty(), bytes.is_empty());
            for part in &view.hidden {
                prop_assert!(part.at as usize + part.len as usize <= bytes.len(), "{:?}", part);
            }
            for field in &view.fields {
                prop_assert!(field.at as usize + field.len as usize <= bytes.len(), "{:?}", field);
            }
        }
        if spoilt == 0 {
            let value = |page, name: &str| {
                let view = store.page_view(page).expect("readable bytes");
                view.fields.into_iter().find(|field| field.name == name).map(|field| (field.value, field.link))
            };
            let root = value(PageId::ZERO, "root page").and_then(|(_, link)| link).expect("a root");
            let kind = store.page_view(root).expect("readable bytes").kind;
            prop_assert!(kind == "leaf page" || kind == "branch page", "{}", kind);
            prop_assert_eq!(value(PageId::new(1), "page id"), Some(("1".into(), None)));
        }
    }
}
