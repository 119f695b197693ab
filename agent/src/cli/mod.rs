//! The command line.

mod args;
mod codes;
mod completions;
pub mod exit;
mod input;
mod man;
mod open;
mod output;
mod progress;
mod render;
mod restore;
mod signals;
mod snapshot;
mod status;
mod verify;

use clap::Parser;

use args::{Args, Command, SnapshotCommand};
use exit::Exit;

/// Runs what the command line asks for.
pub fn run() -> Exit {
    let args = Args::parse();
    if let Err(cause) = signals::end_at_once() {
        output::warn(&format!("Ctrl-C may leave the terminal untidy: {cause}"));
    }
    let outcome = match args.command {
        Command::Status(args) => status::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Snapshot(args) => match args.command {
            SnapshotCommand::Status(args) => snapshot::status(&args),
            SnapshotCommand::Restore(args) => restore::run(&args),
        },
        Command::Codes(args) => codes::run(&args),
        Command::Open(args) => open::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    outcome.unwrap_or_else(|failure| {
        output::complain(&failure.what, &failure.advice);
        failure.exit
    })
}
