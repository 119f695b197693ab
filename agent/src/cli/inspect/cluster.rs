//! `etcdsnap members|leases|alarms|meta FILE`
//!
//! Lines are printed as they are made, in every form: a forged file can have a million of them.

use etcdsnap::core::store::KeyRange;
use serde_json::{Map, Value, json};

use super::{key_text, left_out, open, report_losses, text_table};
use crate::cli::args::ListArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// Makes an item as JSON or as a table row; only one of the two is called.
struct ListItem<'i> {
    object: &'i dyn Fn() -> Value,
    row: &'i dyn Fn() -> Vec<String>,
}

/// Receives an item; returns false when the reader of stdout has gone.
type ItemVisitor<'t> = &'t mut dyn FnMut(&ListItem<'_>) -> Result<bool, Failure>;

/// Prints one line or one row per item. `each` passes all items to its argument; it is called twice where columns must be measured first.
fn print(
    form: InspectForm,
    columns: &[text_table::Column],
    mut each: impl FnMut(ItemVisitor<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if form != InspectForm::Json {
        return text_table::print(form, columns, |take| each(&mut |item| take(&(item.row)())));
    }
    let mut lines = Lines::new();
    each(&mut |item| {
        if let Value::Object(object) = (item.object)() {
            key_text::write_line(&mut lines, &object)?;
        }
        Ok(lines.wanted())
    })?;
    lines.finish()
}

/// Runs `members`.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn members(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    drop(bar);
    let members = store.members().map_err(|cause| snapshot.failed(cause))?;
    let removed = store.removed_members().map_err(|cause| snapshot.failed(cause))?;
    let columns = [("id", true), ("role", false), ("name", false), ("peer urls", false), ("client urls", false)];
    print(args.inspect.write_out, &columns, |take| {
        for member in &members.items {
            let id = format!("{:x}", member.id);
            let role = if member.is_learner { "learner" } else { "member" };
            let object = || {
                json!({
                    "id": id, "role": role, "name": member.name,
                    "peerUrls": member.peer_urls, "clientUrls": member.client_urls,
                })
            };
            let row = || {
                let urls = |urls: &[String]| etcdsnap::printable(&urls.join(","));
                let name = etcdsnap::printable(&member.name);
                vec![id.clone(), role.into(), name, urls(&member.peer_urls), urls(&member.client_urls)]
            };
            if !take(&ListItem { object: &object, row: &row })? {
                return Ok(());
            }
        }
        for id in &removed {
            let id = format!("{id:x}");
            let object = || json!({"id": id, "role": "removed"});
            let row = || vec![id.clone(), "removed".into(), String::new(), String::new(), String::new()];
            if !take(&ListItem { object: &object, row: &row })? {
                return Ok(());
            }
        }
        Ok(())
    })?;
    snapshot.assert_unchanged()?;
    let exit = left_out(&args.inspect.file, members.left_out, "member", "members");
    Ok(exit.max(report_losses(&args.inspect.file, &store.lost_of(&["members", "members_removed"]))))
}

/// Runs `leases`.
///
/// # Errors
/// As [`members`].
pub fn leases(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    let leases = store.leases().map_err(|cause| snapshot.failed(cause))?;
    let query = store.query(KeyRange::all(), store.current());
    let (index, mut lost) = snapshot.keys(&store, &query, &bar)?;
    lost.append(store.lost_of(&["lease"]));
    drop(bar);
    let attached = index.iter().filter(|state| state.lease != 0 && !state.deleted);
    let mut held: Vec<(i64, &[u8])> = attached.map(|state| (state.lease, state.key)).collect();
    held.sort_unstable();
    let columns = [("id", true), ("ttl", true), ("keys", true), ("names", false)];
    print(args.inspect.write_out, &columns, |take| {
        let mut before = None;
        for lease in &leases {
            let start = held.partition_point(|(id, _)| *id < lease.id);
            let end = held.partition_point(|(id, _)| *id <= lease.id);
            // In a damaged file a lease can occur twice: only its first occurrence lists the keys.
            let keys = if before.replace(lease.id) == Some(lease.id) { &[] } else { &held[start..end] };
            let object = || {
                let keys = keys.iter().map(|(_, key)| {
                    let mut object = Map::new();
                    key_text::put(&mut object, "key", key);
                    Value::Object(object)
                });
                json!({
                    "id": format!("{:x}", lease.id), "ttl": lease.ttl, "remainingTtl": lease.remaining_ttl,
                    "keys": keys.collect::<Vec<_>>(),
                })
            };
            let row = || {
                let mut names = String::new();
                for (_, key) in keys {
                    names.push_str(if names.is_empty() { "" } else { " " });
                    names.push_str(&key_text::key(key));
                }
                vec![format!("{:x}", lease.id), lease.ttl.to_string(), keys.len().to_string(), names]
            };
            if !take(&ListItem { object: &object, row: &row })? {
                return Ok(());
            }
        }
        Ok(())
    })?;
    Ok(report_losses(&args.inspect.file, &lost))
}

/// Runs `alarms`.
///
/// # Errors
/// As [`members`].
pub fn alarms(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    drop(bar);
    let alarms = store.alarms().map_err(|cause| snapshot.failed(cause))?;
    print(args.inspect.write_out, &[("member", true), ("alarm", false)], |take| {
        for alarm in &alarms {
            let kind = alarm.kind.map_or("UNKNOWN", |kind| kind.as_str_name());
            let object = || json!({"member": format!("{:x}", alarm.member), "alarm": kind});
            let row = || vec![format!("{:x}", alarm.member), kind.to_owned()];
            if !take(&ListItem { object: &object, row: &row })? {
                return Ok(());
            }
        }
        Ok(())
    })?;
    snapshot.assert_unchanged()?;
    Ok(report_losses(&args.inspect.file, &store.lost_of(&["alarm"])))
}

/// Runs `meta`.
///
/// # Errors
/// As [`members`].
pub fn meta(args: &ListArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.inspect.file, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    drop(bar);
    print(args.inspect.write_out, &[("bucket", false), ("key", false), ("value", false)], |take| {
        let mut outcome = Ok(true);
        let read = store.marks(&mut |mark| {
            let object = || {
                let mut object = Map::new();
                object.insert("bucket".into(), mark.bucket.into());
                key_text::put(&mut object, "key", &mark.key);
                object.insert("value".into(), mark.value.clone().into());
                Value::Object(object)
            };
            let row = || vec![mark.bucket.to_owned(), key_text::key(&mark.key), etcdsnap::printable(&mark.value)];
            if let Ok(true) = outcome {
                outcome = take(&ListItem { object: &object, row: &row });
            }
        });
        read.map_err(|cause| snapshot.failed(cause))?;
        outcome.map(drop)
    })?;
    snapshot.assert_unchanged()?;
    Ok(report_losses(&args.inspect.file, &store.lost_of(&["meta", "cluster", "auth"])))
}
