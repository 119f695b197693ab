//! `etcdsnap snapshot status`: the output of etcdutl.

use etcdsnap::{Code, Report, Severity, Sha256};

use super::args::{Compat, EtcdForm, MetaArgs, SnapshotStatusArgs, WorkArgs};
use super::exit::Exit;
use super::failure::Failure;
use super::render::etcdutl::{self, Numbers};
use super::render::place;
use super::{judge_files, output};

/// Findings printed at most; the others are only counted.
const MAX_PRINTED_FINDINGS: usize = 50;

/// Runs `snapshot status`.
///
/// # Errors
/// When the file cannot be read or stdout cannot be written.
pub fn status(args: &SnapshotStatusArgs) -> Result<Exit, Failure> {
    judge_files::check_not_written(&[&args.file])?;
    let report =
        judge_files::verify_file(&args.file, Sha256::Skip, WorkArgs { threads: None }, MetaArgs::default(), None)?;
    let structure = worst_impact(&report);
    if let (Some(status), FindingImpact::None | FindingImpact::UnseenByEtcdutl) =
        (report.status.as_ref().filter(|status| status.complete), structure)
    {
        let numbers = match args.compat {
            Compat::V3_5 => Numbers::of_3_5(status),
            Compat::V3_6 => Numbers::of_3_6(status),
            Compat::V3_7 => Numbers::of_3_7(status),
        };
        let form = match args.write_out {
            EtcdForm::Simple => etcdutl::simple,
            EtcdForm::Json => etcdutl::json,
            EtcdForm::Table => etcdutl::table,
            EtcdForm::Fields => etcdutl::fields,
        };
        output::print(&form(&numbers))?;
        if structure == FindingImpact::None {
            return Ok(Exit::Done);
        }
    }
    output::print_to_stderr(&findings(&report));
    Ok(Exit::Damage)
}

/// How a finding affects `snapshot status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FindingImpact {
    /// No effect: etcdutl does not look at the trailer here, and warnings do not count.
    None,
    /// Damage that etcdutl does not look for: its numbers are printed, with a message about the damage.
    UnseenByEtcdutl,
    /// Damage that makes the numbers meaningless; etcdutl refuses the file or crashes.
    Structure,
}

fn impact(code: Code) -> FindingImpact {
    match code {
        _ if code.severity() != Severity::Damage => FindingImpact::None,
        Code::Sha256Mismatch | Code::FileLengthened => FindingImpact::None,
        Code::FileTruncated => FindingImpact::UnseenByEtcdutl,
        code if code.is_about_contents() => FindingImpact::UnseenByEtcdutl,
        _ => FindingImpact::Structure,
    }
}

fn worst_impact(report: &Report) -> FindingImpact {
    report.findings.counts().keys().map(|code| impact(*code)).max().unwrap_or(FindingImpact::None)
}

/// Lists the findings that count, under the line that etcdutl prints.
fn findings(report: &Report) -> String {
    let counted: Vec<_> =
        report.findings.list().iter().filter(|finding| impact(finding.code) != FindingImpact::None).collect();
    let total: u64 = report
        .findings
        .counts()
        .iter()
        .filter(|(code, _)| impact(**code) != FindingImpact::None)
        .map(|(_, count)| count)
        .sum();
    let mut text = format!("Error: snapshot file integrity check failed. {total} errors found.\n");
    for finding in counted.iter().take(MAX_PRINTED_FINDINGS) {
        let place = place(finding).map(|place| format!("{place}: ")).unwrap_or_default();
        text.push_str(&format!("{place}{} [{}]\n", etcdsnap::printable(&finding.message), finding.code));
    }
    let unprinted = total.saturating_sub(counted.len().min(MAX_PRINTED_FINDINGS) as u64);
    if unprinted > 0 {
        text.push_str(&format!("… and {unprinted} more (etcdsnap verify --all lists them)\n"));
    }
    text
}
