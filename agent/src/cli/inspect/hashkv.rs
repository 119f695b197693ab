//! `etcdsnap hashkv FILE`

use std::path::Path;

use etcdsnap::core::store::LostParts;
use etcdsnap::{printable_path, typed_path};

use super::chosen_revision::chosen;
use super::{open, places, report_losses};
use crate::cli::args::HashKvArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::render::etcdutl;

/// Runs the command. It prints no hash for a damaged store, as that hash would be meaningless.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &HashKvArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.file, args.work, args.meta)?;
    let store = snapshot.store()?;
    let (hash, lost) = snapshot.hashkv(&store, chosen(&snapshot, &store, &args.revision)?, &bar)?;
    drop(bar);
    if lost.places > 0 {
        return Err(unknown(&args.file, &lost));
    }
    output::print(&etcdutl::hashkv(&hash, args.write_out))?;
    Ok(report_losses(&args.file, &lost))
}

/// Explains why there is no hash.
fn unknown(path: &Path, lost: &LostParts) -> Failure {
    let (path, typed) = (printable_path(path), typed_path(path));
    Failure {
        what: format!("no hash of {path}: it is damaged, and {}", places(lost)),
        advice: format!(
            "A hash of the readable part would match no server. List the damage: etcdsnap verify {typed}. Then use another copy of the file, or another snapshot."
        ),
        exit: Exit::Damage,
    }
}
