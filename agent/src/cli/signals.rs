//! Signals that end the program: Ctrl-C, SIGTERM, a closed terminal, and others that would end it silently.
//!
//! All are handled in the same way: work that would leave files behind is stopped and cleans up, and the exit code is 128 plus the signal's number. Only SIGKILL cannot be caught.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use etcdsnap::core::ScanProgress;
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
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Signals that end the program however it was started.
const ALWAYS_CAUGHT: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that end the program unless they were ignored when it started: `nohup` ignores SIGHUP for its program, and a shell ignores SIGQUIT for background jobs.
/// SIGXCPU comes when a limit of processor time is near (`ulimit -t`), before SIGKILL at the limit. The others have no meaning here, and would end the program by default.
const CAUGHT_UNLESS_IGNORED: [i32; 9] =
    [SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU, SIGIO];

/// Signals that end the program at once if they arrive while the work cleans up. The others may arrive twice: a closed terminal sends SIGHUP more than once (from the shell and the system),
/// systemd sends it after SIGTERM, and SIGXCPU comes every second.
const ENDING_CLEANUP: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];

/// Whether work is in progress that cleans up after itself when stopped. The lock is held while a signal ends the program, so that no such work begins meanwhile.
static CLEANS_UP: Mutex<bool> = Mutex::new(false);
/// The signal that stops the work; 0 for none.
static STOP_SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The token that the first signal cancels; code without a token polls [`is_stopping`].
static STOP_TOKEN: Mutex<Option<CancellationToken>> = Mutex::new(None);
/// The terminal's settings before a password prompt changed them.
static SAVED_TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);
/// The flags that signal handlers set if no signal thread could be started.
static HANDLER_FLAGS: OnceLock<HandlerFlags> = OnceLock::new();

/// Actions that a signal handler performs itself if there is no signal thread: set flags, or end the program. The terminal's settings are then not restored.
struct HandlerFlags {
    /// Whether no work is in progress that cleans up.
    nothing_to_clean_up: Arc<AtomicBool>,
    /// Whether the next signal from [`ENDING_CLEANUP`] ends the program at once.
    end_at_next: Arc<AtomicBool>,
    /// The signal that was received; 0 for none.
    received: Arc<AtomicUsize>,
}

/// Catches the signals, so that they end the program at once. Nothing needs cleaning up (temporary files have no name, and inputs are only read), except
/// while a [`Cancellable`] exists: then the work is stopped first.
///
/// # Errors
/// When the system refuses; the signals then end the program by their default action.
pub fn catch_signals() -> io::Result<()> {
    // When a small allocation fails, Rust aborts. Exit with the code for "could not be done" then.
    flag::register_conditional_shutdown(SIGABRT, Exit::Failed.code().into(), Arc::new(AtomicBool::new(true)))?;
    // With SIGXFSZ ignored, a limit on file sizes is a write error, like a full disk, and does not end the program.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // Start the thread first: if it cannot be started, a signal that is already caught would be lost.
    let (give, given) = mpsc::channel::<Signals>();
    let thread = thread::Builder::new().name("signals".into()).spawn(move || {
        if let Ok(mut signals) = given.recv() {
            signals.forever().for_each(handle_signal);
        }
    });
    if thread.is_err() {
        return install_flag_handlers().map(|flags| drop(HANDLER_FLAGS.set(flags)));
    }
    let _ = give.send(Signals::new(signals_to_catch())?);
    Ok(())
}

/// Returns the signals to catch.
fn signals_to_catch() -> Vec<i32> {
    let ignored = ignored_signals();
    let is_free = |signal: &i32| ignored.is_some_and(|mask| !has_signal(mask, *signal));
    ALWAYS_CAUGHT.into_iter().chain(CAUGHT_UNLESS_IGNORED.into_iter().filter(is_free)).collect()
}

/// Returns the signals that this process ignores; `None` if that is unknown. In that case no signal of [`CAUGHT_UNLESS_IGNORED`] is caught: to end on a signal that should be
/// ignored is worse than to leave files behind.
fn ignored_signals() -> Option<u64> {
    parse_ignored_signals(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Parses the mask of ignored signals. Source: proc_pid_status(5). Bit `n - 1` is signal `n`.
fn parse_ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn has_signal(mask: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
    bit.and_then(|bit| mask.checked_shr(bit)).is_some_and(|rest| rest & 1 == 1)
}

fn handle_signal(signal: i32) {
    let cleans_up = lock_cleans_up();
    if *cleans_up {
        if STOP_SIGNAL.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            // A second signal ends the program without cleaning up; the next run cleans up.
            if ENDING_CLEANUP.contains(&signal) {
                end_program(signal);
            }
            return;
        }
        if let Some(token) = &*STOP_TOKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
            token.cancel();
        }
        return;
    }
    // The work has stopped and cleaned up. Its last messages are being printed, and further signals of a closed terminal must not cut them off.
    if STOP_SIGNAL.load(Ordering::Relaxed) != 0 && !ENDING_CLEANUP.contains(&signal) {
        return;
    }
    end_program(signal);
}

fn end_program(signal: i32) {
    progress_bar::leave_bar_visible();
    restore_terminal();
    process::exit(exit_for(signal).code().into());
}

/// Installs handlers that work without a thread.
fn install_flag_handlers() -> io::Result<HandlerFlags> {
    let on = || Arc::new(AtomicBool::new(true));
    let flags = HandlerFlags { nothing_to_clean_up: on(), end_at_next: on(), received: Arc::new(AtomicUsize::new(0)) };
    for signal in signals_to_catch() {
        // Actions run in this order: the first signal sets the flag with which the second one ends the program.
        let ends = if ENDING_CLEANUP.contains(&signal) { &flags.end_at_next } else { &flags.nothing_to_clean_up };
        flag::register_conditional_shutdown(signal, exit_for(signal).code().into(), Arc::clone(ends))?;
        flag::register_usize(signal, Arc::clone(&flags.received), usize::try_from(signal).unwrap_or_default())?;
        flag::register(signal, Arc::clone(&flags.end_at_next))?;
    }
    Ok(flags)
}

/// Returns the signal that stops the work; 0 for none.
fn stop_signal() -> i32 {
    let received =
        HANDLER_FLAGS.get().map_or(0, |flags| i32::try_from(flags.received.load(Ordering::SeqCst)).unwrap_or_default());
    if received == 0 { STOP_SIGNAL.load(Ordering::Relaxed) } else { received }
}

fn lock_cleans_up() -> MutexGuard<'static, bool> {
    CLEANS_UP.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn set_cleans_up(cleans_up: bool) {
    *lock_cleans_up() = cleans_up;
    if let Some(flags) = HANDLER_FLAGS.get() {
        flags.nothing_to_clean_up.store(!cleans_up && stop_signal() == 0, Ordering::SeqCst);
        flags.end_at_next.store(!cleans_up || stop_signal() != 0, Ordering::SeqCst);
    }
}

/// Runs code that changes the terminal's settings, such as a password prompt. Afterwards they are restored, also if a signal ends the program.
pub fn keeping_terminal_settings<T>(ask: impl FnOnce() -> T) -> T {
    let before = File::open("/dev/tty").ok().and_then(|terminal| {
        let settings = tcgetattr(&terminal).ok()?;
        Some((terminal, settings))
    });
    *SAVED_TERMINAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = before;
    let answer = ask();
    restore_terminal();
    answer
}

fn restore_terminal() {
    let before = SAVED_TERMINAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    if let Some((terminal, settings)) = before {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
    }
}

/// Returns a token that the first signal cancels while a [`Cancellable`] exists.
pub fn token() -> CancellationToken {
    let token = CancellationToken::new();
    *STOP_TOKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(token.clone());
    // The signal may have been received just before.
    if stop_signal() != 0 {
        token.cancel();
    }
    token
}

/// Runs `work`; a signal cancels the token from [`token`] even if there is no signal thread.
pub async fn with_signal_polling<T>(token: &CancellationToken, work: impl Future<Output = T>) -> T {
    let relay = async {
        while HANDLER_FLAGS.get().is_some() {
            if stop_signal() != 0 {
                token.cancel();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        outcome = work => outcome,
        never = relay => match never {},
    }
}

/// Waits for the signal that cancels the token from [`token`].
pub async fn wait_for_signal(token: CancellationToken) {
    with_signal_polling(&token, token.cancelled()).await;
}

/// Whether a signal stops the work.
pub fn is_stopping() -> bool {
    stop_signal() != 0
}

/// Returns the exit code of work that a signal stopped.
pub fn exit_after_signal() -> Exit {
    exit_for(stop_signal())
}

/// Returns the exit code after Ctrl-C.
pub fn exit_after_ctrl_c() -> Exit {
    exit_for(SIGINT)
}

/// Returns the exit code for a signal. 0 counts as Ctrl-C, which the password prompt handles itself.
fn exit_for(signal: i32) -> Exit {
    Exit::Signal(u8::try_from(signal).ok().filter(|signal| *signal > 0).unwrap_or(2))
}

/// Work that a signal stops rather than ends.
pub struct Cancellable<P>(P);

impl<P: Progress> Cancellable<P> {
    /// Wraps `progress`; signals stop the work from now on.
    pub fn new(progress: P) -> Self {
        set_cleans_up(true);
        Self(progress)
    }
}

impl<P: Progress> ScanProgress for Cancellable<P> {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        stop_signal() != 0 || self.0.cancelled()
    }
}

impl<P: Progress> Progress for Cancellable<P> {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        self.0.begin(stage, total);
    }
}

impl<P> Drop for Cancellable<P> {
    fn drop(&mut self) {
        set_cleans_up(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_proc() {
        let mask =
            parse_ignored_signals("Name:\tetcdsnap\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n").unwrap();
        assert!(has_signal(mask, SIGHUP) && has_signal(mask, 13));
        assert!(
            !has_signal(mask, SIGINT)
                && !has_signal(mask, SIGXCPU)
                && !has_signal(mask, 0)
                && !has_signal(mask, 65)
                && !has_signal(mask, -1)
        );
        assert_eq!(parse_ignored_signals("Name:\tetcdsnap\n"), None);
        // Rust itself ignores SIGPIPE.
        assert!(ignored_signals().is_some_and(|mask| has_signal(mask, 13)));
    }

    #[test]
    fn the_exit_code_has_the_number() {
        assert_eq!(
            [SIGHUP, SIGINT, SIGQUIT, SIGTERM, 0].map(|signal| exit_for(signal).code()),
            [129, 130, 131, 143, 130]
        );
    }
}
