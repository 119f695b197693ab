//! `etcdsnap diff A [B]` and `etcdsnap diff A --endpoints …`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcdsnap::core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap::core::store::{Changes, Key, KeyDifference, Store};
use etcdsnap::{FileSource, Snapshot};
use serde_json::{Map, Value};

use super::chosen_revision::chosen_by;
use super::compared_side::ComparedSide;
use super::{encrypted, key_text, keys, live_snapshot, open, range, report_losses, text_table};
use crate::cli::args::DiffArgs;
use crate::cli::args_common::{MetaArgs, MetaPage};
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_revision::AskedTime;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::judge_files;
use crate::cli::output::Lines;
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::{counted, grouped_revision};

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or stdout cannot be written.
pub fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    let range = range(&key_text::typed(&args.prefix)?, &args.interval)?;
    if args.b.is_some() && args.live.0.is_some() {
        let advice = "Leave out the second file, or the flags that name a server.";
        return Err(Failure::new("the command names both a second file and a running cluster to compare with", advice));
    }
    let is_of_one_file = args.b.is_none() && args.live.0.is_none();
    if is_of_one_file && args.rev_a == args.rev_b && args.at_a == args.at_b && args.meta == MetaPage::Newest {
        let advice = "Give a second file, two revisions of this one (--rev-a N and --rev-b M, or --at-a TIME), or the running cluster (--endpoints).";
        return Err(Failure::new("there is nothing to compare the snapshot with", advice));
    }
    if args.values && args.write_out == InspectForm::Table {
        let advice = "Use -w simple, which has the lines of each value below its key, or -w json.";
        return Err(Failure::new(
            "--values cannot be combined with -w table: values do not fit into its cells",
            advice,
        ));
    }
    let stdin = Path::new("-");
    if args.a == stdin && is_of_one_file && args.meta == MetaPage::Older {
        return Err(Failure::new(
            "two states of a snapshot from a pipe cannot be compared, because a pipe can be read only once",
            "Save the snapshot to a file first.",
        ));
    }
    if args.a == stdin && args.b.as_deref() == Some(stdin) {
        return Err(judge_files::stdin_twice());
    }
    let both: Vec<_> = [Some(&args.a), args.b.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
    // Checked before anything is printed about the first file: the output would go into the second.
    judge_files::check_not_written(&both)?;
    let other = match (&args.b, &args.live.0) {
        (Some(other), _) => other.as_path(),
        (None, Some(_)) => Path::new("the snapshot of the running cluster"),
        (None, None) => &args.a,
    };
    let query = |snapshot: &Snapshot, store: &Store<'_, FileSource>, revision, time: &Option<AskedTime>| {
        chosen_by(snapshot, store, revision, time.as_ref()).map(|revision| store.query(range.clone(), revision))
    };
    let decryption = encrypted::decryption(&args.decrypt, &both)?;
    let (snapshot_a, bar) = open(&args.a, args.work, MetaArgs { meta: args.meta })?;
    let snapshot_a = snapshot_a.with_decryption(Arc::clone(&decryption));
    let store_a = snapshot_a.store()?;
    let side_a = snapshot_a.side(&store_a, query(&snapshot_a, &store_a, args.rev_a, &args.at_a)?, &bar)?;
    drop(bar);
    // Two revisions of one file: it is already open, and standard input cannot be read again.
    let (second, bar) = match (&args.b, &args.live.0) {
        (Some(path), _) => open(path, args.work, MetaArgs::default()).map(|(snapshot, bar)| (Some(snapshot), bar))?,
        (None, Some(server)) => (Some(live_snapshot::snapshot(server, args.work)?), Bar::new(other)),
        (None, None) if args.meta == MetaPage::Older => {
            open(&args.a, args.work, MetaArgs::default()).map(|(snapshot, bar)| (Some(snapshot), bar))?
        }
        (None, None) => (None, Bar::new(&args.a)),
    };
    let second = second.map(|snapshot| snapshot.with_decryption(Arc::clone(&decryption)));
    let snapshot_b = second.as_ref().unwrap_or(&snapshot_a);
    let store_b = snapshot_b.store()?;
    let side_b = snapshot_b.side(&store_b, query(snapshot_b, &store_b, args.rev_b, &args.at_b)?, &bar)?;
    drop(bar);
    let [(index_a, lost_a), (index_b, lost_b)] =
        etcdsnap::compare((&snapshot_a, &store_a, side_a), (snapshot_b, &store_b, side_b))?;
    let a = ComparedSide { snapshot: &snapshot_a, store: &store_a, index: index_a };
    let b = ComparedSide { snapshot: snapshot_b, store: &store_b, index: index_b };
    let mut changes = Changes::between(&a.index, &b.index).map_err(|cause| snapshot_a.failed(cause))?;
    if decryption.can_decrypt() {
        take_out_sealed_anew(&mut changes, &a, &b)?;
    }
    let exit = report_losses(&args.a, &lost_a).max(report_losses(other, &lost_b));
    if args.write_out == InspectForm::Table {
        text_table::print(InspectForm::Table, &COLUMNS, |take| {
            for change in changes.iter(&a.index, &b.index) {
                if !take(&row(&change))? {
                    break;
                }
            }
            Ok(())
        })?;
    } else {
        let mut lines = Lines::new();
        for change in changes.iter(&a.index, &b.index) {
            match args.write_out {
                InspectForm::Json => key_text::write_line(&mut lines, &object(&change, args, &a, &b)?)?,
                _ => text(&change, args, &a, &b, &mut lines)?,
            }
            if !lines.wanted() {
                break;
            }
        }
        lines.finish()?;
    }
    let exit = exit.max(encrypted::report_undecrypted(&snapshot_a));
    let exit = second.as_ref().map_or(exit, |snapshot| exit.max(encrypted::report_undecrypted(snapshot)));
    Ok(if changes.is_empty() { exit } else { exit.max(Exit::Damage) })
}

/// Removes changes that vanish once both values are decrypted: an API server encrypts a value anew, with the newest key, at every write.
fn take_out_sealed_anew(changes: &mut Changes, a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> Result<(), Failure> {
    changes.try_retain(&a.index, &b.index, |change| match change {
        KeyDifference::Changed(old, new) if old.lease == new.lease => {
            let (before, after) = (a.value(old)?, b.value(new)?);
            Ok(before != after || Encrypted::of(&before).is_some())
        }
        _ => Ok(true),
    })
}

const COLUMNS: [text_table::Column; 6] =
    [("", false), ("key", false), ("mod A", true), ("mod B", true), ("bytes A", true), ("bytes B", true)];

/// Returns the sign of a change, and the key on either side.
fn sides<'k>(change: &KeyDifference<'k>) -> (&'static str, Option<Key<'k>>, Option<Key<'k>>) {
    match *change {
        KeyDifference::Added(new) => ("+", None, Some(new)),
        KeyDifference::Removed(old) => ("-", Some(old), None),
        KeyDifference::Changed(old, new) => ("~", Some(old), Some(new)),
    }
}

fn name(old: Option<Key<'_>>, new: Option<Key<'_>>) -> String {
    old.or(new).map(|state| key_text::key(state.key)).unwrap_or_default()
}

fn row(change: &KeyDifference<'_>) -> Vec<String> {
    let (sign, old, new) = sides(change);
    let number = |state: Option<Key<'_>>, of: fn(Key<'_>) -> String| state.map(of).unwrap_or_default();
    let (modified, size) =
        (|state: Key<'_>| state.revision.main.to_string(), |state: Key<'_>| state.value_len.to_string());
    vec![
        sign.into(),
        name(old, new),
        number(old, modified),
        number(new, modified),
        number(old, size),
        number(new, size),
    ]
}

fn text(
    change: &KeyDifference<'_>,
    args: &DiffArgs,
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    lines: &mut Lines,
) -> Result<(), Failure> {
    let (sign, old, new) = sides(change);
    let at = |state: Key<'_>| {
        format!(
            "revision {}, {}",
            grouped_revision(state.revision.main),
            counted(state.value_len.into(), "byte", "bytes")
        )
    };
    let places: Vec<String> = old.into_iter().chain(new).map(at).collect();
    lines.write_with(|out| writeln!(out, "{sign} {}  ({})", name(old, new), places.join(" → ")))?;
    if args.values {
        for (sign, side, state) in [("-", a, old), ("+", b, new)] {
            let Some(state) = state else { continue };
            if key_text::is_secret(state.key) && !args.show_secrets {
                lines.write(format!("    {sign} (hidden: --show-secrets)\n").as_bytes())?;
                continue;
            }
            for line in key_text::value(&side.value(&state)?).lines() {
                lines.write_with(|out| writeln!(out, "    {sign} {line}"))?;
            }
        }
    }
    Ok(())
}

fn object(
    change: &KeyDifference<'_>,
    args: &DiffArgs,
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
) -> Result<Map<String, Value>, Failure> {
    let (what, old, new) = match *change {
        KeyDifference::Added(new) => ("added", None, Some(new)),
        KeyDifference::Removed(old) => ("removed", Some(old), None),
        KeyDifference::Changed(old, new) => ("changed", Some(old), Some(new)),
    };
    let mut object = Map::new();
    object.insert("change".into(), what.into());
    for (name, side, state) in [("a", a, old), ("b", b, new)] {
        let Some(state) = state else { continue };
        key_text::put(&mut object, "key", state.key);
        let mut inner = keys::object(&state);
        inner.retain(|name, _| !name.starts_with("key"));
        if args.values {
            if key_text::is_secret(state.key) && !args.show_secrets {
                inner.insert("hidden".into(), true.into());
            } else {
                key_text::put(&mut inner, "value", &side.value(&state)?);
            }
        }
        object.insert(name.into(), Value::Object(inner));
    }
    Ok(object)
}
