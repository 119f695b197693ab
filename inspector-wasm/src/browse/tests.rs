//! Checks that answers have the shapes in `browse.ts`, and that answers about the sample equal those of core.

use std::path::Path;

use etcdsnap_core::protobuf_raw::MessageField;
use etcdsnap_core::store::{DatabasePart, MapPart, MaskedRange, PageField, PagePlace, PageView};
use etcdsnap_core::{Code, Finding, MetaChoice, Offset, PageId, Revision};
use serde::Serialize;

use super::answers::*;
use super::change_answers::*;
use super::search::Show;
use super::sorting::{Column, Ordering};
use super::view::{self, View};
use crate::types::tests::{NARROW, WIDE, mismatch};

const W: u64 = WIDE as u64;
const N: u32 = NARROW as u32;
const R: Revision = Revision::new(WIDE);

fn text() -> String {
    String::from("text")
}

fn row() -> KeyRow {
    KeyRow {
        id: N,
        key: text(),
        revision: R,
        deleted: true,
        create_revision: R,
        version: WIDE,
        lease: WIDE,
        value_bytes: N,
        revisions: N,
        bytes: W,
        history_bytes: W,
        secret: true,
        page: W,
    }
}

fn sum() -> UsageSum {
    UsageSum { keys: W, deleted_keys: W, revisions: W, tombstones: W, live_bytes: W, history_bytes: W }
}

fn side() -> Side {
    Side { revision: R, create_revision: R, version: WIDE, lease: WIDE, value_bytes: N }
}

fn check(interface: &str, value: &impl Serialize) {
    let value = serde_json::to_value(value).unwrap_or_default();
    assert_eq!(mismatch(&value, interface), None);
}

#[test]
fn keys_have_their_declared_shapes() {
    for first_lost in [None, Some(Finding::new(Code::PageType, "text").page(PageId::new(W)).offset(Offset::new(W)))] {
        let facts = StoreFacts {
            revision: R,
            latest: R,
            oldest: R,
            live: N,
            deleted: N,
            lost: W,
            first_lost,
            database_bytes: W,
            has_objects: true,
        };
        check("StoreFacts", &facts);
    }
    check("KeyRow", &row());
    for problem in [None, Some(SearchProblem { text: text(), why: text() })] {
        let words = vec![FoundWord { text: text(), cased: true, start: true }];
        check("Found", &Found { total: N, live: N, deleted: N, words, problem, unsearched: W, lost: W });
    }
    for taken in [None, Some(RevisionTime { seconds: WIDE, within: None })] {
        let kinds = vec![KindUse { kind: text(), prefix: text(), sum: sum() }];
        check("About", &About { taken, objects: W, kinds, quota: W });
    }
    check("TreeRow", &TreeRow { depth: N, name: text(), folder: true, open: true, keys: N, first: row() });
    let event = KeyEvent {
        revision: R,
        sub: WIDE,
        deletion: true,
        create_revision: R,
        version: WIDE,
        lease: WIDE,
        value_bytes: W,
        page: W,
        index: N,
    };
    check("KeyEvent", &event);
    check("KeyEvents", &KeyEvents { events: vec![event], lost: W });
    check("UsageSum", &sum());
    let group = UsageGroup { prefix: text(), name: text(), folder: true, sum: sum() };
    check("UsageGroup", &group);
    let answer = UsageAnswer {
        prefix: text(),
        total: sum(),
        groups: vec![group],
        namespaces: vec![NamespaceUse { name: text(), sum: sum() }],
        rest: sum(),
        rest_count: N,
        largest: vec![row()],
        busiest: vec![row()],
    };
    check("UsageAnswer", &answer);
    let noise =
        || ChangeNoise { added: N, removed: N, changed: N, leases: W, events: W, managed_fields: W, alike: W, left: N };
    for cluster in [None, Some(ClusterCheck { relation: "same", here: text(), there: text() })] {
        let noise = noise();
        let differences =
            Differences { added: N, removed: N, changed: N, unchanged: N, lost: W, revision: R, noise, cluster };
        check("Differences", &differences);
    }
    for problem in [None, Some(SearchProblem { text: text(), why: text() })] {
        check("ChangeList", &ChangeList { total: N, added: N, removed: N, changed: N, groups: N, problem });
    }
    let (name, namespace) = (text(), text());
    let group = ChangeGroupRow { name, namespace, objects: true, open: true, added: N, removed: N, changed: N };
    check("ChangeGroupRow", &ChangeListRow::Group(group));
    for (before, after) in [(Some(side()), None), (None, Some(side()))] {
        let row = ChangeRow { kind: "added", key: text(), secret: true, before, after };
        check("ChangeRow", &ChangeListRow::Change(row));
    }
    check("Side", &side());
}

#[test]
fn the_cluster_and_pages_have_their_declared_shapes() {
    let member = ClusterMember {
        id: text(),
        name: text(),
        peer_urls: vec![text()],
        client_urls: vec![text()],
        is_learner: true,
    };
    let permission = ClusterPermission { access: text(), key: text(), range_end: text() };
    let cluster = Cluster {
        members: vec![member],
        removed: vec![text()],
        leases: vec![ClusterLease { id: text(), ttl: WIDE, remaining_ttl: WIDE, keys: N }],
        auth_enabled: true,
        auth_revision: W,
        users: vec![ClusterUser { name: text(), roles: vec![text()], password: true }],
        roles: vec![ClusterRole { name: text(), permissions: vec![permission] }],
        alarms: vec![ClusterAlarm { member: text(), kind: text() }],
        settings: vec![ClusterSetting { bucket: text(), key: text(), value: text() }],
        left_out: W,
    };
    check("Cluster", &cluster);
    for link in [None, Some(PageId::new(W))] {
        let key = link.map(|_| text());
        let field = PageField { at: N, len: N, name: text(), value: text(), depth: N, link, secret: true, key };
        let page = PageView {
            page: PageId::new(W),
            offset: Offset::new(W),
            kind: text(),
            span: W,
            count: W,
            fields: vec![field],
            more: true,
            hidden: vec![MaskedRange { at: N, len: N }],
            readable: true,
        };
        check("PageView", &page);
        for part in [
            DatabasePart::Meta,
            DatabasePart::Freelist,
            DatabasePart::BucketList,
            DatabasePart::Bucket,
            DatabasePart::Free,
            DatabasePart::Lost,
            DatabasePart::Unknown,
            DatabasePart::Outside,
        ] {
            let bucket = link.map(|_| text());
            check("MapPart", &MapPart { part, bucket: bucket.clone(), pages: W });
            check("PagePlace", &PagePlace { part, bucket, parent: link, continues: link });
        }
    }
    check("MessageField", &MessageField { number: N, depth: N, wire: "text", value: text() });
}

#[test]
fn the_sample_is_looked_into() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db");
    let file = std::fs::read(path).expect("the sample");
    let opening = view::begin(&file, MetaChoice::Newest).unwrap_or_else(|refusal| panic!("{refusal}"));
    let store = opening.finish().expect("a store");
    let mut view = View::new(store);
    view.begin_keys(Revision::ZERO).and_then(|()| view.read_all()).expect("keys");
    let facts = view.finish_keys().expect("keys");
    let find = |view: &mut View<'_, Vec<u8>>, line: &str, show: Show, order: Ordering| {
        if view.begin_search(line).expect("a search") {
            view.read_all().expect("values");
        }
        view.finish_search(show, order).expect("an answer")
    };
    assert_eq!(find(&mut view, "", Show::All, Ordering::default()).total, facts.live + facts.deleted);
    assert_eq!(find(&mut view, "", Show::Live, Ordering::default()).total, facts.live);
    let rows = view.rows(0, facts.live);
    assert!(rows.is_sorted_by(|a, b| a.key < b.key) && !rows.is_empty());
    // A completely open tree contains every key once, in the same order.
    let mut line = 0;
    let mut total = view.tree();
    while line < total {
        if let [row] = view.lines(line, 1).as_slice()
            && row.folder
            && !row.open
        {
            total = view.toggle(line);
        }
        line += 1;
    }
    let leaves: Vec<String> =
        view.lines(0, total).into_iter().filter(|row| !row.folder).map(|row| row.first.key).collect();
    let names: Vec<String> = rows.iter().map(|row| row.key.clone()).collect();
    assert_eq!(leaves, names);
    // A search finds exactly the keys that contain the text.
    let part = "kube";
    let found = find(&mut view, part, Show::Live, Ordering::default());
    assert_eq!(found.total as usize, names.iter().filter(|name| name.contains(part)).count());
    let wrong = find(&mut view, "size>abc", Show::All, Ordering::default());
    assert!(
        wrong.total == found.total
            && wrong.live == 0
            && wrong.problem.is_some_and(|problem| problem.text == "size>abc")
    );
    // A search reads the values at the chosen revision, and the last values of deleted keys.
    let valued = find(&mut view, "value~shop", Show::All, Ordering::default());
    let ids: Vec<u32> = view.rows(0, valued.total).iter().map(|row| row.id).collect();
    let mut expected = Vec::new();
    find(&mut view, "", Show::All, Ordering::default());
    for row in view.rows(0, facts.live + facts.deleted) {
        view.begin_history(row.id);
        view.read_all().expect("a history");
        let past = view.finish_history().expect("a history");
        let Some(put) = past.events.iter().rfind(|event| !event.deletion) else { continue };
        let value = view.value_at(put.page, put.index).expect("a value");
        if !row.secret && String::from_utf8_lossy(&value).contains("shop") {
            expected.push(row.id);
        }
    }
    assert!(ids == expected && valued.live > 0 && valued.deleted > 0, "{valued:?}");
    // Each order lists the same keys, sorted; keys that are equal in it are sorted by name.
    type Number = fn(&KeyRow) -> i64;
    let columns: [(Column, Number); 5] = [
        (Column::Size, |row| i64::from(row.value_bytes)),
        (Column::Revision, |row| row.revision.get()),
        (Column::Created, |row| row.create_revision.get()),
        (Column::Version, |row| row.version),
        (Column::Lease, |row| row.lease),
    ];
    for (by, number) in columns {
        for down in [false, true] {
            let total = find(&mut view, "", Show::All, Ordering { by, down }).total;
            let ranked: Vec<(i64, u32)> = view.rows(0, total).iter().map(|row| (number(row), row.id)).collect();
            let mut expected = ranked.clone();
            expected.sort_by_key(|(number, id)| (if down { -number } else { *number }, *id));
            assert_eq!((ranked.len(), &ranked), (facts.live as usize + facts.deleted as usize, &expected));
        }
    }
    find(&mut view, "", Show::Live, Ordering { by: Column::Key, down: true });
    let turned: Vec<String> = view.rows(0, facts.live).into_iter().map(|row| row.key).collect();
    assert!(turned.iter().eq(names.iter().rev()));
    let about = view.about();
    // From the year 2000 to 2099.
    assert!(about.taken.is_some_and(|taken| (946_684_800..4_102_444_800).contains(&taken.seconds)));
    assert!(about.objects > 0);
    assert!(about.kinds.iter().any(|kind| kind.kind == "deployments"));
    // The sizes of the groups add up to the total.
    let usage = view.usage("").expect("usage");
    let parts: u64 = usage.groups.iter().map(|group| group.sum.live_bytes + group.sum.history_bytes).sum();
    assert_eq!(parts, usage.total.live_bytes + usage.total.history_bytes);
    assert_eq!(view.facts().revision, facts.latest);
}
