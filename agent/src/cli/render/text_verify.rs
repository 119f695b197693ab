//! Prints `verify` for people: the verdict first, then the findings, then the numbers.

use std::path::Path;

use etcdsnap::core::needed_key_counts::NeededKeyCounts;
use etcdsnap::{Code, Report, Status, Trailer, Verdict, printable, printable_path};

use super::finding_groups::{FindingGroups, ShownFindings};
use super::grouped_number::{counted, grouped, grouped_revision, si_bytes};
use super::style::{BAD, BOLD, GOOD, LABEL, WARN};
use super::text_lost;

/// Formats the report of one file.
pub fn text(path: &Path, report: &Report, shown: ShownFindings) -> String {
    let mut text = headline(path, report);
    text.push_str(&FindingGroups::of(report).text(shown));
    if let Some(lost) = &report.lost {
        text.push('\n');
        text.push_str(&text_lost::text(lost, shown));
    }
    text.push('\n');
    text.push_str(&format!("  {LABEL}sha256  {LABEL:#}  {}\n", sha256(&report.trailer)));
    if let Some(status) = &report.status {
        text.push_str(&format!("  {LABEL}contents{LABEL:#}  {}\n", contents(status)));
        if let Some(needs) = encrypted(&status.encrypted) {
            text.push_str(&format!("  {LABEL}values{LABEL:#}    {needs}\n"));
        }
    }
    if let Some(decrypted) = report.decrypted.as_ref().filter(|decrypted| !decrypted.opened.is_empty()) {
        let opened = counted(decrypted.opened.total(), "encrypted value opens", "encrypted values open");
        let rest = match decrypted.unopened.total() {
            0 => "all of them".to_owned(),
            count => format!("{} not", counted(count, "does", "do")),
        };
        text.push_str(&format!("  {LABEL}opened{LABEL:#}    {opened}, {rest}\n"));
    }
    text
}

fn headline(path: &Path, report: &Report) -> String {
    let name = printable_path(path);
    let total: u64 = report.findings.counts().values().sum();
    let found = counted(total, "finding", "findings");
    let (word, rest) = match report.verdict {
        Verdict::Sound => {
            (format!("{GOOD}sound{GOOD:#}"), "every page, every entry and the SHA-256 were checked".to_owned())
        }
        Verdict::Warnings => {
            (format!("{WARN}warnings{WARN:#}"), format!("{found}; no damage, but read this before you rely on it"))
        }
        Verdict::Damaged if report.findings.has(Code::NotASnapshot) => {
            (format!("{BAD}damaged{BAD:#}"), "this is not an etcd snapshot".to_owned())
        }
        Verdict::Damaged => (format!("{BAD}damaged{BAD:#}"), format!("{found}; do not restore from this file yet")),
    };
    format!("{BOLD}{name}{BOLD:#}: {word} ({rest})\n")
}

/// Formats only the damage, for a command that refuses the file. The SHA-256 is reported separately.
pub fn damage(report: &Report) -> String {
    FindingGroups::of(report).damage_except(Code::Sha256Mismatch)
}

fn sha256(trailer: &Trailer) -> String {
    match (&trailer.expected, &trailer.actual) {
        (None, Some(actual)) => format!("the file has none; computed: {}", actual.0),
        (None, None) => "the file has none".into(),
        (Some(_), None) => "not checked".into(),
        (Some(expected), Some(actual)) if expected == actual => format!("{GOOD}matches{GOOD:#} ({})", actual.0),
        (Some(expected), Some(actual)) => {
            format!(
                "{BAD}does not match{BAD:#}\n            in the file  {}\n            of its bytes {}",
                expected.0, actual.0
            )
        }
    }
}

/// Lists the keys that the encrypted values of a database need; `None` if there are no such values.
pub fn encrypted(tally: &NeededKeyCounts) -> Option<String> {
    let mut parts: Vec<String> = tally.iter().map(|(key, count)| format!("{} ({key})", grouped(count))).collect();
    if tally.unlisted() > 0 {
        parts.push(format!("{} (other keys)", grouped(tally.unlisted())));
    }
    (!parts.is_empty()).then(|| format!("encrypted: {}", printable(&parts.join("; "))))
}

/// Formats the numbers of a database.
pub fn contents(status: &Status) -> String {
    let version = if status.version.is_empty() { "before 3.6".to_owned() } else { printable(&status.version) };
    let rest = format!("{}, storage version {version}", si_bytes(status.total_size));
    if status.keys_are_lost() {
        return format!("{rest}; no entry of bucket key can be read");
    }
    let keys = format!("revision {}, {}", grouped_revision(status.revision), counted(status.total_key, "key", "keys"));
    if status.complete {
        format!("hash {:x}, {keys}, {rest}", status.hash)
    } else {
        format!("{keys}, {rest}; part of it cannot be read")
    }
}
