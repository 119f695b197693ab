//! `etcdsnap members|leases|alarms|meta FILE`

use std::collections::HashMap;

use etcdsnap::core::store::{KeyRange, Query};
use serde_json::{Map, Value, json};

use super::{bytes, open, table, told};
use crate::cli::args::ListArgs;
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// Prints objects a line each, or rows.
fn print(
    form: LookForm,
    columns: &[table::Column],
    rows: Vec<Vec<String>>,
    objects: Vec<Map<String, Value>>,
) -> Result<(), Failure> {
    match form {
        LookForm::Json => output::print(&objects.into_iter().map(bytes::line).collect::<String>()),
        form => output::print(&table::rows(form, columns, rows)),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Runs `members`.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn members(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    drop(bar);
    let members = store.members().map_err(|cause| snapshot.failed(cause))?;
    let removed = store.removed_members().map_err(|cause| snapshot.failed(cause))?;
    snapshot.assert_unchanged()?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for member in &members {
        let role = if member.is_learner { "learner" } else { "member" };
        rows.push(vec![
            format!("{:x}", member.id),
            role.into(),
            etcdsnap::printable(&member.name),
            etcdsnap::printable(&member.peer_urls.join(",")),
            etcdsnap::printable(&member.client_urls.join(",")),
        ]);
        objects.push(object(json!({
            "id": format!("{:x}", member.id), "role": role, "name": member.name,
            "peerUrls": member.peer_urls, "clientUrls": member.client_urls,
        })));
    }
    for id in removed {
        rows.push(vec![format!("{id:x}"), "removed".into(), String::new(), String::new(), String::new()]);
        objects.push(object(json!({"id": format!("{id:x}"), "role": "removed"})));
    }
    let columns = [("id", true), ("role", false), ("name", false), ("peer urls", false), ("client urls", false)];
    print(args.look.write_out, &columns, rows, objects)?;
    Ok(told(&args.look.file, store.lost()))
}

/// Runs `leases`.
///
/// # Errors
/// As [`members`].
pub fn leases(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    let leases = store.leases().map_err(|cause| snapshot.failed(cause))?;
    let query = Query { range: KeyRange::all(), revision: store.current(), hash_values: false };
    let (index, lost) = snapshot.keys(&store, &query, &bar)?;
    drop(bar);
    let mut held: HashMap<i64, Vec<&[u8]>> = HashMap::new();
    for state in index.sorted(|state| state.lease != 0 && !state.deleted) {
        held.entry(state.lease).or_default().push(state.key);
    }
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for lease in leases {
        let keys = held.remove(&lease.id).unwrap_or_default();
        let shown = keys.iter().map(|key| bytes::key(key)).collect::<Vec<_>>().join(" ");
        rows.push(vec![format!("{:x}", lease.id), lease.ttl.to_string(), keys.len().to_string(), shown]);
        let keys = keys.iter().map(|key| {
            let mut object = Map::new();
            bytes::put(&mut object, "key", key);
            Value::Object(object)
        });
        objects.push(object(json!({
            "id": format!("{:x}", lease.id), "ttl": lease.ttl, "remainingTtl": lease.remaining_ttl,
            "keys": keys.collect::<Vec<_>>(),
        })));
    }
    let columns = [("id", true), ("ttl", true), ("keys", true), ("names", false)];
    print(args.look.write_out, &columns, rows, objects)?;
    Ok(told(&args.look.file, &lost))
}

/// Runs `alarms`.
///
/// # Errors
/// As [`members`].
pub fn alarms(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    drop(bar);
    let alarms = store.alarms().map_err(|cause| snapshot.failed(cause))?;
    snapshot.assert_unchanged()?;
    let named = alarms.iter().map(|alarm| {
        let kind = alarm.kind.map_or("UNKNOWN", |kind| kind.as_str_name());
        (format!("{:x}", alarm.member), kind)
    });
    let (rows, objects) = named
        .map(|(member, kind)| (vec![member.clone(), kind.to_owned()], object(json!({"member": member, "alarm": kind}))))
        .unzip();
    print(args.look.write_out, &[("member", true), ("alarm", false)], rows, objects)?;
    Ok(told(&args.look.file, store.lost()))
}

/// Runs `meta`.
///
/// # Errors
/// As [`members`].
pub fn meta(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.look.file, args.look.work)?;
    let store = snapshot.store()?;
    drop(bar);
    let marks = store.marks().map_err(|cause| snapshot.failed(cause))?;
    snapshot.assert_unchanged()?;
    let (rows, objects) = marks
        .iter()
        .map(|mark| {
            let mut object = object(json!({"bucket": mark.bucket}));
            bytes::put(&mut object, "key", &mark.key);
            object.insert("value".into(), mark.value.clone().into());
            (vec![mark.bucket.to_owned(), bytes::key(&mark.key), etcdsnap::printable(&mark.value)], object)
        })
        .unzip();
    print(args.look.write_out, &[("bucket", false), ("key", false), ("value", false)], rows, objects)?;
    Ok(told(&args.look.file, store.lost()))
}
