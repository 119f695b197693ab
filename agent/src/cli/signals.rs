//! Signals that end the program: Ctrl-C, SIGTERM, a closed terminal, and others that would end it silently.
//!
//! All are handled alike: work that would leave something behind is stopped and cleans up, and the exit code is 128 plus the signal's number. Only SIGKILL cannot be caught.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use etcdsnap::core::Watch;
use etcdsnap::{Progress, Stage};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::progress_bar;

/// How often to check for a signal if there is no thread that waits for it.
const RELAY_EVERY: Duration = Duration::from_millis(50);

/// Signals that end the program however it was started.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that end the program unless they were ignored when it started: `nohup` ignores SIGHUP for its program, and a shell ignores SIGQUIT for background jobs.
/// SIGXCPU comes when a limit of processor time is near (`ulimit -t`), before SIGKILL at the limit. The others have no meaning here, and would end the program by default.
const UNLESS_IGNORED: [i32; 9] = [SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU, SIGIO];

/// Signals that end the program at once if they come while the work cleans up. The others may come twice: a closed terminal sends SIGHUP more than once (from the shell and the system),
/// systemd sends it after SIGTERM, and SIGXCPU comes every second.
const INSIST: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];

/// Whether work is in progress that cleans up after itself when stopped.
static TIDY: AtomicBool = AtomicBool::new(false);
/// The signal that stops the work; 0 for none.
static STOP: AtomicI32 = AtomicI32::new(0);
/// A token that is cancelled as soon as a signal comes; other code polls.
static TOLD: Mutex<Option<CancellationToken>> = Mutex::new(None);
/// The terminal's settings before a question without echo.
static TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);
/// Replaces the signal thread if none could be started.
static FLAGS: OnceLock<Flags> = OnceLock::new();

/// Actions that a signal handler performs itself if there is no signal thread: set flags, or end the program. The terminal's settings are then not restored.
struct Flags {
    /// Whether no work is in progress that cleans up.
    untidy: Arc<AtomicBool>,
    /// Whether the next signal from [`INSIST`] ends the program at once.
    at_once: Arc<AtomicBool>,
    /// The signal that came; 0 for none.
    came: Arc<AtomicUsize>,
}

/// Makes the signals end the program at once. Nothing needs cleaning up (temporary files have no name, and inputs are only read), except
/// while a [`Cancellable`] exists: then the work is stopped first.
///
/// # Errors
/// When the system refuses; the signals then end the program by their default action.
pub fn end_at_once() -> io::Result<()> {
    // When a small allocation fails, Rust aborts. Exit with the code for "could not be done" then.
    flag::register_conditional_shutdown(SIGABRT, Exit::Failed.code().into(), Arc::new(AtomicBool::new(true)))?;
    // With SIGXFSZ ignored, a limit on file sizes is a write error, like a full disk, and does not end the program.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // Start the thread first: a signal caught for a missing thread would be lost.
    let (give, given) = mpsc::channel::<Signals>();
    let thread = thread::Builder::new().name("signals".into()).spawn(move || {
        if let Ok(mut signals) = given.recv() {
            signals.forever().for_each(caught);
        }
    });
    if thread.is_err() {
        return flags().map(|flags| drop(FLAGS.set(flags)));
    }
    let _ = give.send(Signals::new(caught_signals())?);
    Ok(())
}

/// Returns the signals to catch.
fn caught_signals() -> Vec<i32> {
    let ignored = ignored();
    let is_free = |signal: &i32| ignored.is_some_and(|mask| !is_in(mask, *signal));
    ALWAYS.into_iter().chain(UNLESS_IGNORED.into_iter().filter(is_free)).collect()
}

/// Returns the signals that this process ignores; `None` if that is unknown. Then none of [`UNLESS_IGNORED`] is caught: to end on a signal that should be
/// ignored is worse than to leave files behind.
fn ignored() -> Option<u64> {
    ignored_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Parses the mask of ignored signals. Source: proc_pid_status(5). Bit `n - 1` is signal `n`.
fn ignored_in(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(mask: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
}

fn caught(signal: i32) {
    if TIDY.load(Ordering::Relaxed) {
        if STOP.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            // A second signal ends the program without cleaning up; the next run cleans up.
            if INSIST.contains(&signal) {
                end(signal);
            }
            return;
        }
        if let Some(token) = &*TOLD.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            token.cancel();
        }
        return;
    }
    // The work has stopped and cleaned up. Its last messages are being printed, and further signals of a closed terminal must not cut them off.
    if STOP.load(Ordering::Relaxed) != 0 && !INSIST.contains(&signal) {
        return;
    }
    end(signal);
}

fn end(signal: i32) {
    progress_bar::leave();
    restore_terminal();
    process::exit(exit(signal).code().into());
}

/// Installs handlers that work without a thread.
fn flags() -> io::Result<Flags> {
    let on = || Arc::new(AtomicBool::new(true));
    let flags = Flags { untidy: on(), at_once: on(), came: Arc::new(AtomicUsize::new(0)) };
    for signal in caught_signals() {
        // Actions run in this order: the first signal arms the exit that the second one triggers.
        let ends = if INSIST.contains(&signal) { &flags.at_once } else { &flags.untidy };
        flag::register_conditional_shutdown(signal, exit(signal).code().into(), Arc::clone(ends))?;
        flag::register_usize(signal, Arc::clone(&flags.came), usize::try_from(signal).unwrap_or_default())?;
        flag::register(signal, Arc::clone(&flags.at_once))?;
    }
    Ok(flags)
}

/// Returns the signal that came to stop work; 0 for none.
fn stop() -> i32 {
    let came = FLAGS.get().map_or(0, |flags| i32::try_from(flags.came.load(Ordering::SeqCst)).unwrap_or_default());
    if came == 0 { STOP.load(Ordering::Relaxed) } else { came }
}

fn set_tidy(tidy: bool) {
    TIDY.store(tidy, Ordering::Relaxed);
    if let Some(flags) = FLAGS.get() {
        flags.untidy.store(!tidy && stop() == 0, Ordering::SeqCst);
        flags.at_once.store(!tidy || stop() != 0, Ordering::SeqCst);
    }
}

/// Runs code that changes the terminal's settings, such as a password prompt. Afterwards they are restored, also if a signal ends the program.
pub fn asking<T>(ask: impl FnOnce() -> T) -> T {
    let before = File::open("/dev/tty").ok().and_then(|terminal| {
        let settings = tcgetattr(&terminal).ok()?;
        Some((terminal, settings))
    });
    *TERMINAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = before;
    let answer = ask();
    restore_terminal();
    answer
}

fn restore_terminal() {
    let before = TERMINAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    if let Some((terminal, settings)) = before {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
    }
}

/// Returns a token that the first signal cancels while a [`Cancellable`] exists.
pub fn token() -> CancellationToken {
    let token = CancellationToken::new();
    *TOLD.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(token.clone());
    // The signal may have come just before.
    if stop() != 0 {
        token.cancel();
    }
    token
}

/// Runs `work`; a signal cancels the token from [`token`] even if there is no signal thread.
pub async fn relayed<T>(token: &CancellationToken, work: impl Future<Output = T>) -> T {
    let relay = async {
        while FLAGS.get().is_some() {
            if stop() != 0 {
                token.cancel();
            }
            tokio::time::sleep(RELAY_EVERY).await;
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        outcome = work => outcome,
        never = relay => match never {},
    }
}

/// Waits for the signal that cancels the token from [`token`].
pub async fn stopping(token: CancellationToken) {
    relayed(&token, token.cancelled()).await;
}

/// Whether a signal came that stops the work.
pub fn is_stopping() -> bool {
    stop() != 0
}

/// Returns the exit code of work that a signal stopped.
pub fn stopped() -> Exit {
    exit(stop())
}

/// Returns the exit code after Ctrl-C.
pub fn interrupted() -> Exit {
    exit(SIGINT)
}

/// Returns the exit code for a signal. 0 counts as Ctrl-C, which the password prompt handles itself.
fn exit(signal: i32) -> Exit {
    Exit::Signal(u8::try_from(signal).ok().filter(|signal| *signal > 0).unwrap_or(2))
}

/// Work that a signal stops rather than ends.
pub struct Cancellable<P>(P);

impl<P: Progress> Cancellable<P> {
    /// Wraps `progress`; signals stop the work from now on.
    pub fn new(progress: P) -> Self {
        set_tidy(true);
        Self(progress)
    }
}

impl<P: Progress> Watch for Cancellable<P> {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        stop() != 0 || self.0.cancelled()
    }
}

impl<P: Progress> Progress for Cancellable<P> {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        self.0.begin(stage, total);
    }
}

impl<P> Drop for Cancellable<P> {
    fn drop(&mut self) {
        set_tidy(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_proc() {
        let mask = ignored_in("Name:\tetcdsnap\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n").unwrap();
        assert!(is_in(mask, SIGHUP) && is_in(mask, 13));
        assert!(
            !is_in(mask, SIGINT) && !is_in(mask, SIGXCPU) && !is_in(mask, 0) && !is_in(mask, 65) && !is_in(mask, -1)
        );
        assert_eq!(ignored_in("Name:\tetcdsnap\n"), None);
        // Rust itself ignores SIGPIPE.
        assert!(ignored().is_some_and(|mask| is_in(mask, 13)));
    }

    #[test]
    fn the_exit_code_has_the_number() {
        assert_eq!([SIGHUP, SIGINT, SIGQUIT, SIGTERM, 0].map(|signal| exit(signal).code()), [129, 130, 131, 143, 130]);
    }
}
