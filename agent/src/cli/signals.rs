//! Ctrl-C and SIGTERM.

use std::fs::File;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use etcdsnap::core::Watch;
use etcdsnap::{Progress, Stage};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::progress;

/// Whether work is under way that tidies up after itself when it is stopped.
static TIDY: AtomicBool = AtomicBool::new(false);
/// The signal that stops it; 0 for none.
static STOP: AtomicI32 = AtomicI32::new(0);
/// Who is told of it at once, beside those who ask.
static TOLD: Mutex<Option<CancellationToken>> = Mutex::new(None);
/// The terminal as it was before a question without echo.
static TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Makes both signals end the program at once. There is nothing to tidy up (temporary files have no name, and inputs are only read), except
/// while a [`Cancellable`] is there: it is stopped first.
///
/// # Errors
/// What the system says; the signals then end the program in their own way.
pub fn end_at_once() -> io::Result<()> {
    // A limit on file sizes is then an error of the write, as a full disk is, and does not end the program.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            // A second signal ends it without tidying up; the next run does that.
            if TIDY.load(Ordering::Relaxed) && STOP.swap(signal, Ordering::Relaxed) == 0 {
                if let Some(token) = &*TOLD.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) {
                    token.cancel();
                }
                continue;
            }
            progress::leave();
            restore_terminal();
            process::exit(exit(signal).code().into());
        }
    })?;
    Ok(())
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
    if STOP.load(Ordering::Relaxed) != 0 {
        token.cancel();
    }
    token
}

/// The exit code of work that was stopped, by whichever signal it was.
pub fn stopped() -> Exit {
    exit(STOP.load(Ordering::Relaxed))
}

fn exit(signal: i32) -> Exit {
    if signal == SIGTERM { Exit::Terminated } else { Exit::Interrupted }
}

/// Work that a signal stops rather than ends.
pub struct Cancellable<P>(P);

impl<P: Progress> Cancellable<P> {
    /// Signals stop the work from now on.
    pub fn new(progress: P) -> Self {
        TIDY.store(true, Ordering::Relaxed);
        Self(progress)
    }
}

impl<P: Progress> Watch for Cancellable<P> {
    fn advance(&self, bytes: u64) {
        self.0.advance(bytes);
    }

    fn cancelled(&self) -> bool {
        STOP.load(Ordering::Relaxed) != 0 || self.0.cancelled()
    }
}

impl<P: Progress> Progress for Cancellable<P> {
    fn begin(&self, stage: Stage, total: Option<u64>) {
        self.0.begin(stage, total);
    }
}

impl<P> Drop for Cancellable<P> {
    fn drop(&mut self) {
        TIDY.store(false, Ordering::Relaxed);
    }
}
