//! `etcdsnap hashkv FILE`

use super::{open, revision, told};
use crate::cli::args::HashKvArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::render::etcdutl;

/// Runs the command. A hash over a damaged store means nothing, and none is printed.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &HashKvArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = open(&args.file, args.work)?;
    let store = snapshot.store()?;
    let (hash, lost) = snapshot.hashkv(&store, revision(&store, args.rev)?, &bar)?;
    drop(bar);
    if lost.places > 0 {
        return Ok(told(&args.file, &lost));
    }
    output::print(&etcdutl::hashkv(&hash, args.write_out))?;
    Ok(Exit::Done)
}
