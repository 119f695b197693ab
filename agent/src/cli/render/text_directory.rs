//! Prints `verify` of a data directory for people: the verdict, the findings, the entries that the database lacks, and the numbers.

use std::path::Path;

use etcdsnap::{DirectoryReport, Verdict, printable_path};

use super::finding_groups::{FindingGroups, ShownFindings};
use super::grouped_number::{counted, grouped};
use super::style::{BAD, BOLD, GOOD, LABEL, WARN};

use super::text_verify::contents;
use super::wrap;

/// The indentation of the numbers.
const INDENT: &str = "             ";

/// Formats the report of one directory.
pub fn text(path: &Path, report: &DirectoryReport, shown: ShownFindings) -> String {
    let mut text = headline(path, report);
    if let Some(note) = moving(report) {
        text.push_str(&wrap("  note  ", "        ", note));
    }
    text.push_str(&FindingGroups::of_directory(report).text(shown));
    text.push('\n');
    for (label, line) in numbers(report) {
        // Colour codes have no width on the terminal.
        let plain = wrap(&format!("  {label:<9}  "), INDENT, &line);
        text.push_str(&plain.replacen(label, &format!("{LABEL}{label}{LABEL:#}"), usize::from(!label.is_empty())));
    }
    text
}

fn headline(path: &Path, report: &DirectoryReport) -> String {
    let name = printable_path(path);
    let total: u64 = report.findings.counts().values().sum();
    let found = counted(total, "finding", "findings");
    let (word, rest) = match report.verdict {
        _ if !report.database_judged => (
            format!("{WARN}no verdict{WARN:#}"),
            "the database changed while it was read: stop the server, or take a snapshot from it".to_owned(),
        ),
        Verdict::Sound => (
            format!("{GOOD}sound{GOOD:#}"),
            "the database, the log and the .snap files were checked; etcd can start from them".to_owned(),
        ),
        Verdict::Warnings => {
            (format!("{WARN}warnings{WARN:#}"), format!("{found}; no damage, but read this before you rely on it"))
        }
        Verdict::Damaged => (format!("{BAD}damaged{BAD:#}"), format!("{found}; do not rely on this directory")),
    };
    format!("{BOLD}{name}{BOLD:#}: {word} ({rest})\n")
}

fn moving(report: &DirectoryReport) -> Option<&'static str> {
    if report.server_running {
        Some("A server is running on this directory: the report describes only the moment of reading.")
    } else if report.changed_while_read {
        Some("Something wrote to this directory while it was read: the report describes only the moment of reading.")
    } else {
        None
    }
}

fn numbers(report: &DirectoryReport) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if let (Some(member), Some(cluster)) = (&report.member, &report.cluster) {
        lines.push(("member", format!("{member} of cluster {cluster}")));
    }
    if let Some(status) = &report.database {
        let index = status.consistent_index.map_or("none".to_owned(), grouped);
        lines.push(("database", format!("{}, consistent index {index}", contents(status))));
    }
    let log = &report.log;
    if log.segments > 0 {
        let entries = match (log.first_index, log.last_index) {
            (Some(first), Some(last)) => format!("entries {first} to {last}"),
            _ => "no entry".to_owned(),
        };
        let commit = log.commit.map_or(String::new(), |commit| format!(", commit index {commit}"));
        let segments = counted(log.segments, "segment", "segments");
        lines.push(("log", format!("{segments}, {entries}{commit}, term {}", log.term)));
    }
    let start = report.snapshots.start_index.unwrap_or_default();
    let files = counted(report.snapshots.files, ".snap file", ".snap files");
    let begins = if start == 0 { "from the start".to_owned() } else { format!("after index {start}") };
    if log.segments > 0 {
        lines.push(("start", format!("{files}; etcd reads the log {begins}")));
    }
    if report.snapshots.takes_snap_database {
        lines.push(("", format!("etcd first replaces the database by member/snap/{start:016x}.snap.db")));
    }
    lines.extend(lacking(report));
    lines
}

fn lacking(report: &DirectoryReport) -> Vec<(&'static str, String)> {
    let unsure = report.uncommitted_entries;
    let mut lines = Vec::new();
    match report.lacking_entries {
        None => return lines,
        Some(0) if unsure == 0 => {
            lines.push(("lacking", "nothing: the database has all entries of the log".to_owned()))
        }
        Some(0) => lines.push(("lacking", "nothing up to the commit index".to_owned())),
        Some(count) => {
            let lacks = format!("the database lacks {} up to the commit index", counted(count, "entry", "entries"));
            let loses = "a restore of member/snap/db alone would lose them";
            let text = match report.verdict {
                Verdict::Damaged => format!("{lacks}: {loses}"),
                _ => format!("{lacks}: etcd applies them when it starts here, and {loses}"),
            };
            lines.push(("lacking", text));
        }
    }
    if unsure > 0 {
        let count = counted(unsure, "entry is", "entries are");
        let text = "after the commit index: a client may have received a confirmation for them; etcd applies those on which the cluster had agreed";
        lines.push(("", format!("{count} {text}")));
    }
    lines
}

/// Compares several directories. `newest` says for each whether no other is newer; `None` if they belong to several clusters.
pub fn comparison(directories: &[(&Path, &DirectoryReport)], newest: Option<&[bool]>) -> String {
    let width = directories.iter().map(|(path, _)| printable_path(path).chars().count()).max().unwrap_or_default();
    let width = width.max("directory".len());
    let mut text = format!(
        "{LABEL}{:<width$}  {:>6}  {:>12}  {:>16}  {:>12}{LABEL:#}\n",
        "directory", "term", "commit", "consistent index", "revision"
    );
    for (place, (path, report)) in directories.iter().enumerate() {
        let standing = &report.standing;
        let is_newest = newest.and_then(|newest| newest.get(place)).is_some_and(|newest| *newest);
        text.push_str(&format!(
            "{:<width$}  {:>6}  {:>12}  {:>16}  {:>12}{}\n",
            printable_path(path),
            standing.term,
            grouped(standing.commit),
            grouped(standing.consistent_index),
            standing.revision,
            if is_newest { "  newest" } else { "" }
        ));
    }
    if newest.is_none() {
        text.push_str("These members are of different clusters: they cannot be compared.\n");
    }
    text
}
