//! `etcdsnap save FILE` and `etcdsnap snapshot save FILE`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use etcdsnap::save::{
    Compare, ComparedMember, Comparison, Outcome, SaveConfig, SaveError, SaveStream, SaveVerify, Saved,
};
use etcdsnap::{printable, printable_path};

use super::args::SaveArgs;
use super::args_save::{SaveForm, SaveLevel};
use super::exit::Exit;
use super::failure::{Failure, exit_of};
use super::progress_bar::Bar;
use super::render::grouped_number::{counted, grouped_revision, si_bytes};
use super::render::text_verify;
use super::save_run::{json, keep, runtime};
use super::{connection_flags, judge_files, log, output, service, signals};

/// The program whose output is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStyle {
    /// The output of this program.
    Ours,
    /// The output of etcdctl.
    Etcdctl,
}

/// Runs the command.
///
/// # Errors
/// When nothing was saved, or stdout cannot be written.
pub fn run(args: &SaveArgs, style: OutputStyle) -> Result<Exit, Failure> {
    judge_files::check_not_written(&connection_flags::files(&args.client))?;
    let config = SaveConfig {
        client: connection_flags::config(&args.client)?,
        verify: match args.verify {
            SaveLevel::Full => SaveVerify::Full,
            SaveLevel::Hash => SaveVerify::Hash,
            SaveLevel::None => SaveVerify::None,
        },
        compression: args.compress,
        compact: args.compact,
        compare: match (args.compare, args.no_compare) {
            (true, _) => Compare::Always,
            (false, true) => Compare::Never,
            (false, false) => Compare::Usual,
        },
        // With --every a stream is refused: if the file became a FIFO later, no backup would be kept.
        may_stream: args.service.every.is_none(),
        is_directory: None,
        inputs: args.client.password_file.iter().cloned().collect(),
        stall_timeout: args.stall_timeout,
        timeout: args.client.command_timeout.filter(|limit| !limit.is_zero()),
    };
    let stream = SaveStream::of(&args.file);
    if args.service.every.is_some() && stream.is_some() {
        return Err(Failure::new(
            "--every saves one file after another, which is not possible with a stream",
            "Give a directory, or a file name that contains {time}.",
        ));
    }
    if args.service.every.is_some() {
        return service::run(args, &config);
    }
    log::bare(args.quiet);
    let name = printable_target(&args.file);
    let bar = Arc::new(signals::Cancellable::new(Bar::new(Path::new(&name))));
    let token = signals::token();
    let runtime = runtime()?;
    let save = etcdsnap::save::save_any(&config, &args.file, keep(args), args.retries, Arc::clone(&bar) as _, &token);
    let saved = runtime.block_on(signals::with_signal_polling(&token, save));
    runtime.shutdown_timeout(Duration::from_secs(2));
    // Until the runtime has ended, a thread may still hold the unfinished file.
    drop(bar);
    let saved = saved.inspect_err(|error| {
        if let Some(report) = error.report() {
            output::print_to_stderr(&text_verify::damage(report));
        }
    })?;
    for warning in &saved.warnings {
        output::warn(warning);
    }
    if saved.is_diverged() && stream.is_some() {
        output::warn("The output is a complete snapshot of its member all the same.");
    }
    for (path, reason) in &saved.not_removed {
        output::warn(&format!("The old snapshot {} cannot be removed: {reason}.", printable_path(path)));
    }
    let printed = match (args.write_out, style) {
        (SaveForm::Json, _) => format!("{}\n", json(&saved)?),
        (SaveForm::Text, _) if args.quiet => String::new(),
        (SaveForm::Text, OutputStyle::Ours) => text(&saved),
        (SaveForm::Text, OutputStyle::Etcdctl) => etcdctl(&args.file, &saved),
    };
    if stream == Some(SaveStream::StandardOutput) {
        output::print_to_stderr(&printed);
    } else {
        output::print_of(&format!("{} is complete and in place", printable_target(&saved.file)), &printed)?;
    }
    Ok(if saved.is_diverged() { Exit::Damage } else { Exit::Done })
}

/// Formats the target of a snapshot; `-` is standard output here.
fn printable_target(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard output".to_owned() } else { printable_path(path) }
}

fn text(saved: &Saved) -> String {
    let member = saved.member.as_deref().map_or_else(|| saved.member_id.clone(), printable);
    let mut lines = format!(
        "saved {}: {} from {} (member {member}, etcd {})\n",
        printable_target(&saved.file),
        si_bytes(saved.bytes),
        printable(&saved.endpoint),
        printable(&saved.server_version),
    );
    if let (Some(revision), Some(keys)) = (saved.revision, saved.total_key) {
        lines.push_str(&format!("  revision {}, {}\n", grouped_revision(revision), counted(keys, "key", "keys")));
    }
    if let Some(needs) = saved.encrypted.as_ref().and_then(text_verify::encrypted) {
        lines.push_str(&format!("  {needs}: keep the means to decrypt them with this file\n"));
    }
    let judged = if saved.verified { "every page and entry checked" } else { "structure not checked" };
    let matches = if saved.sha256_matches { "matches" } else { "is NOT the one that the server sent" };
    lines.push_str(&format!("  SHA-256 {} {matches}, {judged}, {:.1} s\n", saved.sha256, saved.seconds));
    if let Some(compaction) = &saved.compaction {
        lines.push_str(&format!(
            "  compacted at revision {}: {} instead of {}; hash and SHA-256 are those of this file, and differ from the server's (SHA-256 {})\n",
            grouped_revision(compaction.revision),
            si_bytes(saved.bytes),
            si_bytes(compaction.server_bytes),
            compaction.server_sha256
        ));
    }
    if saved.file_bytes != saved.bytes {
        lines.push_str(&format!("  compressed to {}\n", si_bytes(saved.file_bytes)));
    }
    lines.extend(saved.comparison.as_ref().map(compared));
    for path in &saved.removed {
        lines.push_str(&format!("  removed {}\n", printable_path(path)));
    }
    lines
}

/// Lists the members with which the snapshot was compared. A warning explains differences.
fn compared(comparison: &Comparison) -> String {
    let others = |outcome| comparison.with(outcome).filter(|member| !member.is_source);
    let mut printed = Vec::new();
    for (outcome, words) in [(Outcome::Same, "same data as"), (Outcome::Differs, "OTHER data than")] {
        let names: Vec<_> = others(outcome).map(ComparedMember::display_name).collect();
        if !names.is_empty() {
            printed.push(format!("{words} {}", names.join(", ")));
        }
    }
    let mut not: Vec<(&str, Vec<String>)> = Vec::new();
    for member in others(Outcome::NotCompared) {
        let reason = member.reason.as_deref().unwrap_or_default();
        match not.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, names)) => names.push(member.display_name()),
            None => not.push((reason, vec![member.display_name()])),
        }
    }
    printed.extend(not.iter().map(|(reason, names)| format!("not compared with {} ({reason})", names.join(", "))));
    format!("  at revision {}: {}\n", grouped_revision(comparison.revision), printed.join("; "))
}

/// Formats the output of `etcdctl snapshot save`; from 3.6 on, with the server's version.
fn etcdctl(asked: &Path, saved: &Saved) -> String {
    let name = if asked.is_dir() || asked != saved.file { &saved.file } else { asked };
    let version = match saved.storage_version.as_str() {
        "" => String::new(),
        version => format!("Server version {}\n", printable(version)),
    };
    format!("Snapshot saved at {}\n{version}", printable(&name.to_string_lossy()))
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        let exit = match &error {
            error if error.is_cancelled() => signals::exit_after_signal(),
            SaveError::NotVerified(error) => exit_of(error),
            error if error.is_damage() => Exit::Damage,
            _ => Exit::Failed,
        };
        Self { what: error.to_string(), advice: error.advice(), exit }
    }
}
