//! `etcdsnap man [COMMAND]`

use clap::CommandFactory;

use super::args::{Args, ManArgs};
use super::exit::Exit;
use super::failure::Failure;
use super::output;

/// Runs the command.
///
/// # Errors
/// When a command does not exist, or stdout cannot be written.
pub fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let mut root = Args::command();
    root.build();
    let mut command = &root;
    for name in &args.path {
        command = command.find_subcommand(name).ok_or_else(|| {
            let what = format!("there is no command {}", etcdsnap::printable(&args.path.join(" ")));
            Failure::new(what, "`etcdsnap help` lists them.")
        })?;
    }
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(command.clone()).render(&mut page);
    written.map_err(|cause| Failure::new(format!("cannot write the man page: {cause}"), ""))?;
    output::print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Done)
}
