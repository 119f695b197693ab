//! `etcdsnap redact FILE -o OUT`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use etcdsnap::core::kubernetes::redact_rules::RedactRules;
use etcdsnap::core::rewrite::{KindRedaction, RedactReport};
use etcdsnap::{RedactDone, printable};
use serde::Serialize;

use super::args::RedactArgs;
use super::args_restore::RestoreForm;
use super::compact_defrag::{self, NewFileObject, Opened, in_place};
use super::exit::Exit;
use super::failure::Failure;
use super::inspect::key_text;
use super::output;
use super::render::grouped_number::{counted, grouped};
use super::render::json;

/// Maximum number of kinds listed in the text; JSON has all of them.
const NAMED: usize = 15;

/// Runs the command.
///
/// # Errors
/// When the file cannot be read or is damaged, or the new one cannot be written.
pub fn run(args: &RedactArgs) -> Result<Exit, Failure> {
    let rules = RedactRules {
        keep_size: args.keep_size,
        keep_encrypted: args.keep_encrypted,
        shown_kinds: args.show_kind.clone(),
        shown_fields: args.show_field.iter().map(|path| path.0.clone()).collect(),
        // Without it, the file's hash would let a person prove a guessed name.
        name_salt: args.hide_names.then(rand::random),
    };
    let prefix = args.etcd_prefix.as_deref().map(key_text::typed).transpose()?;
    let Opened { target, bar, snapshot } = compact_defrag::open(&args.new)?;
    let done = etcdsnap::redact(&snapshot, &rules, prefix.as_deref(), target, &bar);
    drop(bar);
    let done = done?;
    warn_of_unmatched(&done.redacted);
    let said = match args.new.write_out {
        RestoreForm::Text => text(args, &done),
        RestoreForm::Json => format!("{}\n", json::line(&object(args, &done))),
    };
    compact_defrag::print(&args.new, &said)?;
    Ok(Exit::Done)
}

/// Warns of kinds and fields to be shown that the file does not have: the user may have mistyped the name.
fn warn_of_unmatched(redacted: &RedactReport) {
    for kind in &redacted.unmatched_kinds {
        output::warn(&format!(
            "No object has the kind {}, so --show-kind shows nothing because of it. Give a kind as in a manifest, such as ConfigMap; the kinds in a snapshot: etcdsnap kube kinds FILE.",
            printable(kind)
        ));
    }
    for path in &redacted.unmatched_fields {
        output::warn(&format!(
            "No redacted object outside of secrets has the field {}, so --show-field shows nothing because of it. Give the last names of its path as in a manifest, such as conditions.message.",
            printable(&path.join("."))
        ));
    }
}

fn text(args: &RedactArgs, done: &RedactDone) -> String {
    let RedactReport { kinds, others, encrypted, passwords, users_left_out, .. } = &done.redacted;
    let mut text = String::from("redacted, for inspection only, not for restoring:\n");
    let mut most: Vec<(&String, &KindRedaction)> = kinds.iter().collect();
    most.sort_by_key(|(kind, count)| (std::cmp::Reverse(count.replaced), *kind));
    for (kind, count) in most.iter().take(NAMED) {
        let values = counted(count.values, "value", "values");
        let name = if kind.is_empty() { "CBOR" } else { kind };
        let _ = writeln!(text, "  {}: {} in {values}", printable(name), counted(count.replaced, "text", "texts"));
    }
    if most.len() > NAMED {
        let rest = most.iter().skip(NAMED).map(|(_, count)| count.replaced).fold(0, u64::saturating_add);
        let left = counted(most.len().saturating_sub(NAMED) as u64, "other kind", "other kinds");
        let _ = writeln!(text, "  {left}: {}", counted(rest, "text", "texts"));
    }
    if others.values > 0 {
        let _ = writeln!(
            text,
            "   not Kubernetes objects: {}, replaced completely",
            counted(others.values, "value", "values")
        );
    }
    if encrypted.values > 0 {
        let what = if encrypted.replaced > 0 { "replaced" } else { "left as they are" };
        let _ = writeln!(text, "  encrypted: {}, {what}", counted(encrypted.values, "value", "values"));
    }
    if *passwords > 0 {
        let _ = writeln!(text, "  hashes of passwords: {}", grouped(*passwords));
    }
    if *users_left_out > 0 {
        let _ = writeln!(text, "  users and roles left out: {}", grouped(*users_left_out));
    }
    if !args.hide_names {
        text.push_str("names, labels, images and addresses are still readable; --hide-names hashes them\n");
    }
    text.push_str(&in_place(&args.new.file, &args.new.output, &done.rewritten));
    text
}

/// The `-w json` output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RedactJson<'r> {
    #[serde(flatten)]
    new: NewFileObject<'r>,
    kinds: BTreeMap<&'r str, CountObject>,
    others: CountObject,
    encrypted: CountObject,
    passwords: u64,
    users_left_out: u64,
    names_hidden: bool,
    /// What --show-kind and --show-field name, and nothing has.
    unmatched_kinds: &'r [String],
    unmatched_fields: Vec<String>,
}

#[derive(Serialize)]
struct CountObject {
    values: u64,
    replaced: u64,
}

fn object<'r>(args: &RedactArgs, done: &'r RedactDone) -> RedactJson<'r> {
    let count = |count: &KindRedaction| CountObject { values: count.values, replaced: count.replaced };
    let redacted = &done.redacted;
    RedactJson {
        new: NewFileObject::of(&args.new.output, &done.rewritten),
        kinds: redacted.kinds.iter().map(|(kind, counts)| (kind.as_str(), count(counts))).collect(),
        others: count(&redacted.others),
        encrypted: count(&redacted.encrypted),
        passwords: redacted.passwords,
        users_left_out: redacted.users_left_out,
        names_hidden: args.hide_names,
        unmatched_kinds: &redacted.unmatched_kinds,
        unmatched_fields: redacted.unmatched_fields.iter().map(|path| path.join(".")).collect(),
    }
}
