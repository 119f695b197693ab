//! `etcdsnap history FILE KEY`

use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::core::kubernetes::time_line::{Moment, TimeLine};
use etcdsnap::core::kubernetes::time_text::stamp;
use etcdsnap::core::store::Event;
use etcdsnap::typed_path;
use serde_json::{Map, Value};

use super::{absent_key, encrypted, key_text, keys, report_losses, text_table};
use crate::cli::args::HistoryArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Lines;

/// Runs the command.
///
/// # Errors
/// When there is no such key, the file cannot be read, or stdout cannot be written.
pub fn run(args: &HistoryArgs) -> Result<Exit, Failure> {
    let key = key_text::typed(&args.key)?;
    let (snapshot, bar) = encrypted::open(&args.inspect.file, &args.decrypt, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    let (events, lost) = snapshot.history(&store, &key, &bar)?;
    let times = snapshot.time_line(&store)?;
    drop(bar);
    let exit = report_losses(&args.inspect.file, &lost);
    if events.is_empty() {
        let name = key_text::key(&key);
        let (what, advice) = if lost.places > 0 {
            let what = format!("no revision of the key {name} was found; it may be in the damaged part");
            (what, "Use another copy of the file, or another snapshot.".to_owned())
        } else {
            let file = typed_path(&args.inspect.file);
            let below = absent_key::advice_for_prefix(&snapshot, &store, &key, store.current(), &args.inspect.file)?;
            let advice = below.unwrap_or_else(|| {
                format!("List the keys: etcdsnap keys {file}; list deleted keys: etcdsnap keys {file} --deleted")
            });
            (format!("the snapshot has no revision of a key {name}"), advice)
        };
        return Err(Failure { what, advice, exit: Exit::Damage });
    }
    let hidden = key_text::is_secret(&key) && !args.show_secrets;
    let value = |event: &Event| match args.values && !event.deletion {
        true if hidden => Ok(Some(Vec::new())),
        true => snapshot.value(&store, event.place).map(Some),
        false => Ok(None),
    };
    if args.inspect.write_out == InspectForm::Json {
        let mut lines = Lines::new();
        for event in &events {
            let mut object = object(event, times.as_ref());
            match value(event)? {
                Some(_) if hidden => drop(object.insert("hidden".into(), true.into())),
                Some(value) => key_text::put(&mut object, "value", &value),
                None => {}
            }
            key_text::write_line(&mut lines, &object)?;
            if !lines.wanted() {
                break;
            }
        }
        lines.finish()?;
        return Ok(exit.max(encrypted::report_undecrypted(&snapshot)));
    }
    let mut columns = COLUMNS.to_vec();
    if times.is_some() {
        columns.insert(1, ("time", false));
    }
    if !args.values {
        columns.pop();
    }
    text_table::print(args.inspect.write_out, &columns, |take| {
        for event in &events {
            let mut row = row(event);
            if let Some(times) = &times {
                row.insert(1, stamp(times.at(event.revision.main)));
            }
            if args.values {
                row.push(match value(event)? {
                    Some(_) if hidden => "(hidden: --show-secrets)".into(),
                    Some(value) => key_text::value(&value),
                    None => String::new(),
                });
            }
            if !take(&row)? {
                break;
            }
        }
        Ok(())
    })?;
    Ok(exit.max(encrypted::report_undecrypted(&snapshot)))
}

const COLUMNS: [text_table::Column; 6] =
    [("revision", true), ("event", false), ("version", true), ("bytes", true), ("lease", true), ("value", false)];

fn row(event: &Event) -> Vec<String> {
    if event.deletion {
        return vec![
            event.revision.main.to_string(),
            effect(event).into(),
            String::new(),
            String::new(),
            String::new(),
        ];
    }
    vec![
        event.revision.main.to_string(),
        effect(event).into(),
        event.version.to_string(),
        event.value_len.to_string(),
        keys::lease(event.lease),
    ]
}

/// Adds the approximate time of a revision to a JSON object.
pub fn put_time(object: &mut Map<String, Value>, moment: Moment) {
    object.insert("time".into(), rfc3339(moment.seconds, None).into());
    if let Some(within) = moment.within {
        object.insert("timeWithinSeconds".into(), within.into());
    }
}

/// Names the effect of an event on the key.
pub fn effect(event: &Event) -> &'static str {
    match (event.deletion, event.version) {
        (true, _) => "delete",
        (false, 1) => "create",
        (false, _) => "put",
    }
}

fn object(event: &Event, times: Option<&TimeLine>) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("revision".into(), event.revision.main.into());
    object.insert("sub".into(), event.revision.sub.into());
    if let Some(times) = times {
        put_time(&mut object, times.at(event.revision.main));
    }
    object.insert("event".into(), effect(event).into());
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
