//! `etcdsnap salvage FILE -o OUT`

use std::path::Path;

use etcdsnap::core::rewrite::{Limits, Origin, SalvageReport};
use etcdsnap::{
    DamagedSnapshot, NewFile, SalvageOptions, Salvaged, Verdict, printable, printable_path, put_path, typed_path,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::SalvageArgs;
use super::args_restore::RestoreForm;
use super::exit::Exit;
use super::failure::Failure;
use super::progress_bar::Bar;
use super::render::grouped_number::{counted, exact_bytes, grouped, grouped_revision};
use super::render::json;
use super::{judge_files, output, signals};

/// Maximum number of lines of each list; `-w json` has more.
const SHOWN: usize = 10;

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or the new one cannot be written.
pub fn run(args: &SalvageArgs) -> Result<Exit, Failure> {
    judge_files::check_not_written(&[&args.file])?;
    let target = args.output.as_deref().map(|output| NewFile::open(output, &args.file)).transpose()?;
    if let Some(warning) = target.as_ref().and_then(NewFile::warning) {
        output::warn(&warning);
    }
    judge_files::warn_when_in_use(&args.file);
    // From here on, a signal stops the work so that a half-written file is removed.
    let bar = signals::Cancellable::new(Bar::new(&args.file));
    let snapshot = DamagedSnapshot::open(&args.file, args.work.threads, &bar)?;
    let limits = Limits { only_tree: args.only_tree, proven_only: args.proven_only, meta: args.meta.choice() };
    let options = SalvageOptions { limits, reset_auth: args.reset_auth };
    let done = etcdsnap::salvage(&snapshot, options, target, &bar);
    drop(bar);
    let done = done?;
    let said = match args.write_out {
        RestoreForm::Text => text(args.output.as_deref(), &done),
        RestoreForm::Json => object(args.output.as_deref(), &done),
    };
    match &args.output {
        Some(output) => output::print_of(&format!("{} is complete and in place", printable_path(output)), &said)?,
        None => output::print(&said)?,
    }
    Ok(if done.is_whole() { Exit::Done } else { Exit::Damage })
}

fn text(output: Option<&Path>, done: &Salvaged) -> String {
    let found = &done.found;
    let mut lines = vec![format!(
        "{} of the history {} read, up to revision {}, from {} in place{}{}{}",
        counted(found.entries, "entry", "entries"),
        if found.entries == 1 { "was" } else { "were" },
        grouped_revision(found.revision),
        counted(found.leaves, "leaf page", "leaf pages"),
        more(found.displaced_leaves, "in a wrong place"),
        more(found.older_leaves, "from an older state of the database"),
        more(found.stray_leaves, "unreachable"),
    )];
    if found.root_was_searched {
        lines.push("No meta page is usable, so page size and root page were searched for. There may have been a newer root page.".into());
    }
    if let Some(reason) = &done.broke_off {
        lines.push(format!("Missing: everything after the point where unpacking failed: {}", printable(reason)));
    }
    missing(found, &mut lines);
    doubts(done, &mut lines);
    if done.is_whole() {
        lines.push("Nothing is missing.".into());
    }
    match (&done.new, output) {
        (Some(report), Some(output)) => {
            let bytes = report.status.as_ref().map_or(0, |status| status.total_size);
            let sha256 = report.trailer.actual.as_ref().map_or("", |hex| hex.0.as_str());
            let path = printable_path(output);
            lines.push(format!("{path} is complete, verified and in place: {}; SHA-256 {sha256}", exact_bytes(bytes)));
            if report.verdict == Verdict::Warnings {
                lines.push(format!("It has warnings: etcdsnap verify {}", typed_path(output)));
            }
        }
        _ => lines.push("Nothing was written.".into()),
    }
    lines.push(String::new());
    lines.join("\n")
}

fn more(count: u64, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {} {what}", grouped(count)) }
}

/// Lists what the new file lacks.
fn missing(found: &SalvageReport, lines: &mut Vec<String>) {
    let damage = found.damage.list();
    let total: u64 = found.damage.counts().values().sum();
    if total > 0 {
        lines.push(format!("Missing: {} could not be read", counted(total, "place", "places")));
        lines.extend(
            damage.iter().take(SHOWN).map(|finding| format!("  {} [{}]", printable(&finding.message), finding.code)),
        );
        lines.extend(left_out(total, SHOWN));
    }
    if !found.unread.is_empty() {
        let places = found.unread.iter().take(SHOWN).map(|(from, to)| match to {
            Some(to) => format!("{} to {}", grouped_revision(*from), grouped_revision(*to)),
            None => format!("{} to the end", grouped_revision(*from)),
        });
        let places: Vec<String> = places.collect();
        let rest = if found.unread.len() > SHOWN { ", …" } else { "" };
        lines.push(format!(
            "Missing: entries of unreadable leaf pages, in the revision ranges {}{rest}",
            places.join(", ")
        ));
    }
    if found.missing_revisions > 0 {
        let ranges =
            found.missing.iter().take(SHOWN).map(|(from, to)| match (grouped_revision(*from), grouped_revision(*to)) {
                (from, to) if from == to => from,
                (from, to) => format!("{from} to {to}"),
            });
        let ranges: Vec<String> = ranges.collect();
        let rest = if found.missing.len() > SHOWN { ", …" } else { "" };
        let revisions = counted(found.missing_revisions, "revision", "revisions");
        lines.push(format!("Missing: {revisions}: {}{rest}", ranges.join(", ")));
    }
    if !found.incomplete.is_empty() {
        let mains: Vec<String> = found.incomplete.iter().take(SHOWN).map(|main| grouped_revision(*main)).collect();
        let rest = if found.incomplete.len() > SHOWN { ", …" } else { "" };
        lines.push(format!("Missing: some operations of the transactions at revisions {}{rest}", mains.join(", ")));
    }
    if found.end_is_lost {
        lines.push("Missing: the end of the history. The latest revision is unknown.".into());
    }
    if found.malformed > 0 {
        lines.push(format!(
            "Left out: {}, which etcd never writes",
            counted(found.malformed, "malformed entry", "malformed entries")
        ));
    }
    if found.superseded > 0 {
        let entries = counted(found.superseded, "older entry", "older entries");
        lines.push(format!("Left out: {entries} of keys whose later revision is missing"));
    }
    for bucket in &found.buckets {
        let name = printable(&bucket.name);
        match bucket.origin {
            Origin::Tree => {}
            Origin::OlderTree => lines.push(format!("Bucket `{name}` comes from an older state of the database.")),
            Origin::Parts => lines.push(format!("Missing: parts of bucket `{name}`")),
            Origin::Nowhere | Origin::Reset => {
                lines.push(format!("Missing: the contents of bucket `{name}`, which is now empty"))
            }
        }
        if bucket.malformed > 0 {
            let entries = counted(bucket.malformed, "malformed entry", "malformed entries");
            lines.push(format!("Left out: {entries} of bucket `{name}`, which etcd never writes"));
        }
    }
}

/// Lists what may be wrong in the new file.
fn doubts(done: &Salvaged, lines: &mut Vec<String>) {
    let found = &done.found;
    if found.broken_keys > 0 {
        lines.push(format!(
            "{}:",
            counted(found.broken_keys, "key certainly lacks revisions", "keys certainly lack revisions")
        ));
        lines.extend(found.broken.iter().take(SHOWN).map(|key| format!("  {}", printable(key))));
        lines.extend(left_out(found.broken_keys, SHOWN));
    }
    if found.doubtful_keys > 0 {
        let keys = counted(found.doubtful_keys, "live key", "live keys");
        lines.push(format!("In doubt: {keys} that missing revisions may have changed or deleted"));
    }
    if found.conflicting > 0 {
        let places = counted(found.conflicting, "place", "places");
        lines.push(format!("Left out: entries of unreachable pages that contradict others, in {places}"));
    }
    if found.stray_entries > 0 {
        let entries = counted(found.stray_entries, "entry", "entries");
        lines.push(format!("{entries} of these come from unreachable pages (--only-tree leaves them out)"));
    }
    if found.unproven > 0 {
        let entries = counted(found.unproven, "entry", "entries");
        lines.push(format!(
            "In doubt: {entries} that only an older state or a single page contains; a deleted key may be back (--proven-only leaves them out)"
        ));
    }
    if done.sha256_fits == Some(false) {
        lines.push("In doubt: every value, because the SHA-256 of the old file does not match its contents.".into());
    }
    if done.auth_was_reset {
        lines.push("Users and roles were removed: everyone may read and write the contents of the new file.".into());
    }
    if let Some(revision) = found.raised_to {
        let revision = grouped_revision(revision);
        lines.push(format!("Revisions before {revision} cannot be read, because the compaction was raised to it."));
    }
}

fn left_out(total: u64, shown: usize) -> Option<String> {
    let rest = total.saturating_sub(shown as u64);
    (rest > 0).then(|| format!("  and {} more", grouped(rest)))
}

/// The `-w json` output.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SalvageJson<'r> {
    #[serde(flatten)]
    file: Map<String, Value>,
    whole: bool,
    #[serde(flatten)]
    found: &'r SalvageReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256_fits: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broke_off: Option<&'r str>,
    auth_was_reset: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

fn object(output: Option<&Path>, done: &Salvaged) -> String {
    let mut file = Map::new();
    if let Some(output) = output {
        put_path(&mut file, "file", output);
    }
    let trailer = done.new.as_ref().and_then(|report| report.trailer.actual.as_ref());
    let line = json::line(&SalvageJson {
        file,
        whole: done.is_whole(),
        found: &done.found,
        sha256_fits: done.sha256_fits,
        broke_off: done.broke_off.as_deref(),
        auth_was_reset: done.auth_was_reset,
        sha256: trailer.map(|hex| hex.0.as_str()),
        verdict: done.new.as_ref().map(|report| report.verdict),
    });
    format!("{line}\n")
}
