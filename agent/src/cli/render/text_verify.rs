//! `verify` for a person: the verdict first, then what was found, then the numbers.

use std::path::Path;

use etcdsnap::{Code, Report, Severity, Status, Trailer, Verdict, printable, printable_path};

use super::number::{counted, grouped, si_bytes};
use super::style::{BAD, BOLD, GOOD, LABEL, WARN};
use super::{reason, text_lost, wrap};

/// Findings of one code that are shown unasked.
const FIRST: usize = 5;

/// How many findings of a code are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The first few, then a count.
    First,
    /// All that the scan kept.
    All,
}

/// The text for one file.
pub fn text(path: &Path, report: &Report, shown: Shown) -> String {
    let mut text = headline(path, report);
    for code in codes_by_weight(report, shown) {
        text.push('\n');
        text.push_str(&group(code, report, shown));
    }
    if let Some(lost) = &report.lost {
        text.push('\n');
        text.push_str(&text_lost::text(lost, shown));
    }
    text.push('\n');
    text.push_str(&format!("  {LABEL}sha256  {LABEL:#}  {}\n", sha256(&report.trailer)));
    if let Some(status) = &report.status {
        text.push_str(&format!("  {LABEL}contents{LABEL:#}  {}\n", contents(status)));
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
            (format!("{BAD}damaged{BAD:#}"), "this is no etcd snapshot".to_owned())
        }
        Verdict::Damaged => (format!("{BAD}damaged{BAD:#}"), format!("{found}; do not rely on this file")),
    };
    format!("{BOLD}{name}{BOLD:#}: {word} ({rest})\n")
}

/// Damage before warnings, otherwise in the order of the documentation. What only follows from other damage stands with that, unless all is shown.
fn codes_by_weight(report: &Report, shown: Shown) -> Vec<Code> {
    let codes = report.findings.counts().keys().copied();
    let mut codes: Vec<Code> =
        codes.filter(|code| shown == Shown::All || report.findings.cause(*code) == *code).collect();
    codes.sort_by_key(|code| std::cmp::Reverse(code.severity()));
    codes
}

/// The damage alone, for a command that refuses the file. The SHA-256 is told apart.
pub fn damage(report: &Report) -> String {
    let codes = codes_by_weight(report, Shown::First).into_iter();
    let codes = codes.filter(|code| code.severity() == Severity::Damage && *code != Code::Sha256Mismatch);
    codes.map(|code| findings(code, report, Shown::First) + &consequences(code, report)).collect()
}

fn group(code: Code, report: &Report, shown: Shown) -> String {
    let mut text = findings(code, report, shown);
    if shown == Shown::First {
        text.push_str(&consequences(code, report));
    }
    text.push_str(&explained(code));
    text
}

/// What only follows from the findings of a code.
fn consequences(code: Code, report: &Report) -> String {
    let followed: Vec<String> = report
        .findings
        .counts()
        .iter()
        .filter(|(other, _)| **other != code && report.findings.cause(**other) == code)
        .map(|(other, count)| format!("{other} ({})", counted(*count, "time", "times")))
        .collect();
    if followed.is_empty() {
        return String::new();
    }
    let text = format!("{}. They follow from this; verify --all lists them.", followed.join(", "));
    wrap("    so     ", "           ", &text)
}

/// What a code means, and what to do.
pub fn explained(code: Code) -> String {
    let mut text = wrap("    means  ", "           ", code.meaning());
    text.push_str(&wrap("    do     ", "           ", code.action()));
    text
}

fn findings(code: Code, report: &Report, shown: Shown) -> String {
    let count = report.findings.counts().get(&code).copied().unwrap_or(0);
    let of_code = report.findings.list().iter().filter(|finding| finding.code == code);
    let reasons = of_code.map(|finding| match finding.because {
        Some(cause) => format!("{} (follows from {cause})", reason(finding)),
        None => reason(finding),
    });
    listed(code, count, reasons, shown)
}

/// The findings of one code, of which there were `count`.
pub fn listed(code: Code, count: u64, reasons: impl Iterator<Item = String>, shown: Shown) -> String {
    let weight = match code.severity() {
        Severity::Damage => format!("{BAD}damage{BAD:#}"),
        Severity::Warning => format!("{WARN}warning{WARN:#}"),
    };
    let times = if count > 1 { format!("  ({} times)", grouped(count)) } else { String::new() };
    let mut text = format!("  {weight}  {BOLD}{code}{BOLD:#}{times}\n");
    let limit = match shown {
        Shown::First => FIRST,
        Shown::All => usize::MAX,
    };
    let mut printed = 0_u64;
    for reason in reasons.take(limit) {
        text.push_str(&wrap("    - ", "      ", &reason));
        printed = printed.saturating_add(1);
    }
    let unprinted = count.saturating_sub(printed);
    if unprinted > 0 {
        let hint = match shown {
            Shown::First => " (verify --all shows more)",
            Shown::All => " (only the first of a code are kept)",
        };
        text.push_str(&format!("    … and {} more{hint}\n", grouped(unprinted)));
    }
    text
}

fn sha256(trailer: &Trailer) -> String {
    match (&trailer.expected, &trailer.actual) {
        (None, Some(actual)) => format!("the file has none; of its bytes {}", actual.0),
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

/// The numbers of a database.
pub fn contents(status: &Status) -> String {
    let version = if status.version.is_empty() { "before 3.6".to_owned() } else { printable(&status.version) };
    let rest = format!("{}, storage version {version}", si_bytes(status.total_size));
    if status.keys_are_lost() {
        return format!("{rest}; no entry of bucket key can be read");
    }
    let keys = format!("revision {}, {}", status.revision, counted(status.total_key, "key", "keys"));
    if status.complete {
        format!("hash {:x}, {keys}, {rest}", status.hash)
    } else {
        format!("{keys}, {rest}; part of it cannot be read")
    }
}
