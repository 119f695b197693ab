//! The command line.

mod args;
mod args_common;
mod args_encryption;
mod args_inspect;
mod args_kinds;
mod args_kube;
mod args_kube_check;
mod args_kube_common;
mod args_kube_diff;
mod args_kube_events;
mod args_kube_find;
mod args_kube_helm;
mod args_kube_history;
mod args_manifests;
mod args_restore;
mod args_revision;
mod args_rewrite;
mod args_save;
mod codes;
mod compact_defrag;
mod complete;
mod completions;
mod connection_flags;
mod cut;
pub mod exit;
mod failure;
mod global_flags;
mod http_server;
mod inspect;
mod judge_files;
mod kube;
mod kubectl_words;
mod log;
mod man;
mod message_sentence;
mod metrics;
mod open;
mod output;
mod progress_bar;
mod redact;
mod render;
mod restore;
mod restore_notes;
mod salvage;
mod save;
mod save_run;
mod service;
mod signals;
mod snapshot_status;
mod status;
mod verify;
mod version;

use clap::error::ContextValue;
use clap::{CommandFactory, Parser};
use etcdsnap::core::credentials::quotable;

use args::{Args, Command, KubeCommand, SnapshotCommand};
use exit::Exit;

/// Removes the user and password of URLs from an error about the command line.
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

/// Runs the command that the command line names.
pub fn run() -> Exit {
    if let Some(exit) = complete::answer_shell() {
        return exit;
    }
    let words = kubectl_words::without_values(std::env::args_os());
    let args = match Args::try_parse_from(global_flags::move_flags_behind_command(words, &Args::command())) {
        Ok(args) => args,
        Err(error) => {
            let error = without_passwords(error);
            let Some((what, advice)) = kubectl_words::explain(&error) else { return output::refuse(&error) };
            output::complain(&what, &advice);
            return Exit::Failed;
        }
    };
    if let Err(cause) = signals::catch_signals() {
        output::warn(&format!("Ctrl-C may leave the terminal untidy: {cause}"));
    }
    let outcome = match args.command {
        Command::Save(args) => save::run(&args, save::OutputStyle::Ours),
        Command::Status(args) => status::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Compact(args) => compact_defrag::compact(&args),
        Command::Defrag(args) => compact_defrag::defrag(&args),
        Command::Cut(args) => cut::run(&args),
        Command::Redact(args) => redact::run(&args),
        Command::Salvage(args) => salvage::run(&args),
        Command::Keys(args) => inspect::keys::run(&args),
        Command::Get(args) => inspect::get::run(&args),
        Command::History(args) => inspect::history::run(&args),
        Command::Find(args) => inspect::find::run(&args),
        Command::Diff(args) => inspect::diff::run(&args),
        Command::Export(args) => inspect::export::run(&args),
        Command::Usage(args) => inspect::usage::run(&args),
        Command::Hashkv(args) => inspect::hashkv::run(&args),
        Command::Members(args) => inspect::cluster::members(&args),
        Command::Leases(args) => inspect::cluster::leases(&args),
        Command::Auth(args) => inspect::auth::run(&args),
        Command::Alarms(args) => inspect::cluster::alarms(&args),
        Command::Meta(args) => inspect::cluster::meta(&args),
        Command::Kube(args) => match args.command {
            KubeCommand::Get(args) => kube::kube_get::run(&args),
            KubeCommand::Encryption(args) => kube::kube_encryption::run(&args),
            KubeCommand::Find(args) => kube::kube_find::run(&args),
            KubeCommand::Check(args) => kube::kube_check::run(&args),
            KubeCommand::Diff(args) => kube::kube_diff::run(&args),
            KubeCommand::Events(args) => kube::kube_events::run(&args),
            KubeCommand::Helm(args) => kube::kube_helm::run(&args),
            KubeCommand::History(args) => kube::kube_history::run(&args),
            KubeCommand::Kinds(args) => kube::kube_kinds::run(&args),
            KubeCommand::Manifests(args) => kube::kube_manifests::run(&args),
        },
        Command::Snapshot(args) => match args.command {
            SnapshotCommand::Save(args) => save::run(&args, save::OutputStyle::Etcdctl),
            SnapshotCommand::Status(args) => snapshot_status::status(&args),
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
