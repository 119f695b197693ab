//! `etcdsnap get FILE KEY`

use std::io::{self, IsTerminal};

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::conceal::conceal_by_kind;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::object;
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::yaml::to_yaml;
use etcdsnap::core::store::{Key, KeyRange, LostParts};
use etcdsnap::typed_path;

use super::chosen_revision::chosen;
use super::key_text::{Hex, ShownValue};
use super::{absent_key, encrypted, key_text, keys, report_losses, text_table};
use crate::cli::args::GetArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::{self, Lines};
use crate::cli::render::grouped_number::{counted, grouped_revision};

/// Runs the command.
///
/// # Errors
/// When there is no such key, the file cannot be read, or stdout cannot be written.
pub fn run(args: &GetArgs) -> Result<Exit, Failure> {
    check_form(args)?;
    let key = key_text::typed(&args.key)?;
    let (snapshot, bar) = encrypted::open(&args.inspect.file, &args.decrypt, args.inspect.work, args.inspect.meta)?;
    let store = snapshot.store()?;
    let at = chosen(&snapshot, &store, &args.revision)?;
    let query = store.query(KeyRange::one(&key), at);
    let (index, lost) = snapshot.keys(&store, &query, &bar)?;
    drop(bar);
    let state = index.get(&key);
    let exit = report_losses(&args.inspect.file, &lost);
    let Some(state) = state.as_ref().filter(|state| !state.deleted) else {
        let below = match state {
            None if lost.places == 0 => absent_key::advice_for_prefix(&snapshot, &store, &key, at, &args.inspect.file)?,
            _ => None,
        };
        return Err(absent(args, &key, at, state.as_ref(), &lost, below));
    };
    let hidden = key_text::is_secret(&key) && !args.show_secrets;
    if hidden && args.inspect.write_out == InspectForm::Simple {
        let what = format!(
            "the value of {} is a secret of {}",
            key_text::key(&key),
            counted(state.value_len.into(), "byte", "bytes")
        );
        return Err(Failure::new(what, "--show-secrets prints it."));
    }
    let value = if hidden { Vec::new() } else { snapshot.value(&store, state.place)? };
    let exit = exit.max(encrypted::report_undecrypted(&snapshot));
    if args.inspect.write_out == InspectForm::Json {
        let mut object = keys::object(state);
        if hidden {
            object.insert("hidden".into(), true.into());
        } else {
            key_text::put(&mut object, "value", &value);
        }
        let mut lines = Lines::new();
        key_text::write_line(&mut lines, &object)?;
        lines.finish()?;
        return Ok(exit);
    }
    let shown = |raw, plain: fn(&[u8]) -> String| if args.hex { Hex(raw).to_string() } else { plain(raw) };
    if args.inspect.write_out == InspectForm::Table {
        let [_, modified, create, version, size, lease] = keys::long(state);
        let value = if hidden { "(hidden: --show-secrets)".into() } else { shown(&value, key_text::value) };
        let row = [shown(&key, key_text::key), modified, create, version, size, lease, value];
        let columns = [&keys::LONG[..], &[("value", false)]].concat();
        text_table::print(InspectForm::Table, &columns, |take| take(&row).map(drop))?;
        return Ok(exit);
    }
    if args.raw && io::stdout().is_terminal() && !key_text::is_for_a_terminal(&value) {
        return Err(Failure::new(
            "the value contains bytes that would control the terminal",
            "Send it to a file or another program (--raw > FILE), or leave --raw out.",
        ));
    }
    let as_stored = args.raw || args.hex || args.print_value_only;
    if !as_stored && print_object(args, &key, state.revision.main, &value)? {
        return Ok(exit);
    }
    let mut lines = Lines::new();
    if args.raw {
        lines.write(&value)?;
    } else {
        if !args.print_value_only {
            lines.write(format!("{}\n", shown(&key, key_text::key)).as_bytes())?;
        }
        lines.write_with(|out| {
            if args.hex { writeln!(out, "{}", Hex(&value)) } else { writeln!(out, "{}", ShownValue(&value)) }
        })?;
    }
    lines.finish()?;
    Ok(exit)
}

/// Prints a Kubernetes object as YAML, with its key as a comment. Returns false for a value that is not an object or cannot be decoded; the caller prints it as it is.
fn print_object(args: &GetArgs, key: &[u8], revision: Revision, value: &[u8]) -> Result<bool, Failure> {
    let version = revision.to_string();
    let options = Options { resource_version: Some(&version), ..Options::default() };
    let Ok((mut node, remarks)) = object::tree(value, options) else { return Ok(false) };
    if !args.show_secrets {
        conceal_by_kind(&mut node);
    }
    let names_itself = |name| node.get(name).and_then(Node::text).is_some_and(|text| !text.is_empty());
    if !names_itself("kind") || !names_itself("apiVersion") {
        return Ok(false);
    }
    for sentence in remarks.sentences() {
        output::warn(&format!("{}: {sentence}", key_text::key(key)));
    }
    let mut lines = Lines::new();
    lines.write(format!("# {}\n", key_text::key(key)).as_bytes())?;
    lines.write(to_yaml(&node).as_bytes())?;
    lines.finish()?;
    Ok(true)
}

/// Refuses flags that apply only to the plain form if another form was chosen.
fn check_form(args: &GetArgs) -> Result<(), Failure> {
    let form = match args.inspect.write_out {
        InspectForm::Simple => return Ok(()),
        InspectForm::Json => "json",
        InspectForm::Table => "table",
    };
    let unfit = [
        (args.raw, "--raw"),
        (args.print_value_only, "--print-value-only"),
        (args.hex && args.inspect.write_out == InspectForm::Json, "--hex"),
    ];
    match unfit.iter().find(|(given, _)| *given) {
        Some((_, flag)) => Err(Failure::new(
            format!("{flag} cannot be combined with -w {form}"),
            "Leave one of the two out. In JSON, bytes that are not text are in base64, under keyBase64 and valueBase64.",
        )),
        None => Ok(()),
    }
}

/// Explains why there is nothing to print; exit code 1, as for a difference.
fn absent(
    args: &GetArgs,
    key: &[u8],
    at: Revision,
    state: Option<&Key<'_>>,
    lost: &LostParts,
    below: Option<String>,
) -> Failure {
    let (name, file) = (key_text::key(key), typed_path(&args.inspect.file));
    let at = grouped_revision(at);
    let (what, advice) = match state {
        Some(state) => (
            format!("{name} was deleted at revision {}", grouped_revision(state.revision.main)),
            format!("See what was there before: etcdsnap history {file} {name}, then etcdsnap get --rev N."),
        ),
        None if lost.places > 0 => (
            format!("the key {name} was not found at revision {at}; it may be in the damaged part"),
            "Use another copy of the file, or another snapshot.".into(),
        ),
        None => (
            format!("there is no key {name} at revision {at}"),
            below.unwrap_or_else(|| {
                format!(
                    "List the keys: etcdsnap keys {file}. Check whether it was created later or compacted away: etcdsnap history {file} {name}"
                )
            }),
        ),
    };
    Failure { what, advice, exit: Exit::Damage }
}
