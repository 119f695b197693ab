//! Checks that answers about objects have the shapes in `objects.ts`, and that answers about the sample equal those of core.

use std::path::Path;

use etcdsnap_core::{MetaChoice, Revision};
use serde::Serialize;

use super::object_answers::*;
use crate::browse::answers::RevisionTime;
use crate::browse::search::Show;
use crate::browse::view::{self, View};
use crate::types::tests::{NARROW, WIDE, mismatch};

const W: u64 = WIDE as u64;
const N: u32 = NARROW as u32;
const R: Revision = Revision::new(WIDE);

fn text() -> String {
    String::from("text")
}

fn check(interface: &str, value: &impl Serialize) {
    let value = serde_json::to_value(value).unwrap_or_default();
    assert_eq!(mismatch(&value, interface), None);
}

fn owner(key: Option<String>) -> ObjectOwner {
    ObjectOwner { kind: text(), name: text(), key }
}

#[test]
fn objects_have_their_declared_shapes() {
    let kind =
        ObjectKind { id: text(), plural: text(), group: text(), kind: text(), namespaced: true, live: N, deleted: N };
    let namespace = ObjectNamespace { name: text(), live: N, deleted: N };
    check("ObjectKinds", &ObjectKinds { kinds: vec![kind], namespaces: vec![namespace], left_out: N });
    for optional in [true, false] {
        let (words, number) = (optional.then(text), optional.then_some(WIDE));
        check("ObjectList", &ObjectList { total: N, titles: vec![text()], sortable: true, now: number });
        let row = ObjectRow {
            id: N,
            key: text(),
            of: text(),
            namespace: text(),
            name: text(),
            cells: vec![text()],
            deleted: true,
            revision: R,
            seconds: number,
            problem: words.clone(),
        };
        check("ObjectRow", &row);
        let release = HelmRelease {
            name: text(),
            revision: W,
            status: text(),
            updated: text(),
            chart: text(),
            app_version: text(),
            values: text(),
            manifest: words.clone(),
            notes: words.clone(),
        };
        let object = ObjectText {
            yaml: words.clone(),
            api_version: text(),
            kind: text(),
            folded: true,
            secret: true,
            hidden: true,
            remarks: vec![text()],
            problem: words.clone(),
            opened: words.clone(),
            uid: text(),
            owners: vec![owner(words.clone())],
            release: optional.then_some(release),
        };
        check("ObjectText", &object);
        let field = ObjectField { path: text(), old: words.clone(), new: words.clone(), hidden: true };
        let changes =
            ObjectChanges { fields: vec![field], more: W, folded: true, remarks: vec![text()], problem: words.clone() };
        check("ObjectChanges", &changes);
        check("RevisionTime", &RevisionTime { seconds: WIDE, within: number });
        let count = |why| EncryptionCount { provider: "aescbc:v1", name: text(), values: W, why };
        let state = EncryptionState {
            keys: vec![EncryptionKey { provider: "aescbc:v1", name: text() }],
            opened: vec![count(None)],
            unopened: vec![count(words.clone())],
            others: W,
        };
        check("EncryptionState", &state);
        let event =
            RelatedEvent { key: text(), of: text(), reason: text(), message: text(), last: number, count: WIDE };
        let related = RelatedObjects { dependents: vec![owner(words)], events: vec![event], more: true, lost: W };
        check("RelatedObjects", &related);
    }
    let answer = ManifestAnswer { written: W, text: text(), lines: vec![text()], commands: vec![text()] };
    check("ManifestAnswer", &answer);
}

/// Runs a check on a view of the sample.
fn with_sample(ask: impl FnOnce(&mut View<'_, [u8]>)) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db");
    let file = std::fs::read(path).expect("the sample");
    let opening = view::begin(file.as_slice(), MetaChoice::Newest).unwrap_or_else(|refusal| panic!("{refusal}"));
    let mut view = View::new(opening.finish().expect("a store"));
    view.begin_keys(Revision::ZERO).and_then(|()| view.read_all()).expect("keys");
    assert!(view.finish_keys().expect("keys").has_objects);
    ask(&mut view);
}

#[test]
fn kinds_count_the_objects_in_the_lists() {
    with_sample(|view| {
        let all = view.object_kinds(None, None);
        assert!(all.kinds.iter().any(|kind| kind.id == "deployments.apps" && kind.kind == "Deployment"));
        for kind in &all.kinds {
            let scope = |show| ObjectScope { kind: Some(kind.id.clone()), show, ..ObjectScope::default() };
            assert_eq!(view.object_list(&scope(Show::Live), ObjectOrder::default()).total, kind.live, "{}", kind.id);
            assert_eq!(view.object_list(&scope(Show::Deleted), ObjectOrder::default()).total, kind.deleted);
        }
        for namespace in &all.namespaces {
            let of = view.object_kinds(None, Some(&namespace.name));
            assert_eq!(of.kinds.iter().map(|kind| kind.live).sum::<u32>(), namespace.live, "{}", namespace.name);
        }
    });
}

#[test]
fn a_list_can_be_sorted_by_its_cells() {
    with_sample(|view| {
        let scope = ObjectScope { kind: Some("deployments.apps".into()), ..ObjectScope::default() };
        let names = |view: &mut View<'_, [u8]>, order| {
            let list = view.object_list(&scope, order);
            assert_eq!(list.titles.get(..2), Some(&["NAMESPACE".to_owned(), "NAME".to_owned()][..]));
            view.object_rows(0, list.total)
                .into_iter()
                .filter_map(|row| row.cells.into_iter().nth(1))
                .collect::<Vec<_>>()
        };
        let plain = names(view, ObjectOrder::default());
        let up = names(view, ObjectOrder { column: Some(1), ..ObjectOrder::default() });
        let down = names(view, ObjectOrder { column: Some(1), down: true, ..ObjectOrder::default() });
        assert!(up.is_sorted() && up.len() == plain.len() && up.len() > 1, "{up:?}");
        assert!(down.iter().eq(up.iter().rev()));
    });
}

#[test]
fn an_archive_has_a_file_for_each_object_and_the_commands() {
    with_sample(|view| {
        let scope = ObjectScope { namespace: Some("shop".into()), ..ObjectScope::default() };
        let mut ask = ManifestAsk { scope, file: "sample.db".into(), ..ManifestAsk::default() };
        let mut write = |ask: &ManifestAsk| {
            view.begin_manifests(ask.clone()).expect("manifests");
            let mut all = Vec::new();
            loop {
                let (bytes, left) = view.write_manifests().expect("a piece");
                all.extend(bytes);
                if left == 0 {
                    break;
                }
            }
            let (bytes, answer) = view.finish_manifests().expect("the end");
            all.extend(bytes);
            (all, answer)
        };
        let (text, of_text) = write(&ask);
        ask.zip = true;
        let (archive, of_archive) = write(&ask);
        let text = String::from_utf8(text).expect("YAML");
        assert!(of_text.written > 0 && of_text.written == of_archive.written);
        assert_eq!(text.split("---\n").count() as u64, of_text.written);
        let archive = rawzip::ZipArchive::from_slice(&archive).expect("an archive");
        let mut names = Vec::new();
        let mut parts = Vec::new();
        for entry in archive.entries() {
            let entry = entry.expect("an entry");
            names.push(String::from_utf8_lossy(entry.file_path().as_ref()).into_owned());
            parts.push(archive.get_entry(entry.wayfinder()).expect("its bytes").data().to_vec());
        }
        assert_eq!(names.pop().as_deref(), Some("README.md"));
        let readme = parts.pop().expect("the README");
        assert!(String::from_utf8_lossy(&readme).contains("kubectl apply --server-side -f objects"));
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(parts.join(&b"---\n"[..]), text.as_bytes());
    });
}
