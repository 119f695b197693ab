//! `etcdsnap status FILE…`

use std::path::Path;

use etcdsnap::core::kubernetes::time_line::Moment;
use etcdsnap::{Report, Sha256, printable_path, typed_path};

use super::args::{StatusArgs, StatusForm};
use super::exit::Exit;
use super::failure::Failure;
use super::judge_files::{self, ReportForm};
use super::output;
use super::progress_bar::Bar;
use super::render::{etcdutl, json, reason, text_status};

/// Whether `status` computes the SHA-256 by default.
const DEFAULT_SHA256: Sha256 = Sha256::Skip;

/// Runs the command; the exit code is that of the worst file.
///
/// # Errors
/// Those of [`judge_files::verify_all`].
pub fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let sha256 = if args.sha256 { Sha256::Check } else { DEFAULT_SHA256 };
    let as_of = |path: &Path, report: &Report| match &report.status {
        Some(status) if !status.keys_are_lost() => etcdsnap::state_as_of(path, args.meta.choice(), &Bar::new(path)),
        _ => Ok(None),
    };
    let text = |path: &Path, report: &Report| {
        let as_of = if args.write_out == StatusForm::Text { as_of(path, report)? } else { None };
        let text = report_text(args.write_out, path, report, as_of);
        if text.is_none() {
            print_damage(path, report);
        }
        Ok(text)
    };
    let object = |path: &Path, report: &Report| Ok(json::status(path, report, as_of(path, report)?));
    let form = match args.write_out {
        StatusForm::Json => ReportForm::Json(&object),
        StatusForm::Text => ReportForm::Text { gap: "\n", of: &text },
        StatusForm::Simple | StatusForm::Table | StatusForm::Fields => ReportForm::Text { gap: "", of: &text },
    };
    judge_files::verify_all(&args.files, sha256, args.work, args.meta, None, Exit::Done, &form)
}

/// Formats a report. `None` if etcdutl's forms cannot print it: they cannot express that the numbers are incomplete.
fn report_text(form: StatusForm, path: &Path, report: &Report, as_of: Option<Moment>) -> Option<String> {
    let form = match form {
        StatusForm::Simple => etcdutl::simple,
        StatusForm::Table => etcdutl::table,
        StatusForm::Fields => etcdutl::fields,
        StatusForm::Text | StatusForm::Json => return Some(text_status::text(path, report, as_of)),
    };
    report.status.as_ref().filter(|status| status.complete).map(|status| form(&etcdutl::Numbers::of_3_7(status)))
}

fn print_damage(path: &Path, report: &Report) {
    let (name, typed) = (printable_path(path), typed_path(path));
    let first = report.findings.list().first().map(reason).unwrap_or_default();
    if report.status.is_some() {
        let what = format!("{name} is damaged, and part of it cannot be read: {first}");
        output::complain(
            &what,
            &format!("The numbers of the rest: etcdsnap status {typed}. What is damaged: etcdsnap verify {typed}"),
        );
    } else {
        output::complain(&format!("{name} is not a readable snapshot"), &first);
    }
}
