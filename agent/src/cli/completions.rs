//! `etcdsnap completions SHELL`

use super::args::CompletionsArgs;
use super::complete;
use super::exit::Exit;
use super::failure::Failure;
use super::output;

/// Runs the command.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    output::print(&complete::registration(args.shell)?)?;
    Ok(Exit::Done)
}
