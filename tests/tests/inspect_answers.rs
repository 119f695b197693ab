//! The program prints the same keys, members, leases, alarms, users and roles as the servers answered when the cases were recorded.

use etcdsnap::core::key_syntax::key_text;
use etcdsnap_tests::case::{self, Case, assert_same_value, bytes, id};
use etcdsnap_tests::cli;
use serde_json::Value;

/// Returns the output of a command for a case, line by line.
fn output_lines(case: &Case, command: &str) -> Vec<Value> {
    lines(case, &[command, case.path().to_str().unwrap(), "-w", "json"])
}

fn lines(case: &Case, words: &[&str]) -> Vec<Value> {
    let output = cli::run(words);
    assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", case.name);
    std::str::from_utf8(&output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the members of an array, which servers omit if it is empty.
fn list(array: &Value) -> &[Value] {
    array.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Returns the texts of an array, in order.
fn texts(array: &Value) -> Vec<String> {
    let mut texts: Vec<_> = list(array).iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

/// Returns bytes that a line of JSON has as text or as base64.
fn printed(object: &Value, name: &str) -> Vec<u8> {
    match object[name].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bytes(&object[format!("{name}Base64")]),
    }
}

/// Asserts that a line about a key equals the server's, including its value if present.
fn assert_same_key(ours: &Value, theirs: &Value, what: &str) {
    assert_eq!(printed(ours, "key"), bytes(&theirs["key"]), "{what}");
    let what = format!("{what}: {ours}");
    for (ours_name, theirs_name) in
        [("createRevision", "create"), ("modRevision", "mod"), ("version", "version"), ("valueBytes", "size")]
    {
        assert_eq!(ours[ours_name], theirs[theirs_name], "{ours_name} of {what}");
    }
    assert_eq!(ours["lease"], theirs["lease"], "{what}");
    if !(ours["value"].is_null() && ours["valueBase64"].is_null()) {
        assert_same_value(&printed(ours, "value"), theirs, &what);
    }
}

#[test]
fn keys_and_exported_values_equal_those_of_get() {
    for case in case::with_server_answers() {
        let path = case.path();
        let path = path.to_str().unwrap();
        for state in list(&case.answer("keys")["states"]) {
            let revision = state["revision"].to_string();
            let what = format!("{} at {revision}", case.name);
            let keys = lines(&case, &["keys", path, "--rev", &revision, "-w", "json"]);
            let exported = lines(&case, &["export", path, "--rev", &revision, "--show-secrets"]);
            let theirs = list(&state["keys"]);
            assert_eq!((keys.len(), exported.len()), (theirs.len(), theirs.len()), "{what}");
            keys.iter().zip(theirs).for_each(|(ours, theirs)| assert_same_key(ours, theirs, &what));
            for (ours, theirs) in exported.iter().zip(theirs) {
                assert_same_key(ours, theirs, &what);
                assert!(ours["value"].is_string() || ours["valueBase64"].is_string(), "{what}: {ours}");
            }
        }
    }
}

#[test]
fn get_prints_every_value() {
    let case = case::named("3.7-history");
    let path = case.path();
    for state in list(&case.answer("keys")["states"]) {
        let revision = state["revision"].to_string();
        for theirs in list(&state["keys"]) {
            let key = key_text(&bytes(&theirs["key"]));
            let ours = lines(&case, &["get", path.to_str().unwrap(), &key, "--rev", &revision, "-w", "json"]);
            assert_eq!(ours.len(), 1, "{key}");
            assert_same_key(&ours[0], theirs, &format!("{key} at {revision}"));
            assert_same_value(&printed(&ours[0], "value"), theirs, &key);
        }
    }
}

#[test]
fn members_equal_those_of_member_list() {
    for case in case::with_server_answers() {
        let member = |member: &Value, urls: [&str; 2], learner: bool| {
            let name = member["name"].as_str().unwrap().to_owned();
            (id(&member["id"]), name, urls.map(|urls| texts(&member[urls])), learner)
        };
        let mut ours = output_lines(&case, "members");
        ours.retain(|member| member["role"] != "removed");
        let mut ours: Vec<_> =
            ours.iter().map(|one| member(one, ["peerUrls", "clientUrls"], one["role"] == "learner")).collect();
        let theirs = case.answer("members");
        let mut theirs: Vec<_> = list(&theirs["members"])
            .iter()
            .map(|one| member(one, ["peer_urls", "client_urls"], one["learner"] == true))
            .collect();
        if case.name == "3.4-restored" {
            // The bucket still has the members of the old cluster, which 3.4 does not read from there.
            ours.retain(|member| theirs.contains(member));
        }
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", case.name);
    }
}

#[test]
fn leases_equal_those_of_lease_list_and_timetolive() {
    for case in case::with_server_answers() {
        let lease = |lease: &Value, key: fn(&Value) -> Vec<u8>| {
            let mut keys: Vec<_> = list(&lease["keys"]).iter().map(key).collect();
            keys.sort();
            (id(&lease["id"]), lease["ttl"].as_i64().unwrap(), keys)
        };
        let mut ours: Vec<_> =
            output_lines(&case, "leases").iter().map(|one| lease(one, |key| printed(key, "key"))).collect();
        let mut theirs: Vec<_> = list(&case.answer("leases")).iter().map(|one| lease(one, bytes)).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", case.name);
    }
}

#[test]
fn alarms_equal_those_of_alarm_list() {
    let mut some = 0;
    for case in case::with_server_answers() {
        let theirs = case.answer("alarms");
        // The same members under the same names.
        assert_eq!(output_lines(&case, "alarms"), list(&theirs), "{}", case.name);
        some += list(&theirs).len();
    }
    assert!(some > 0, "no case has an alarm");
}

#[test]
fn users_and_roles_equal_those_of_user_get_and_role_get() {
    for case in case::with_server_answers() {
        let lines = output_lines(&case, "auth");
        let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).cloned().collect::<Vec<_>>();
        let theirs = case.answer("auth");
        assert_eq!(of("auth")[0]["enabled"], theirs["enabled"], "{}", case.name);

        let users: Vec<_> = of("user").iter().map(|user| (printed(user, "name"), texts(&user["roles"]))).collect();
        let named = |name: &str| name.as_bytes().to_vec();
        let theirs_users = theirs["users"].as_object().unwrap();
        let theirs_users: Vec<_> = theirs_users.iter().map(|(name, roles)| (named(name), texts(roles))).collect();
        assert_eq!(users, theirs_users, "{}", case.name);

        let roles = of("role");
        let roles = roles.iter().map(|role| {
            let permissions = list(&role["permissions"]).iter().map(|permission| {
                (permission["type"].clone(), printed(permission, "key"), printed(permission, "rangeEnd"))
            });
            (printed(role, "name"), permissions.collect::<Vec<_>>())
        });
        let theirs_roles = theirs["roles"].as_object().unwrap().iter().map(|(name, permissions)| {
            let permissions = list(permissions).iter().map(|permission| {
                (permission["type"].clone(), bytes(&permission["key"]), bytes(&permission["range_end"]))
            });
            // The root role implies every permission without storing one; servers report them.
            (named(name), permissions.filter(|_| name != "root").collect::<Vec<_>>())
        });
        assert_eq!(roles.collect::<Vec<_>>(), theirs_roles.collect::<Vec<_>>(), "{}", case.name);
    }
}
