//! `etcdsnap verify FILE…`

use etcdsnap::Sha256;

use super::args::{VerifyArgs, VerifyForm};
use super::exit::{Exit, Failure};
use super::render::{json, text_verify};
use super::{input, output};

/// Runs the command; the exit code is that of the worst file.
///
/// # Errors
/// When stdout cannot be written. A file that cannot be read is told on stderr and the others go on.
pub fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let warnings = if args.strict { Exit::Damage } else { Exit::Done };
    let shown = if args.all { text_verify::Shown::All } else { text_verify::Shown::First };
    let mut worst = Exit::Done;
    let mut objects = Vec::new();
    let mut printed = 0_usize;
    for path in &args.files {
        match input::judge(path, Sha256::Check, args.work) {
            Ok(report) => {
                worst = worst.max(Exit::of_report(&report, warnings));
                if args.write_out == VerifyForm::Json {
                    objects.push(json::verify(path, &report));
                    continue;
                }
                let gap = if printed > 0 { "\n" } else { "" };
                output::print(&format!("{gap}{}", text_verify::text(path, &report, shown)))?;
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
    if args.write_out == VerifyForm::Json {
        output::print(&json::one_or_array(objects, args.files.len()))?;
    }
    Ok(worst)
}
