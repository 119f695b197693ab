//! Signals that end the program: Ctrl-C, SIGTERM, a terminal that is closed, and what else would end it without a word.
//!
//! All are treated alike: work that leaves something behind is stopped and tidies up, and the exit code is 128 and the signal's number. SIGKILL alone cannot be caught.

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

/// How often somebody looks whether a signal came, where there is no thread to wait for it.
const RELAY_EVERY: Duration = Duration::from_millis(50);

/// Signals that end the program whatever started it, as they always did.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that end it unless they were ignored when it began: `nohup` ignores SIGHUP for what it starts, and a shell SIGQUIT for what it runs in the background.
/// SIGXCPU comes when a limit of processor time is near (`ulimit -t`), before the SIGKILL at its end; the others mean nothing here, and would end it all the same.
const UNLESS_IGNORED: [i32; 9] = [SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU, SIGIO];

/// Signals by which somebody insists: one that comes while the work tidies up ends that, too. A closed terminal sends SIGHUP more than once (the shell and the system do),
/// systemd behind SIGTERM, and SIGXCPU comes every second.
const INSIST: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];

/// Whether work is under way that tidies up after itself when it is stopped.
static TIDY: AtomicBool = AtomicBool::new(false);
/// The signal that stops it; 0 for none.
static STOP: AtomicI32 = AtomicI32::new(0);
/// Who is told of it at once, beside those who ask.
static TOLD: Mutex<Option<CancellationToken>> = Mutex::new(None);
/// The terminal as it was before a question without echo.
static TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);
/// What stands in for the thread where none could be started.
static FLAGS: OnceLock<Flags> = OnceLock::new();

/// What a signal handler does itself when there is no thread to do it: set flags, or end the program. The terminal is then left as it is.
struct Flags {
    /// Whether nothing is under way that tidies up.
    untidy: Arc<AtomicBool>,
    /// Whether the next signal of those that insist ends the program at once.
    at_once: Arc<AtomicBool>,
    /// The signal that came; 0 for none.
    came: Arc<AtomicUsize>,
}

/// Makes these signals end the program at once. There is nothing to tidy up (temporary files have no name, and inputs are only read), except
/// while a [`Cancellable`] is there: it is stopped first.
///
/// # Errors
/// What the system says; the signals then end the program in their own way.
pub fn end_at_once() -> io::Result<()> {
    // Where memory runs out for something small, Rust says so and aborts. The exit code is then that of everything that could not be done.
    flag::register_conditional_shutdown(SIGABRT, Exit::Failed.code().into(), Arc::new(AtomicBool::new(true)))?;
    // A limit on file sizes is then an error of the write, as a full disk is, and does not end the program.
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    // The thread comes first: a signal that is caught for a thread that is not there would be lost.
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

/// The signals that are caught.
fn caught_signals() -> Vec<i32> {
    let ignored = ignored();
    let is_free = |signal: &i32| ignored.is_some_and(|mask| !is_in(mask, *signal));
    ALWAYS.into_iter().chain(UNLESS_IGNORED.into_iter().filter(is_free)).collect()
}

/// The signals that this process ignores; `None` when it cannot be told, and then none of those is caught that may be: to be ended by a signal that was to be
/// ignored costs more than what is left behind.
fn ignored() -> Option<u64> {
    ignored_in(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Source: proc_pid_status(5). Bit `n - 1` is signal `n`.
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
            // A second signal ends it without tidying up; the next run does that.
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
    // The work was stopped and has tidied up: what it has to say is on its way, and the rest of a closed terminal's signals must not cut it off.
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

/// The same without a thread.
fn flags() -> io::Result<Flags> {
    let on = || Arc::new(AtomicBool::new(true));
    let flags = Flags { untidy: on(), at_once: on(), came: Arc::new(AtomicUsize::new(0)) };
    for signal in caught_signals() {
        // Actions run in this order: a first signal arms the end that the second brings.
        let ends = if INSIST.contains(&signal) { &flags.at_once } else { &flags.untidy };
        flag::register_conditional_shutdown(signal, exit(signal).code().into(), Arc::clone(ends))?;
        flag::register_usize(signal, Arc::clone(&flags.came), usize::try_from(signal).unwrap_or_default())?;
        flag::register(signal, Arc::clone(&flags.at_once))?;
    }
    Ok(flags)
}

/// The signal that came to stop work; 0 for none.
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

/// Does what changes how the terminal behaves, such as asking for a password. Afterwards the terminal is as before, also when a signal ends it.
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

/// A token that the first signal cancels, while a [`Cancellable`] is there.
pub fn token() -> CancellationToken {
    let token = CancellationToken::new();
    *TOLD.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(token.clone());
    // The signal may have come a moment ago.
    if stop() != 0 {
        token.cancel();
    }
    token
}

/// Does `work`, and sees to it that a signal cancels the token from [`token`] also where there is no thread to do that.
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

/// The exit code of work that was stopped, by whichever signal it was.
pub fn stopped() -> Exit {
    exit(stop())
}

/// The exit code of what Ctrl-C ended.
pub fn interrupted() -> Exit {
    exit(SIGINT)
}

/// Where no signal came, such as when the code that asks for a password met Ctrl-C itself, it was that.
fn exit(signal: i32) -> Exit {
    Exit::Signal(u8::try_from(signal).ok().filter(|signal| *signal > 0).unwrap_or(2))
}

/// Work that a signal stops rather than ends.
pub struct Cancellable<P>(P);

impl<P: Progress> Cancellable<P> {
    /// Signals stop the work from now on.
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
    fn what_is_ignored_is_read_from_the_system() {
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
