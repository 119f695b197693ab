//! `etcdsnap status FILE…`

use etcdsnap::{Report, Sha256, printable_path};

use super::args::{StatusArgs, StatusForm};
use super::exit::{Exit, Failure};
use super::render::{etcdutl, json, text_status};
use super::{input, output};

/// Whether `status` computes the SHA-256 without being asked.
const SHA256_UNASKED: Sha256 = Sha256::Skip;

/// Runs the command; the exit code is that of the worst file.
///
/// # Errors
/// When stdout cannot be written. A file that cannot be read is told on stderr and the others go on.
pub fn run(args: &StatusArgs) -> Result<Exit, Failure> {
    let sha256 = if args.sha256 { Sha256::Check } else { SHA256_UNASKED };
    let mut worst = Exit::Done;
    let mut objects = Vec::new();
    let mut printed = 0_usize;
    for path in &args.files {
        match input::judge(path, sha256, args.work) {
            Ok(report) => {
                worst = worst.max(Exit::of_report(&report, Exit::Done));
                if args.write_out == StatusForm::Json {
                    objects.push(json::status(path, &report));
                    continue;
                }
                let gap = if args.write_out == StatusForm::Text && printed > 0 { "\n" } else { "" };
                let Some(text) = rendered(args.write_out, path, &report) else {
                    output::complain(&format!("{} is no snapshot", printable_path(path)), &first_message(&report));
                    continue;
                };
                output::print(&format!("{gap}{text}"))?;
                printed = printed.saturating_add(1);
            }
            Err(error) => {
                worst = worst.max(Exit::of_error(&error));
                objects.push(json::error(path, &error));
                let failure = Failure::from(error);
                output::complain(&failure.what, &failure.advice);
            }
        }
    }
    if args.write_out == StatusForm::Json {
        output::print(&json::one_or_array(objects, args.files.len()))?;
    }
    Ok(worst)
}

/// The text of a report; none where etcdutl's forms have nothing to print.
fn rendered(form: StatusForm, path: &std::path::Path, report: &Report) -> Option<String> {
    let form = match form {
        StatusForm::Simple => etcdutl::simple,
        StatusForm::Table => etcdutl::table,
        StatusForm::Fields => etcdutl::fields,
        StatusForm::Text | StatusForm::Json => return Some(text_status::text(path, report)),
    };
    report.status.as_ref().map(|status| form(&etcdutl::Numbers::of_3_7(status)))
}

fn first_message(report: &Report) -> String {
    report.findings.list().first().map(|finding| etcdsnap::printable(&finding.message)).unwrap_or_default()
}
