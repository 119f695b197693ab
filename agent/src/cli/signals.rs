//! Ctrl-C and SIGTERM.

use std::io;
use std::process;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::exit::Exit;
use super::progress;

/// Makes both signals end the program at once. There is nothing to tidy up: temporary files have no name, and inputs are only read.
///
/// # Errors
/// What the system says; the signals then end the program in their own way.
pub fn end_at_once() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            progress::leave();
            let exit = if signal == SIGINT { Exit::Interrupted } else { Exit::Terminated };
            process::exit(exit.code().into());
        }
    })?;
    Ok(())
}
