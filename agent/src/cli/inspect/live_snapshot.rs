//! Takes a snapshot of a running server to compare it with a file. It is verified like every save; its file has no name any more when it is read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use etcdsnap::core::ScanProgress;
use etcdsnap::save::{Keep, SaveConfig, SaveError, Saved, save_any};
use etcdsnap::{Snapshot, WorkDirectory, printable};

use crate::cli::args::{ClientArgs, WorkArgs};
use crate::cli::failure::Failure;
use crate::cli::progress_bar::Bar;
use crate::cli::render::grouped_number::grouped_revision;
use crate::cli::{connection_flags, log, output, save_run, signals};

/// Takes a snapshot and opens it. The temporary directory is removed on every error, too; what a killed run left, the next run removes.
///
/// # Errors
/// When no snapshot can be taken, it is damaged, or a signal stops the work.
pub fn snapshot(args: &ClientArgs, work: WorkArgs) -> Result<Snapshot, Failure> {
    let config = SaveConfig {
        client: connection_flags::config(args)?,
        inputs: args.password_file.iter().cloned().collect(),
        timeout: args.command_timeout.filter(|limit| !limit.is_zero()),
        ..SaveConfig::default()
    };
    log::bare(true);
    let runtime = save_run::runtime()?;
    // From here on, a signal stops the work so that the directory is removed.
    let bar = Arc::new(signals::Cancellable::new(Bar::new(Path::new("the running cluster"))));
    let token = signals::token();
    let folder = WorkDirectory::temporary().map_err(|cause| {
        let what = format!("cannot make a temporary directory for a snapshot of the running cluster: {cause}");
        Failure::new(what, "Set TMPDIR to a directory with enough space.")
    })?;
    let path = folder.path().join("live.db");
    let saving = save_any(&config, &path, Keep::default(), None, bar.clone(), &token);
    let saved = runtime.block_on(signals::with_signal_polling(&token, saving));
    runtime.shutdown_timeout(Duration::from_secs(2));
    let opened = saved.map_err(failure).and_then(|saved| {
        let snapshot = Snapshot::open(&path, work.threads, &*bar)?;
        Ok((saved, snapshot))
    });
    // The file is open and needs no name any more.
    if let Err(cause) = folder.close() {
        output::warn(&format!("the temporary directory of a snapshot cannot be removed: {cause}"));
    }
    let stopped = bar.cancelled();
    drop(bar);
    let (saved, snapshot) = opened?;
    if stopped {
        return Err(etcdsnap::Error::Cancelled.into());
    }
    output::warn(&comparison_note(&saved));
    Ok(snapshot)
}

fn failure(error: SaveError) -> Failure {
    let lacks_space = matches!(&error, SaveError::Space { .. });
    let failure = Failure::from(error);
    match lacks_space {
        true => Failure { advice: "Set TMPDIR to a directory with enough space.".into(), ..failure },
        false => failure,
    }
}

fn comparison_note(saved: &Saved) -> String {
    let member = saved.member.as_deref().map_or_else(|| saved.member_id.clone(), printable);
    let revision =
        saved.revision.map(|revision| format!("revision {} of ", grouped_revision(revision))).unwrap_or_default();
    format!("Compared with {revision}member {member} at {}.", printable(&saved.endpoint))
}
