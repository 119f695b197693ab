//! `etcdsnap find KEY PATH…`

use std::path::{Path, PathBuf};

use etcdsnap::core::Revision;
use etcdsnap::core::store::{Index, Key, KeyRange, Order};
use etcdsnap::{Found, printable_path, put_path};
use serde_json::Map;

use super::{key_text, keys, report_losses, text_table};
use crate::cli::args::FindArgs;
use crate::cli::args_inspect::InspectForm;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, exit_of};
use crate::cli::judge_files;
use crate::cli::output::{self, Lines};
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::{counted, grouped};

/// Runs the command.
///
/// # Errors
/// When no snapshot holds the key, a directory cannot be listed, or stdout cannot be written. A file that cannot be read is reported, and the search goes on.
pub fn run(args: &FindArgs) -> Result<Exit, Failure> {
    let key = key_text::typed(&args.key)?;
    let paths: Vec<&Path> = args.paths.iter().map(PathBuf::as_path).collect();
    if paths.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(judge_files::stdin_twice());
    }
    judge_files::check_not_written(&paths)?;
    let range = if args.prefix { KeyRange::prefix(&key) } else { KeyRange::one(&key) };
    let all = etcdsnap::find(&args.paths, &range, args.work.threads, &Bar::new(Path::new("snapshots")))?;
    let mut tally = Tally::default();
    let mut held = Vec::new();
    for one in &all {
        if let Some(states) = tally.take_keys(one)? {
            held.push((one, states));
        }
    }
    match args.write_out {
        InspectForm::Json => json(&all, &held)?,
        form if held.iter().any(|(_, states)| !states.order.is_empty()) => {
            let columns = if args.prefix { &COLUMNS[..] } else { &COLUMNS[..4] };
            text_table::print(form, columns, |take| {
                for (one, states) in &held {
                    for state in states.iter() {
                        let row = row(one, &state);
                        if !take(row.get(..columns.len()).unwrap_or(&row))? {
                            return Ok(());
                        }
                    }
                }
                Ok(())
            })?;
        }
        _ => {}
    }
    let name = key_text::key(&key);
    let what = if args.prefix { format!("a key that begins with {name}") } else { name };
    tally.check_searched(&args.paths)?;
    tally.finish(
        &what,
        "The name must be exact: list the keys with etcdsnap keys FILE, or find with --prefix. A deleted key is listed with the revision that deleted it.",
    )
}

/// Prints an object for each key of each file, and for each file that cannot be read.
fn json(all: &[Found], held: &[(&Found, HeldKeys<'_>)]) -> Result<(), Failure> {
    let mut lines = Lines::new();
    let named = |one: &Found| {
        let mut object = Map::new();
        put_path(&mut object, "file", &one.path);
        object
    };
    for (one, states) in held {
        for state in states.iter() {
            let mut object = named(one);
            object.insert("snapshotRevision".into(), revision(one).into());
            object.extend(keys::object(&state));
            key_text::write_line(&mut lines, &object)?;
            if !lines.wanted() {
                return lines.finish();
            }
        }
    }
    for one in all.iter().filter(|one| !one.is_other_file()) {
        if let Err(error) = &one.answer {
            let mut object = named(one);
            object.insert("error".into(), error.to_string().into());
            key_text::write_line(&mut lines, &object)?;
        }
    }
    lines.finish()
}

const COLUMNS: [text_table::Column; 5] =
    [("file", false), ("revision", true), ("mod", true), ("bytes", true), ("key", false)];

fn revision(found: &Found) -> Revision {
    found.answer.as_ref().map_or(Revision::ZERO, |answer| answer.revision)
}

fn row(found: &Found, state: &Key<'_>) -> Vec<String> {
    vec![
        printable_path(&found.path),
        revision(found).to_string(),
        state.revision.main.to_string(),
        if state.deleted { "deleted".into() } else { grouped(state.value_len.into()) },
        key_text::key(state.key),
    ]
}

/// The keys that were found in a file, in order.
struct HeldKeys<'f> {
    index: &'f Index,
    order: Order,
}

impl<'f> HeldKeys<'f> {
    fn iter(&self) -> impl Iterator<Item = Key<'f>> {
        self.order.iter(self.index)
    }
}

/// Other files that are named at most.
const NAMED: usize = 3;

/// Counts files by outcome: snapshots, snapshots that hold the key, unreadable files, other files.
#[derive(Default)]
pub struct Tally {
    snapshots: u64,
    holding: u64,
    unread: u64,
    others: u64,
    /// The first of the other files.
    named: Vec<String>,
    worst: Option<Exit>,
}

impl Tally {
    /// Notes an exit code; the worst one counts.
    pub fn met(&mut self, exit: Exit) {
        self.worst = self.worst.max(Some(exit));
    }

    /// Counts one file and returns it if it is a readable snapshot; otherwise prints why not.
    pub fn answer<'f, T>(&mut self, one: &'f Found<T>) -> Option<&'f T> {
        if one.is_other_file() {
            self.others = self.others.saturating_add(1);
            if self.named.len() < NAMED {
                self.named.push(printable_path(&one.path));
            }
            return None;
        }
        match &one.answer {
            Ok(answer) => {
                self.snapshots = self.snapshots.saturating_add(1);
                Some(answer)
            }
            Err(error) => {
                self.unread = self.unread.saturating_add(1);
                self.met(exit_of(error));
                output::complain(&error.to_string(), &error.advice());
                None
            }
        }
    }

    /// Counts a snapshot that holds the wanted key or object.
    pub fn holds(&mut self) {
        self.holding = self.holding.saturating_add(1);
    }

    /// Counts one file, reports damage, and returns its keys.
    fn take_keys<'f>(&mut self, one: &'f Found) -> Result<Option<HeldKeys<'f>>, Failure> {
        let Some(answer) = self.answer(one) else { return Ok(None) };
        self.met(report_losses(&one.path, &answer.lost));
        let order = Order::try_of(&answer.keys, |_| true).map_err(|cause| Failure::new(cause.to_string(), ""))?;
        let states = HeldKeys { index: &answer.keys, order };
        if states.iter().any(|state| !state.deleted) {
            self.holds();
        }
        Ok(Some(states))
    }

    /// Ends a command that printed a key or object from the newest readable snapshot. It warns if an unreadable or damaged file may hold something newer. The exit
    /// code is the worst of `printed` and those of all files.
    pub fn warn_of_doubt(self, printed: Exit) -> Exit {
        let worst = printed.max(self.worst.unwrap_or(Exit::Done));
        if self.unread > 0 || self.worst.is_some_and(|worst| worst > Exit::Done) {
            output::warn("Files that could not be read, or not whole, may hold a newer state of it.");
        }
        worst
    }

    /// Checks that there was a snapshot to search in `paths`.
    ///
    /// # Errors
    /// When there was none, and no file that could be one.
    pub fn check_searched(&self, paths: &[PathBuf]) -> Result<(), Failure> {
        if self.snapshots > 0 || self.unread > 0 {
            return Ok(());
        }
        // A file that was named itself is a snapshot or cannot be read.
        let place = match paths {
            [one] => printable_path(one),
            _ => "these directories".to_owned(),
        };
        let others = self.other_files().map(|others| format!(": {others}")).unwrap_or_default();
        let advice = "Name the snapshots themselves, or directories with snapshots in them. Subdirectories are not searched, nor files whose names begin with a dot.";
        Err(Failure { exit: Exit::Damage, ..Failure::new(format!("there is no snapshot in {place}{others}"), advice) })
    }

    /// Says which files are not snapshots.
    fn other_files(&self) -> Option<String> {
        if self.others == 0 {
            return None;
        }
        let more = self.others.saturating_sub(self.named.len() as u64);
        let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
        let count = counted(self.others, "file is not a snapshot", "files are not snapshots");
        Some(format!("{count} ({}{more})", self.named.join(", ")))
    }

    /// Prints for each of several keys or objects how many snapshots hold it; returns the exit code. `advice` is for those that no snapshot holds.
    ///
    /// # Errors
    /// When no snapshot holds the last one.
    pub fn finish_all(mut self, held: &[(String, u64)], advice: &str) -> Result<Exit, Failure> {
        let Some(((last, holding), others)) = held.split_last() else { return Ok(self.worst.unwrap_or(Exit::Done)) };
        for (what, holding) in others {
            let snapshots = counted(self.snapshots, "snapshot", "snapshots");
            let text = format!("{what} is in {} of {snapshots}", grouped(*holding));
            if *holding == 0 {
                output::complain(&text, advice);
                self.met(Exit::Damage);
            } else {
                output::warn(&format!("{text}."));
            }
        }
        self.holding = *holding;
        self.finish(last, advice)
    }

    /// Prints how many snapshots hold `what` and returns the exit code. `advice` is for the case that none does.
    ///
    /// # Errors
    /// When no snapshot holds it.
    pub fn finish(self, what: &str, advice: &str) -> Result<Exit, Failure> {
        let snapshots = counted(self.snapshots, "snapshot", "snapshots");
        let mut text = format!("{what} is in {} of {snapshots}", grouped(self.holding));
        if self.unread > 0 {
            text.push_str(&format!("; {} could not be read", counted(self.unread, "file", "files")));
        }
        if let Some(others) = self.other_files() {
            text.push_str(&format!("; {others}"));
        }
        let worst = self.worst.unwrap_or(Exit::Done);
        if self.holding == 0 {
            let advice = if self.unread > 0 { "The files that could not be read may hold it." } else { advice };
            return Err(Failure { what: text, advice: advice.into(), exit: worst.max(Exit::Damage) });
        }
        output::warn(&format!("{text}."));
        Ok(worst)
    }
}
