//! `etcdsnap save --every …`: saves one snapshot after another until a signal comes, then exits with code 0.

use etcdsnap::core::Revision;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap::NoProgress;
use etcdsnap::save::{FailureCause, SaveConfig, SaveError, Saved, names_directory, save_any};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use super::args::SaveArgs;
use super::args_save::{Listen, SaveForm};
use super::exit::Exit;
use super::failure::Failure;
use super::metrics::Metrics;
use super::save_run::{json, keep, runtime};
use super::{connection_flags, log, output, signals};

/// The first pause after a failure; each further pause doubles, up to the normal interval.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The share of the interval by which a snapshot may be delayed at random, so that many services do not start at the same moment.
const JITTER: f64 = 0.1;

/// Runs the service.
///
/// # Errors
/// When it cannot start, or the flags can never lead to a snapshot.
pub fn run(args: &SaveArgs, config: &SaveConfig) -> Result<Exit, Failure> {
    log::service(args.service.log_format);
    let every = args.service.every.unwrap_or_default();
    let metrics = Arc::new(Metrics::default());
    // From here on, a signal stops the service in an orderly way.
    let _guard = signals::Cancellable::new(NoProgress);
    let stop = signals::token();
    let serving = match &args.service.metrics_listen {
        Listen::At(address) => Some(metrics.serve(address)?),
        Listen::Off => None,
    };
    let cancel = CancellationToken::new();
    let runtime = runtime()?;
    let outcome =
        runtime.block_on(signals::with_signal_polling(&stop, serve(args, config, every, &metrics, &stop, &cancel)));
    runtime.shutdown_timeout(Duration::from_secs(2));
    drop(serving);
    outcome
}

async fn serve(
    args: &SaveArgs,
    config: &SaveConfig,
    every: Duration,
    metrics: &Metrics,
    stop: &CancellationToken,
    cancel: &CancellationToken,
) -> Result<Exit, Failure> {
    notify(&[NotifyState::Ready, NotifyState::Status("taking the first snapshot")]);
    let mut failures = 0_u32;
    let mut worked = false;
    // Decided once: if a directory is missing for a while, a file must not be created under its name.
    let mut config = SaveConfig { is_directory: Some(names_directory(&args.file)), ..config.clone() };
    loop {
        let begun = Instant::now();
        if let Err(failure) = connection_flags::reread_password_file(&args.client, &mut config.client) {
            // The old password may still be valid; if not, the server refuses it.
            tracing::warn!("{}", failure.what);
        }
        let saving = save_any(&config, &args.file, keep(args), args.retries, Arc::new(NoProgress), cancel);
        match within_grace_period(saving, args.service.grace, stop, cancel).await {
            Ok(saved) => {
                failures = 0;
                worked = true;
                metrics.saved(&saved);
                log_saved(&saved);
                if args.write_out == SaveForm::Json {
                    print(&saved);
                }
            }
            Err(SaveError::Cancelled) => {
                tracing::warn!("a snapshot was under way and is abandoned");
                break;
            }
            // A wrong configuration does not become right by itself. But if it worked once, it may work again: certificates are renewed, mounts come back.
            Err(error) if error.cause() == FailureCause::Configuration && !worked => return Err(error.into()),
            Err(error) => {
                failures = failures.saturating_add(1);
                metrics.failed(&error);
                let (cause, advice) = (error.cause().as_str(), error.advice());
                tracing::error!(cause, failures, advice, "no snapshot: {error}");
                notify(&[NotifyState::Status(&format!("no snapshot: {error}"))]);
            }
        }
        let wait = pause(every, begun.elapsed(), failures);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => break,
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopped by a signal");
    Ok(Exit::Done)
}

/// Runs `saving`; after a signal, lets it continue for the grace period, then cancels it.
async fn within_grace_period<T>(
    saving: impl Future<Output = T>,
    grace: Duration,
    stop: &CancellationToken,
    cancel: &CancellationToken,
) -> T {
    let end = async {
        stop.cancelled().await;
        notify(&[NotifyState::Stopping]);
        tokio::time::sleep(grace).await;
        cancel.cancel();
        std::future::pending::<()>().await;
    };
    tokio::pin!(saving);
    tokio::select! {
        outcome = &mut saving => outcome,
        // `end` never completes: the other branch ends the wait.
        () = end => saving.await,
    }
}

fn log_saved(saved: &Saved) {
    tracing::info!(
        file = %saved.file.display(),
        file_base64 = base64_of(&saved.file),
        endpoint = %saved.endpoint,
        member = saved.member.as_deref().unwrap_or(&saved.member_id),
        revision = saved.revision.map(Revision::get),
        bytes = saved.bytes,
        file_bytes = saved.file_bytes,
        sha256 = %saved.sha256,
        seconds = saved.seconds,
        "saved"
    );
    for path in &saved.removed {
        tracing::info!(file = %path.display(), file_base64 = base64_of(path), "removed");
    }
    for (path, reason) in &saved.not_removed {
        tracing::warn!(file = %path.display(), file_base64 = base64_of(path), reason, "not removed");
    }
    for warning in &saved.warnings {
        tracing::warn!("{warning}");
    }
    notify(&[NotifyState::Status(&format!("last snapshot: {}", saved.file.display()))]);
}

/// Encodes a path in base64 if its text form is not exact.
fn base64_of(path: &Path) -> Option<String> {
    path.to_str().is_none().then(|| BASE64_STANDARD.encode(path.as_os_str().as_bytes()))
}

/// Prints one line of JSON. A failure is only logged, because the snapshot exists nevertheless.
fn print(saved: &Saved) {
    if let Err(failure) = json(saved).and_then(|line| output::print(&format!("{line}\n"))) {
        tracing::warn!("{}", failure.what);
    }
}

/// Returns the pause until the next snapshot; the interval counts from the start of the last one.
fn pause(every: Duration, took: Duration, failures: u32) -> Duration {
    if failures > 0 {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        return doubled.min(every);
    }
    every.saturating_sub(took).saturating_add(every.mul_f64(rand::random_range(0.0..JITTER)))
}

/// Notifies systemd, if it started the service.
fn notify(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_snapshot_comes_on_time_and_sooner_after_a_failure() {
        let minute = Duration::from_secs(60);
        for _ in 0..100 {
            let wait = pause(minute, Duration::from_secs(20), 0);
            assert!(wait >= Duration::from_secs(40) && wait < Duration::from_secs(46), "{wait:?}");
        }
        assert_eq!(pause(minute, minute, 1), Duration::from_secs(5));
        assert_eq!(pause(minute, minute, 3), Duration::from_secs(20));
        assert_eq!(pause(minute, minute, 30), minute);
    }
}
