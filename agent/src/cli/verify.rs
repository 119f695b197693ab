//! `etcdsnap verify FILE…`

use etcdsnap::Sha256;

use super::args::{VerifyArgs, VerifyForm};
use super::exit::{Exit, Failure};
use super::input::{self, Form};
use super::render::{json, text_verify};

/// Runs the command; the exit code is that of the worst file.
///
/// # Errors
/// Those of [`input::judge_all`].
pub fn run(args: &VerifyArgs) -> Result<Exit, Failure> {
    let warnings = if args.strict { Exit::Damage } else { Exit::Done };
    let shown = if args.all { text_verify::Shown::All } else { text_verify::Shown::First };
    let form = match args.write_out {
        VerifyForm::Json => Form::Json(json::verify),
        VerifyForm::Text => Form::Text { gap: "\n", of: &|path, report| Some(text_verify::text(path, report, shown)) },
    };
    input::judge_all(&args.files, Sha256::Check, args.work, warnings, &form)
}
