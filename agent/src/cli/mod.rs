//! The command line.

mod args;
mod args_look;
mod args_save;
mod client;
mod codes;
mod complete;
mod completions;
pub mod exit;
mod input;
mod leading;
mod log;
mod look;
mod man;
mod metrics;
mod open;
mod output;
mod progress;
mod render;
mod restore;
mod save;
mod service;
mod signals;
mod snapshot;
mod status;
mod verify;

use clap::{CommandFactory, Parser};

use args::{Args, Command, SnapshotCommand};
use exit::Exit;

/// Runs what the command line asks for.
pub fn run() -> Exit {
    if let Some(exit) = complete::answered() {
        return exit;
    }
    let args = match Args::try_parse_from(leading::moved_behind(std::env::args_os(), &Args::command())) {
        Ok(args) => args,
        Err(error) => return output::refuse(&error),
    };
    if let Err(cause) = signals::end_at_once() {
        output::warn(&format!("Ctrl-C may leave the terminal untidy: {cause}"));
    }
    let outcome = match args.command {
        Command::Save(args) => save::run(&args, save::Words::Ours),
        Command::Status(args) => status::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Keys(args) => look::keys::run(&args),
        Command::Get(args) => look::get::run(&args),
        Command::History(args) => look::history::run(&args),
        Command::Diff(args) => look::diff::run(&args),
        Command::Export(args) => look::export::run(&args),
        Command::Usage(args) => look::usage::run(&args),
        Command::Hashkv(args) => look::hashkv::run(&args),
        Command::Members(args) => look::cluster::members(&args),
        Command::Leases(args) => look::cluster::leases(&args),
        Command::Auth(args) => look::auth::run(&args),
        Command::Alarms(args) => look::cluster::alarms(&args),
        Command::Meta(args) => look::cluster::meta(&args),
        Command::Snapshot(args) => match args.command {
            SnapshotCommand::Save(args) => save::run(&args, save::Words::Etcdctl),
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
