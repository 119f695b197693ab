//! Describes the data that a real etcd serves from a snapshot, and the data that core finds in it, as lines of the same form, so that each difference is a line.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::pass;
use etcdsnap_core::pass::reading::{Accumulator, Reading};
use etcdsnap_core::store::{HashKvPart, Index, KeyRange, OpenedStore, Query, Store};
use etcdsnap_core::{IgnoreProgress, Revision};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::programs::tests_dir;
use crate::server::{Servers, member_configs, program};
use crate::sorted_index::sorted_keys;

/// Values longer than this are compared by their SHA-256, as the program `history` writes them.
const MAX_PRINTED_LEN: usize = 32;

/// All answers, one line each: keys at a revision, hashes, leases, users and roles, alarms.
pub type Lines = BTreeSet<String>;

/// The data that core finds in a snapshot.
pub struct Ours {
    /// The last revision.
    pub revision: Revision,
    /// A second revision at which servers are queried too.
    pub older: Option<Revision>,
    /// Whether authentication is on.
    pub auth: bool,
    /// Time to live, in seconds, of the lease that expires first.
    pub shortest_lease: i64,
    /// The answers.
    pub lines: Lines,
}

/// The result of restoring and serving a snapshot with a version's own programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The tool refused it; its message.
    NotRestored(String),
    /// The server ended or never answered; the end of its log.
    NotStarted(String),
    /// The server runs but refuses to answer; its message.
    Refused(String),
    /// The server answers.
    Answers {
        /// Its revision.
        revision: Revision,
        /// Whether its health check passes.
        healthy: bool,
        /// Whether it accepts a write.
        writes: bool,
        /// Its answers.
        lines: Lines,
    },
}

/// Queries a snapshot with core; `None` if it is not a store. `pick` selects an older revision.
///
/// # Panics
/// Panics if bytes in memory cannot be read.
#[must_use]
pub fn ours(file: &Vec<u8>, pick: u64) -> Option<Ours> {
    let OpenedStore::Store(store) = Store::open(file).expect("bytes can always be read") else { return None };
    let (oldest, revision) = (store.compacted().max(Revision::FIRST), store.current());
    let span = Some(revision.since(oldest).saturating_sub(1)).filter(|span| *span > 0);
    // For the compacted revision itself a server may answer from memory, so it is not queried.
    let older = span.map(|span| oldest.next().plus(pick % span)).filter(|older| *older < revision);
    let mut lines = Lines::new();
    for at in [Some(revision), older].into_iter().flatten() {
        keys(&store, at, &mut lines);
        let hash = read(&store, || HashKvPart::new(&store, at)).finish();
        lines.insert(format!("hash at {at}: {}, compacted {}", hash.hash, hash.compact_revision));
    }
    small(&store, &mut lines);
    let auth = store.auth().expect("readable bytes").enabled;
    let leases = store.leases().expect("readable bytes");
    let shortest_lease = leases.iter().map(|lease| lease.ttl).min().unwrap_or(i64::MAX);
    Some(Ours { revision, older, auth, shortest_lease, lines })
}

/// Feeds all leaves to one accumulator.
fn read<A: Accumulator>(store: &Store<'_, Vec<u8>>, new: impl Fn() -> A + Sync) -> A {
    let (mut all, _) = pass::run(Reading::new(store, new), &IgnoreProgress).expect("readable bytes");
    all.pop().expect("one accumulator on one thread")
}

fn keys(store: &Store<'_, Vec<u8>>, revision: Revision, lines: &mut Lines) {
    let index =
        read(store, || Index::new(Query { range: KeyRange::all(), revision, hash_values: false, folders: Vec::new() }));
    for key in sorted_keys(&index, |key| !key.deleted) {
        // A client cannot request the key "", which a restore with a bump writes.
        if key.key.is_empty() {
            continue;
        }
        let entry = store.value(key.place).expect("readable bytes").expect("an entry");
        let message = KeyValue::parse(&entry).expect("a message");
        let mut line = json!({
            "key": BASE64_STANDARD.encode(key.key),
            "create": key.create_revision,
            "mod": message.mod_revision,
            "version": key.version,
            "size": message.value.len(),
        });
        if key.lease != 0 {
            line["lease"] = json!(go_hex(key.lease));
        }
        if message.value.len() > MAX_PRINTED_LEN {
            let hash: String = Sha256::digest(message.value).iter().map(|byte| format!("{byte:02x}")).collect();
            line["sha256"] = json!(hash);
        } else if !message.value.is_empty() {
            line["value"] = json!(BASE64_STANDARD.encode(message.value));
        }
        lines.insert(key_line(revision, &line));
    }
}

/// Formats a key as a line in which the fields have a fixed order.
fn key_line(revision: Revision, key: &Value) -> String {
    let fields = ["key", "create", "mod", "version", "lease", "size", "value", "sha256"];
    let fields: Vec<_> = fields.iter().map(|name| format!("{name} {}", key[name])).collect();
    format!("key at {revision}: {}", fields.join(", "))
}

/// Formats a number as Go does in base 16.
fn go_hex(number: i64) -> String {
    if number < 0 { format!("-{:x}", number.unsigned_abs()) } else { format!("{number:x}") }
}

fn small(store: &Store<'_, Vec<u8>>, lines: &mut Lines) {
    for lease in store.leases().expect("readable bytes") {
        lines.insert(format!("lease {}", go_hex(lease.id)));
    }
    for alarm in store.alarms().expect("readable bytes") {
        let kind = alarm.kind.map_or("?", |kind| kind.as_str_name());
        lines.insert(format!("alarm {kind} of {:x}", alarm.member));
    }
    let mut take_user = |user: etcdsnap_core::proto::authpb::User| {
        let mut roles = user.roles.clone();
        roles.sort();
        lines.insert(format!("user {}: {roles:?}", String::from_utf8_lossy(&user.name)));
    };
    store.users(&mut take_user).expect("readable bytes");
    store
        .roles(&mut |role| {
            // Since 3.6 servers report that root may do everything, whatever the bucket contains.
            if role.name == b"root" {
                return;
            }
            let permissions: Vec<_> = role
                .key_permission
                .iter()
                .map(|one| {
                    let kind = one.perm_type().as_str_name();
                    let (key, end) = (BASE64_STANDARD.encode(&one.key), BASE64_STANDARD.encode(&one.range_end));
                    format!("{kind} {key} {end}")
                })
                .collect();
            lines.insert(format!("role {}: {permissions:?}", String::from_utf8_lossy(&role.name)));
        })
        .expect("readable bytes");
}

/// Restores a snapshot with a version's own tool, starts its server, and queries it at two revisions. `None` if they are not built.
///
/// # Panics
/// Panics if the programs cannot be run.
#[must_use]
pub fn served(version: &str, file: &[u8], user: Option<&str>, older: Option<Revision>) -> Option<Served> {
    let folder = tempfile::tempdir().expect("a directory");
    let member_config = member_configs(folder.path(), &["m"]).remove(0);
    let path = folder.path().join("snapshot.db");
    std::fs::write(&path, file).expect("a file");
    if let Err(printed) = crate::etcd_verdict::restore(version, &path, &member_config, file.len().is_multiple_of(512))?
    {
        return Some(Served::NotRestored(printed));
    }
    let servers = match Servers::try_start(version, &member_config, folder.path())? {
        Ok(servers) => servers,
        Err(printed) => return Some(Served::NotStarted(end(&printed))),
    };
    let out = folder.path().join("out");
    std::fs::create_dir(&out).expect("a directory");
    let mut history = Command::new(tests_dir().join("reference/bin/history/history"));
    history.args(["-endpoint", &member_config.client_url(), "-out"]).arg(&out);
    history.args(["-revisions", &older.map(|older| older.to_string()).unwrap_or_default()]);
    if let Some(user) = user {
        history.args(["-user", user]);
    }
    let output = history.arg("dump").stdin(Stdio::null()).output().expect("`cargo xtask reference` builds history");
    if !output.status.success() {
        return Some(Served::Refused(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(out.join(name)).expect("a file")).expect("JSON")
    };
    let mut lines = Lines::new();
    let keys = read("keys.json");
    for state in list(&keys["states"]) {
        for key in list(&state["keys"]) {
            lines.insert(key_line(Revision::new(state["revision"].as_i64().unwrap_or_default()), key));
        }
    }
    for hash in list(&read("hashkv.json")) {
        lines.insert(format!("hash at {}: {}, compacted {}", hash["revision"], hash["hash"], hash["compact_revision"]));
    }
    for lease in list(&read("leases.json")) {
        lines.insert(format!("lease {}", text(&lease["id"])));
    }
    for alarm in list(&read("alarms.json")) {
        lines.insert(format!("alarm {} of {}", text(&alarm["alarm"]), text(&alarm["member"])));
    }
    let auth = read("auth.json");
    for (name, roles) in auth["users"].as_object().into_iter().flatten() {
        let mut roles: Vec<_> = list(roles).iter().map(text).collect();
        roles.sort();
        lines.insert(format!("user {name}: {roles:?}"));
    }
    for (name, permissions) in auth["roles"].as_object().into_iter().flatten().filter(|(name, _)| *name != "root") {
        let permission =
            |one: &Value| format!("{} {} {}", text(&one["type"]), text(&one["key"]), text(&one["range_end"]));
        let permissions: Vec<_> = list(permissions).iter().map(permission).collect();
        lines.insert(format!("role {name}: {permissions:?}"));
    }
    let revision = Revision::new(keys["states"][0]["revision"].as_i64().expect("a revision"));
    let healthy = servers.healthy();
    let writes = servers.etcdctl(user, &["put", "zz/written", "after", "--command-timeout=5s"]).status.success();
    Some(Served::Answers { revision, healthy, writes, lines })
}

/// Returns the array's members; empty if the field is missing.
fn list(array: &Value) -> &[Value] {
    array.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Returns the last lines of a log.
fn end(log: &str) -> String {
    let first = log.lines().next().unwrap_or_default();
    let wrong =
        log.lines().filter(|line| ["panic", "fatal", "\"error", "failed"].iter().any(|word| line.contains(word)));
    let wrong: Vec<_> = wrong.take(3).map(|line| line.chars().take(400).collect::<String>()).collect();
    format!("{first}\n{}", wrong.join("\n"))
}

/// Returns whether a version's programs are built.
#[must_use]
pub fn built(version: &str) -> bool {
    program(version, "etcd").is_some()
}

/// Returns the first few lines that only one side has.
#[must_use]
pub fn difference(ours: &Lines, theirs: &Lines) -> String {
    let few = |from: &Lines, other: &Lines, who: &str| {
        from.difference(other).take(4).map(|line| format!("    only {who}: {line}\n")).collect::<String>()
    };
    few(ours, theirs, "ours") + &few(theirs, ours, "etcd's")
}
