//! `etcdsnap history FILE KEY`

use etcdsnap::core::store::Event;
use etcdsnap::typed_path;
use serde_json::{Map, Value};

use super::{bytes, encrypted, keys, table, told};
use crate::cli::args::HistoryArgs;
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::Lines;

/// Runs the command.
///
/// # Errors
/// When there is no such key, the file cannot be read, or stdout cannot be written.
pub fn run(args: &HistoryArgs) -> Result<Exit, Failure> {
    let key = bytes::typed(&args.key)?;
    let (snapshot, bar) = encrypted::open(&args.look.file, &args.decrypt, args.look.work, args.look.meta)?;
    let store = snapshot.store()?;
    let (events, lost) = snapshot.history(&store, &key, &bar)?;
    drop(bar);
    let exit = told(&args.look.file, &lost);
    if events.is_empty() {
        let name = bytes::key(&key);
        let (what, advice) = if lost.places > 0 {
            let what = format!("nothing can be found of a key {name}; it may be among what is lost");
            (what, "Look into another copy, or into another snapshot.".to_owned())
        } else {
            let file = typed_path(&args.look.file);
            let advice = format!(
                "See what there is: etcdsnap keys {file}, and what was deleted: etcdsnap keys {file} --deleted"
            );
            (format!("nothing is known of a key {name}"), advice)
        };
        return Err(Failure { what, advice, exit: Exit::Damage });
    }
    let hidden = bytes::is_secret(&key) && !args.show_secrets;
    let value = |event: &Event| match args.values && !event.deletion {
        true if hidden => Ok(Some(Vec::new())),
        true => snapshot.value(&store, event.place).map(Some),
        false => Ok(None),
    };
    if args.look.write_out == LookForm::Json {
        let mut lines = Lines::new();
        for event in &events {
            let mut object = object(event);
            match value(event)? {
                Some(_) if hidden => drop(object.insert("hidden".into(), true.into())),
                Some(value) => bytes::put(&mut object, "value", &value),
                None => {}
            }
            bytes::write_line(&mut lines, &object)?;
            if !lines.wanted() {
                break;
            }
        }
        lines.finish()?;
        return Ok(exit.max(encrypted::told(&snapshot)));
    }
    let columns = if args.values { &COLUMNS[..] } else { &COLUMNS[..5] };
    table::print(args.look.write_out, columns, |take| {
        for event in &events {
            let mut row = row(event);
            if args.values {
                row.push(match value(event)? {
                    Some(_) if hidden => "(hidden: --show-secrets)".into(),
                    Some(value) => bytes::value(&value),
                    None => String::new(),
                });
            }
            if !take(&row)? {
                break;
            }
        }
        Ok(())
    })?;
    Ok(exit.max(encrypted::told(&snapshot)))
}

const COLUMNS: [table::Column; 6] =
    [("revision", true), ("event", false), ("version", true), ("bytes", true), ("lease", true), ("value", false)];

fn row(event: &Event) -> Vec<String> {
    if event.deletion {
        return vec![event.revision.main.to_string(), what(event).into(), String::new(), String::new(), String::new()];
    }
    vec![
        event.revision.main.to_string(),
        what(event).into(),
        event.version.to_string(),
        event.value_len.to_string(),
        keys::lease(event.lease),
    ]
}

fn what(event: &Event) -> &'static str {
    match (event.deletion, event.version) {
        (true, _) => "delete",
        (false, 1) => "create",
        (false, _) => "put",
    }
}

fn object(event: &Event) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("revision".into(), event.revision.main.into());
    object.insert("sub".into(), event.revision.sub.into());
    object.insert("event".into(), what(event).into());
    if !event.deletion {
        object.insert("createRevision".into(), event.create_revision.into());
        object.insert("version".into(), event.version.into());
        object.insert("valueBytes".into(), event.value_len.into());
        if event.lease != 0 {
            object.insert("lease".into(), format!("{:x}", event.lease).into());
        }
    }
    object
}
