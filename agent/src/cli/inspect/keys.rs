//! `etcdsnap keys FILE [PREFIX]`

use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;

use etcdsnap::core::etcd::keyvalue::KeyValue;
use etcdsnap::core::kubernetes::key_search::KeySearch;
use etcdsnap::core::kubernetes::registry_keys::prefixes;
use etcdsnap::core::kubernetes::value_changes::is_concealed;
use etcdsnap::core::store::{EntryPlace, Key, LostParts, Order, Store};
use etcdsnap::{FileSource, Snapshot};
use serde_json::{Map, Value};

use super::chosen_revision::chosen;
use super::filter;
use super::{absent_key, encrypted, key_text, range, report_losses, text_table};
use crate::cli::args::KeysArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::counted;

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &KeysArgs) -> Result<Exit, Failure> {
    let search = filter::parse(&args.filter)?;
    let prefix = key_text::typed(&args.prefix)?;
    let range = range(&prefix, &args.interval)?;
    let by_value = search.is_about_values();
    if by_value && args.deleted {
        let advice = "Find the key with key~ and --deleted, then see its values: etcdsnap history FILE KEY --values.";
        return Err(Failure::new("deleted keys have no value, and --filter asks for one", advice));
    }
    let (snapshot, bar) = encrypted::open(&args.inspect.file, &args.decrypt, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    let revision = chosen(&snapshot, &store, &args.revision)?;
    let query = store.query(range, revision);
    let (index, mut lost) = snapshot.keys(&store, &query, &bar)?;
    // Only a filter asks for kinds and namespaces.
    let prefixes = if args.filter.is_empty() { Vec::new() } else { prefixes(index.names()) };
    let wanted = |state: &Key<'_>| state.deleted == args.deleted && search.holds(state, &prefixes);
    let mut keys = Order::try_of(&index, wanted).map_err(|cause| snapshot.failed(cause))?;
    if by_value {
        let places = keys.iter(&index).map(|state| state.place).collect();
        let (holding, lost_values) =
            holding(&snapshot, &store, places, &search, args.show_secrets).map_err(|cause| snapshot.failed(cause))?;
        snapshot.assert_unchanged()?;
        lost.append(lost_values);
        keys.retain(&index, |state| holding.contains(&state.place));
    }
    drop(bar);
    if keys.is_empty() && lost.places == 0 {
        let kind = match (args.deleted, args.filter.is_empty()) {
            (true, true) => Some("is deleted"),
            (true, false) => Some("is deleted and meets the filter"),
            (false, true) => None,
            (false, false) => Some("meets the filter"),
        };
        absent_key::report_none(&prefix, &args.interval, kind, revision);
    }
    keys.truncate(args.limit.map_or(usize::MAX, NonZeroUsize::get));
    match args.inspect.write_out {
        InspectForm::Table => {
            let columns = if args.long { &LONG[..] } else { &LONG[..1] };
            text_table::print(InspectForm::Table, columns, |take| {
                for state in keys.iter(&index) {
                    let wanted = if args.long { take(&long(&state)) } else { take(&[key_text::key(state.key)]) };
                    if !wanted? {
                        break;
                    }
                }
                Ok(())
            })?;
        }
        form => {
            let mut lines = Lines::new();
            if form != InspectForm::Json && args.long && io::stdout().is_terminal() {
                // For programs, print only lines, without a summary.
                let titles = LONG.map(|(title, _)| title.to_owned());
                lines.write_with(|out| write_line(&titles, out))?;
            }
            if form != InspectForm::Json && !args.long {
                for name in keys.names(&index) {
                    lines.write_with(|out| writeln!(out, "{}", key_text::key(name)))?;
                    if !lines.wanted() {
                        break;
                    }
                }
            } else {
                for state in keys.iter(&index) {
                    match form {
                        InspectForm::Json => key_text::write_line(&mut lines, &object(&state))?,
                        _ => lines.write_with(|out| write_line(&long(&state), out))?,
                    }
                    if !lines.wanted() {
                        break;
                    }
                }
            }
            lines.finish()?;
        }
    }
    Ok(report_losses(&args.inspect.file, &lost).max(encrypted::report_undecrypted(&snapshot)))
}

/// Returns those of the places of keys whose values meet all conditions; reads each page once.
fn holding(
    snapshot: &Snapshot,
    store: &Store<'_, FileSource>,
    places: Vec<EntryPlace>,
    search: &KeySearch,
    show_secrets: bool,
) -> Result<(HashSet<EntryPlace>, LostParts), etcdsnap::core::Error> {
    let mut holding = HashSet::new();
    let mut hidden = 0_u64;
    let lost = store.entries_at(places, &mut |entry| {
        let pair = KeyValue::parse(entry.value).unwrap_or_default();
        // Searching a secret would let a user guess it letter by letter.
        if !show_secrets && key_text::is_secret(pair.key) {
            hidden = hidden.saturating_add(1);
            return;
        }
        let value = snapshot.decrypted_value(entry.place, &pair);
        if !show_secrets && is_concealed(&value) {
            hidden = hidden.saturating_add(1);
            return;
        }
        if search.holds_of_value(&value) {
            holding.insert(entry.place);
        }
    })?;
    if hidden > 0 {
        let keys = counted(hidden, "key is a secret and was", "keys are secrets and were");
        output::warn(&format!("{keys} not searched: --show-secrets searches their values, too."));
    }
    Ok((holding, lost))
}

/// The columns of [`long`].
pub const LONG: [text_table::Column; 6] =
    [("key", false), ("mod", true), ("create", true), ("version", true), ("bytes", true), ("lease", true)];

/// Formats a key's state in columns. A deletion has only a revision.
pub fn long(state: &Key<'_>) -> [String; 6] {
    let number = |number: i64| if state.deleted { "-".to_owned() } else { number.to_string() };
    [
        key_text::key(state.key),
        state.revision.main.to_string(),
        number(state.create_revision.get()),
        number(state.version),
        number(i64::from(state.value_len)),
        lease(state.lease),
    ]
}

/// Writes a line with the key at its end, like `ls -l`: lines are printed while others are still being read.
fn write_line([key, modified, create, version, size, lease]: &[String; 6], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{modified:>10} {create:>10} {version:>7} {size:>9} {lease:>16}  {key}")
}

/// Formats a lease's id in hexadecimal; a dash means no lease.
pub fn lease(id: i64) -> String {
    if id == 0 { "-".into() } else { format!("{id:x}") }
}

/// Describes a key's state as JSON.
pub fn object(state: &Key<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    key_text::put(&mut object, "key", state.key);
    object.insert("modRevision".into(), state.revision.main.into());
    if state.deleted {
        object.insert("deleted".into(), true.into());
        return object;
    }
    object.insert("createRevision".into(), state.create_revision.into());
    object.insert("version".into(), state.version.into());
    object.insert("valueBytes".into(), state.value_len.into());
    if state.lease != 0 {
        object.insert("lease".into(), format!("{:x}", state.lease).into());
    }
    object
}
