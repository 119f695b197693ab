//! The command line.

mod args;
mod args_common;
mod args_encryption;
mod args_kinds;
mod args_kube;
mod args_kube_check;
mod args_kube_common;
mod args_kube_diff;
mod args_kube_events;
mod args_kube_find;
mod args_kube_helm;
mod args_kube_history;
mod args_look;
mod args_manifests;
mod args_restore;
mod args_revision;
mod args_rewrite;
mod args_save;
mod client;
mod codes;
mod complete;
mod completions;
mod cut;
pub mod exit;
mod http_server;
mod input;
mod kube;
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
mod restore_notes;
mod rewrite;
mod salvage;
mod save;
mod save_run;
mod service;
mod signals;
mod snapshot;
mod status;
mod verify;
mod version;

use clap::error::ContextValue;
use clap::{CommandFactory, Parser};
use etcdsnap::core::credentials::quotable;

use args::{Args, Command, KubeCommand, SnapshotCommand};
use exit::Exit;

/// An error about the command line that quotes no user and password of a URL.
fn without_passwords(mut error: clap::Error) -> clap::Error {
    let quoted = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) if text.contains("://") => Some((kind, quotable(text).into_owned())),
        _ => None,
    });
    for (kind, text) in quoted.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

/// Runs what the command line asks for.
pub fn run() -> Exit {
    if let Some(exit) = complete::answered() {
        return exit;
    }
    let args = match Args::try_parse_from(leading::moved_behind(std::env::args_os(), &Args::command())) {
        Ok(args) => args,
        Err(error) => return output::refuse(&without_passwords(error)),
    };
    if let Err(cause) = signals::end_at_once() {
        output::warn(&format!("Ctrl-C may leave the terminal untidy: {cause}"));
    }
    let outcome = match args.command {
        Command::Save(args) => save::run(&args, save::Words::Ours),
        Command::Status(args) => status::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Compact(args) => rewrite::compact(&args),
        Command::Defrag(args) => rewrite::defrag(&args),
        Command::Cut(args) => cut::run(&args),
        Command::Salvage(args) => salvage::run(&args),
        Command::Keys(args) => look::keys::run(&args),
        Command::Get(args) => look::get::run(&args),
        Command::History(args) => look::history::run(&args),
        Command::Find(args) => look::find::run(&args),
        Command::Diff(args) => look::diff::run(&args),
        Command::Export(args) => look::export::run(&args),
        Command::Usage(args) => look::usage::run(&args),
        Command::Hashkv(args) => look::hashkv::run(&args),
        Command::Members(args) => look::cluster::members(&args),
        Command::Leases(args) => look::cluster::leases(&args),
        Command::Auth(args) => look::auth::run(&args),
        Command::Alarms(args) => look::cluster::alarms(&args),
        Command::Meta(args) => look::cluster::meta(&args),
        Command::Kube(args) => match args.command {
            KubeCommand::Get(args) => kube::get::run(&args),
            KubeCommand::Encryption(args) => kube::encryption::run(&args),
            KubeCommand::Find(args) => kube::find::run(&args),
            KubeCommand::Check(args) => kube::check::run(&args),
            KubeCommand::Diff(args) => kube::diff::run(&args),
            KubeCommand::Events(args) => kube::events::run(&args),
            KubeCommand::Helm(args) => kube::helm::run(&args),
            KubeCommand::History(args) => kube::history::run(&args),
            KubeCommand::Kinds(args) => kube::kinds::run(&args),
            KubeCommand::Manifests(args) => kube::manifests::run(&args),
        },
        Command::Snapshot(args) => match args.command {
            SnapshotCommand::Save(args) => save::run(&args, save::Words::Etcdctl),
            SnapshotCommand::Status(args) => snapshot::status(&args),
            SnapshotCommand::Restore(args) => restore::run(&args),
        },
        Command::Codes(args) => codes::run(&args),
        Command::Open(args) => open::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Version(args) => version::run(&args),
    };
    outcome.unwrap_or_else(|failure| {
        output::complain(&failure.what, &failure.advice);
        failure.exit
    })
}
