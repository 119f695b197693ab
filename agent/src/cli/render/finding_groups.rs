//! Prints the findings of a file or a directory for people: grouped by code, each with its meaning and what to do.

use std::collections::BTreeMap;

use etcdsnap::{Code, DirectoryReport, Finding, Report, Severity, printable};

use super::grouped_number::{counted, grouped};
use super::style::{BAD, BOLD, WARN};
use super::{reason, wrap};

/// Findings per code that are shown by default.
const SHOWN_PER_CODE: usize = 5;

/// How many findings per code are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownFindings {
    /// The first few, then a count. A finding that only follows from other damage is listed with its cause.
    First,
    /// All findings that the scan recorded.
    All,
}

/// Findings, grouped by code.
pub struct FindingGroups<'r> {
    counts: &'r BTreeMap<Code, u64>,
    /// The findings that the scan recorded; in a directory, with the file of each.
    kept: Vec<(Option<&'r str>, &'r Finding)>,
    cause: Box<dyn Fn(Code) -> Code + 'r>,
}

impl<'r> FindingGroups<'r> {
    /// Groups the findings of a file.
    pub fn of(report: &'r Report) -> Self {
        let findings = &report.findings;
        let kept = findings.list().iter().map(|finding| (None, finding)).collect();
        Self { counts: findings.counts(), kept, cause: Box::new(|code| findings.cause(code)) }
    }

    /// Groups the findings of a data directory.
    pub fn of_directory(report: &'r DirectoryReport) -> Self {
        let findings = &report.findings;
        let kept = findings.list().iter().map(|placed| (Some(placed.file.as_str()), &placed.finding)).collect();
        Self { counts: findings.counts(), kept, cause: Box::new(|code| findings.cause(code)) }
    }

    /// Formats all groups, with an empty line before each.
    pub fn text(&self, shown: ShownFindings) -> String {
        self.damage_codes_first(shown).into_iter().map(|code| format!("\n{}", self.group(code, shown))).collect()
    }

    /// Formats the damage without meanings, and without the findings of one code.
    pub fn damage_except(&self, but: Code) -> String {
        let codes = self.damage_codes_first(ShownFindings::First).into_iter();
        let codes = codes.filter(|code| code.severity() == Severity::Damage && *code != but);
        codes.map(|code| self.findings(code, ShownFindings::First) + &self.consequences(code)).collect()
    }

    /// Returns the codes: damage before warnings, otherwise in the order of the documentation. A code that only follows from other damage is listed with its cause, unless all findings are shown.
    fn damage_codes_first(&self, shown: ShownFindings) -> Vec<Code> {
        let codes = self.counts.keys().copied();
        let mut codes: Vec<Code> =
            codes.filter(|code| shown == ShownFindings::All || (self.cause)(*code) == *code).collect();
        codes.sort_by_key(|code| std::cmp::Reverse(code.severity()));
        codes
    }

    fn group(&self, code: Code, shown: ShownFindings) -> String {
        let mut text = self.findings(code, shown);
        if shown == ShownFindings::First {
            text.push_str(&self.consequences(code));
        }
        text.push_str(&wrap("    means  ", "           ", code.meaning()));
        text.push_str(&wrap("    do     ", "           ", code.action()));
        text
    }

    /// Lists the findings that only follow from those of a code.
    fn consequences(&self, code: Code) -> String {
        let counts = self.counts.iter().filter(|(other, _)| **other != code && (self.cause)(**other) == code);
        let followed: Vec<String> =
            counts.map(|(other, count)| format!("{other} ({})", counted(*count, "time", "times"))).collect();
        if followed.is_empty() {
            return String::new();
        }
        let text = format!("{}. They follow from this; verify --all lists them.", followed.join(", "));
        wrap("    so     ", "           ", &text)
    }

    /// Lists the findings of one code.
    fn findings(&self, code: Code, shown: ShownFindings) -> String {
        let count = self.counts.get(&code).copied().unwrap_or(0);
        let weight = match code.severity() {
            Severity::Damage => format!("{BAD}damage{BAD:#}"),
            Severity::Warning => format!("{WARN}warning{WARN:#}"),
        };
        let times = if count > 1 { format!("  ({} times)", grouped(count)) } else { String::new() };
        let mut text = format!("  {weight}  {BOLD}{code}{BOLD:#}{times}\n");
        let limit = match shown {
            ShownFindings::First => SHOWN_PER_CODE,
            ShownFindings::All => usize::MAX,
        };
        let mut printed = 0_u64;
        for (file, finding) in self.kept.iter().filter(|(_, finding)| finding.code == code).take(limit) {
            text.push_str(&wrap("    - ", "      ", &finding_text(*file, finding)));
            printed = printed.saturating_add(1);
        }
        let unprinted = count.saturating_sub(printed);
        if unprinted > 0 {
            let hint = match shown {
                ShownFindings::First => " (verify --all shows more)",
                ShownFindings::All => "  (only the first of each code are kept)",
            };
            text.push_str(&format!("    … and {} more{hint}\n", grouped(unprinted)));
        }
        text
    }
}

fn finding_text(file: Option<&str>, finding: &Finding) -> String {
    let mut text = file.map_or(String::new(), |file| format!("{}: ", printable(file)));
    text.push_str(&reason(finding));
    if let Some(cause) = finding.because {
        text.push_str(&format!(" (follows from {cause})"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a lost page in the database of a directory, and revisions that seem to be missing because of it.
    fn text(file: Option<&str>, shown: ShownFindings) -> String {
        let lost = Finding::new(Code::PageOutOfRange, "a page is gone");
        let seems = Finding { because: Some(Code::PageOutOfRange), ..Finding::new(Code::RevisionsMissing, "a gap") };
        let counts = [(Code::PageOutOfRange, 1), (Code::RevisionsMissing, 3)].into();
        let cause = |code| if code == Code::RevisionsMissing { Code::PageOutOfRange } else { code };
        let kept = vec![(file, &lost), (file, &seems)];
        FindingGroups { counts: &counts, kept, cause: Box::new(cause) }.text(shown)
    }

    #[test]
    fn consequences_are_listed_with_their_cause() {
        for (file, before) in [(None, ""), (Some("member/snap/db"), "member/snap/db: ")] {
            let first = text(file, ShownFindings::First);
            assert!(first.contains(&format!("    - {before}A page is gone.\n")), "{first}");
            assert!(first.contains("    so     revisions-missing (3 times). They follow"), "{first}");
            assert!(!first.contains("A gap"), "{first}");
            let all = text(file, ShownFindings::All);
            assert!(all.contains(&format!("    - {before}A gap. (follows from page-out-of-range)\n")), "{all}");
            assert!(!all.contains("    so     "), "{all}");
        }
    }
}
