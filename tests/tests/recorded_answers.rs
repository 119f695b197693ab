//! The contents of a snapshot: keys, history, hashes and small buckets equal the real servers' answers when the cases were recorded.

use etcdsnap::core::Revision;
use std::collections::BTreeMap;
use std::fs;

use etcdsnap::core::store::{Alarm, Index, KeyRange, Query, Store};
use etcdsnap::{FileSource, NoProgress, Snapshot};
use etcdsnap_tests::case::{self, bytes, id};
use etcdsnap_tests::cli;
use etcdsnap_tests::sorted_index::sorted_keys;
use serde_json::Value;

fn keys(snapshot: &Snapshot, store: &Store<'_, FileSource>, revision: Revision) -> Index {
    let query = Query {
        range: KeyRange::all(),
        revision: store.at(revision).unwrap(),
        hash_values: false,
        folders: Vec::new(),
    };
    let (index, lost) = snapshot.keys(store, &query, &NoProgress).unwrap();
    assert_eq!(lost.places, 0, "{lost:?}");
    index
}

#[test]
fn keys_and_values_equal_at_every_recorded_revision() {
    for case in case::with_server_answers() {
        let snapshot = Snapshot::open(case.path(), None, &NoProgress).unwrap();
        let store = snapshot.store().unwrap();
        let states = case.answer("keys");
        let states = states["states"].as_array().unwrap();
        for (number, state) in states.iter().enumerate() {
            let revision = Revision::new(state["revision"].as_i64().unwrap());
            let name = format!("{} at {revision}", case.name);
            if number == 0 {
                assert_eq!(store.current(), revision, "{name}");
            }
            let index = keys(&snapshot, &store, revision);
            let ours = sorted_keys(&index, |key| !key.deleted);
            let theirs = state["keys"].as_array().unwrap();
            assert_eq!(ours.len(), theirs.len(), "{name}");
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_eq!(ours.key, bytes(&theirs["key"]), "{name}");
                let number = |field: &str| theirs[field].as_i64().unwrap_or_default();
                let key = format!("{name}: {}", ours.key.escape_ascii());
                assert_eq!(ours.create_revision.get(), number("create"), "{key}");
                assert_eq!(ours.revision.main.get(), number("mod"), "{key}");
                assert_eq!(ours.version, number("version"), "{key}");
                assert_eq!(ours.lease.cast_unsigned(), id(&theirs["lease"]), "{key}");
                assert_eq!(i64::from(ours.value_len), number("size"), "{key}");
                let value = snapshot.value(&store, ours.place).unwrap();
                case::assert_same_value(&value, theirs, &key);
            }
        }
    }
}

#[test]
fn store_hashes_equal_those_of_the_servers() {
    let mut compared = 0;
    for case in case::with_server_answers() {
        let snapshot = Snapshot::open(case.path(), None, &NoProgress).unwrap();
        let store = snapshot.store().unwrap();
        for theirs in case.answer("hashkv").as_array().unwrap() {
            let revision = Revision::new(theirs["revision"].as_i64().unwrap());
            let (ours, lost) = snapshot.hashkv(&store, revision, &NoProgress).unwrap();
            assert_eq!(lost.places, 0);
            assert_eq!(u64::from(ours.hash), theirs["hash"].as_u64().unwrap(), "{} at {revision}", case.name);
            assert_eq!(ours.compact_revision.get(), theirs["compact_revision"].as_i64().unwrap(), "{}", case.name);
            compared += 1;
        }
    }
    assert!(compared > 30, "{compared}");
}

/// The output of `etcdutl hashkv`, at the latest and at the sampled revisions.
#[test]
fn hashkv_prints_the_same_as_etcdutl() {
    for case in case::all() {
        let theirs = fs::read_to_string(case.directory.join("expected/hashkv-offline.jsonl")).unwrap();
        let revisions = std::iter::once(0).chain(case.about.sampled_revisions.iter().copied());
        for (revision, theirs) in revisions.zip(theirs.lines()) {
            let path = case.path();
            let ours = cli::run(&["hashkv", path.to_str().unwrap(), "-w", "json", "--rev", &revision.to_string()]);
            assert_eq!(String::from_utf8_lossy(&ours.stdout).trim_end(), theirs, "{} at {revision}", case.name);
        }
    }
}

#[test]
fn members_leases_and_alarms_equal_those_of_the_servers() {
    for case in case::with_server_answers() {
        let snapshot = Snapshot::open(case.path(), None, &NoProgress).unwrap();
        let store = snapshot.store().unwrap();
        let list = |value: &Value| {
            let mut list: Vec<_> =
                value.as_array().into_iter().flatten().map(|url| url.as_str().unwrap().to_owned()).collect();
            list.sort();
            list
        };
        let mut theirs: Vec<_> = case.answer("members")["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|member| {
                (
                    id(&member["id"]),
                    member["name"].as_str().unwrap().to_owned(),
                    list(&member["peer_urls"]),
                    list(&member["client_urls"]),
                    member["learner"] == true,
                )
            })
            .collect();
        theirs.sort();
        let sorted = |mut list: Vec<String>| {
            list.sort();
            list
        };
        let ours: Vec<_> = store
            .members()
            .unwrap()
            .items
            .into_iter()
            .map(|member| {
                (member.id, member.name, sorted(member.peer_urls), sorted(member.client_urls), member.is_learner)
            })
            .collect();
        if case.name == "3.4-restored" {
            // etcd 3.4 reads its members from the v2 store, and its own restore leaves those of the old cluster in this bucket.
            assert!(ours.len() == 2 && theirs.iter().all(|member| ours.contains(member)), "{ours:?}");
        } else {
            assert_eq!(ours, theirs, "{}", case.name);
        }

        let mut held: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
        let index = keys(&snapshot, &store, Revision::ZERO);
        for state in sorted_keys(&index, |state| state.lease != 0 && !state.deleted) {
            held.entry(state.lease).or_default().push(state.key.to_vec());
        }
        let ours: Vec<_> = store
            .leases()
            .unwrap()
            .iter()
            .map(|lease| (lease.id, lease.ttl, held.remove(&lease.id).unwrap_or_default()))
            .collect();
        let mut theirs: Vec<_> = case
            .answer("leases")
            .as_array()
            .unwrap()
            .iter()
            .map(|lease| {
                let mut keys: Vec<_> = lease["keys"].as_array().into_iter().flatten().map(bytes).collect();
                keys.sort();
                (id(&lease["id"]).cast_signed(), lease["ttl"].as_i64().unwrap(), keys)
            })
            .collect();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", case.name);

        let kind = |alarm: &Alarm| alarm.kind.map(|kind| kind.as_str_name().to_owned());
        let ours: Vec<_> = store.alarms().unwrap().iter().map(|alarm| (alarm.member, kind(alarm))).collect();
        let theirs = case.answer("alarms");
        let theirs = theirs.as_array().unwrap().iter();
        let theirs: Vec<_> =
            theirs.map(|alarm| (id(&alarm["member"]), alarm["alarm"].as_str().map(str::to_owned))).collect();
        assert_eq!(ours, theirs, "{}", case.name);
    }
}

#[test]
fn users_and_roles_equal_those_of_the_servers() {
    for case in case::with_server_answers() {
        let snapshot = Snapshot::open(case.path(), None, &NoProgress).unwrap();
        let store = snapshot.store().unwrap();
        let auth = store.auth().unwrap();
        let (mut users, mut roles) = (Vec::new(), Vec::new());
        store.users(&mut |user| users.push(user)).unwrap();
        store.roles(&mut |role| roles.push(role)).unwrap();
        let theirs = case.answer("auth");
        assert_eq!(auth.enabled, theirs["enabled"] == true, "{}", case.name);
        let users: BTreeMap<_, _> =
            users.iter().map(|user| (String::from_utf8(user.name.clone()).unwrap(), user.roles.clone())).collect();
        let strings = |value: &Value| {
            value.as_array().into_iter().flatten().map(|role| role.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let theirs_users: BTreeMap<_, _> =
            theirs["users"].as_object().unwrap().iter().map(|(name, roles)| (name.clone(), strings(roles))).collect();
        assert_eq!(users, theirs_users, "{}", case.name);
        let roles: BTreeMap<_, _> = roles
            .iter()
            .map(|role| {
                let permissions: Vec<_> = role
                    .key_permission
                    .iter()
                    .map(|one| (one.perm_type().as_str_name().to_owned(), one.key.clone(), one.range_end.clone()))
                    .collect();
                (String::from_utf8(role.name.clone()).unwrap(), permissions)
            })
            .collect();
        let mut theirs_roles: BTreeMap<_, _> = theirs["roles"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, permissions)| {
                let permissions: Vec<_> = permissions
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| (one["type"].as_str().unwrap().to_owned(), bytes(&one["key"]), bytes(&one["range_end"])))
                    .collect();
                (name.clone(), permissions)
            })
            .collect();
        // The root role implies every permission without storing one; servers report them.
        if let Some(root) = theirs_roles.get_mut("root") {
            root.clear();
        }
        assert_eq!(roles, theirs_roles, "{}", case.name);
    }
}
