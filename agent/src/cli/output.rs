//! Data to stdout, words for people to stderr; colours only on a terminal and without `NO_COLOR`.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap::printable;

use super::exit::Exit;
use super::failure::Failure;
use super::render::style::{BAD, BOLD, WARN};
use super::render::wrap;

/// Prints data. A reader that went away (a broken pipe) has all that it wanted, so that is no failure.
///
/// # Errors
/// A [`Failure`] when stdout cannot be written, such as on a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::AutoStream::auto(io::stdout().lock());
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(unwritable(&cause)),
        _ => Ok(()),
    }
}

/// Prints what is said of `result`, which is in place by now: a failure to print says so.
///
/// # Errors
/// As [`print`].
pub fn print_of(result: &str, text: &str) -> Result<(), Failure> {
    print(text).map_err(|failure| Failure {
        what: format!("{result}, but {}", failure.what),
        advice: "Only what is printed about it is not complete.".into(),
        ..failure
    })
}

/// Data that comes line by line, such as the keys of a large snapshot.
pub struct Lines {
    out: io::BufWriter<io::StdoutLock<'static>>,
    /// Whether somebody still reads.
    wanted: bool,
}

impl Lines {
    /// To stdout.
    pub fn new() -> Self {
        Self { out: io::BufWriter::with_capacity(1 << 16, io::stdout().lock()), wanted: true }
    }

    /// Whether there is a reason to go on.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// As [`print`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let outcome = self.out.write_all(bytes);
        self.told(outcome)
    }

    /// Has bytes written as they are made, for what is too long to be put together first.
    ///
    /// # Errors
    /// As [`print`].
    pub fn write_with(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let outcome = write(&mut self.out);
        self.told(outcome)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// As [`print`].
    pub fn finish(mut self) -> Result<(), Failure> {
        let outcome = self.out.flush();
        self.told(outcome)
    }

    fn told(&mut self, outcome: io::Result<()>) -> Result<(), Failure> {
        match outcome {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => self.wanted = false,
            Err(cause) => return Err(unwritable(&cause)),
            Ok(()) => {}
        }
        Ok(())
    }
}

fn unwritable(cause: &io::Error) -> Failure {
    Failure::new(format!("cannot write to standard output: {cause}"), "What was printed is not complete.")
}

/// Whether nothing may be written to stderr.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Keeps stderr as it is from now on: it is redirected to a file that must not be written. The exit code says all there is to say.
pub fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Prints words to stderr as they are. Nobody can be told when that fails.
pub fn tell(text: &str) {
    if SILENT.load(Ordering::Relaxed) {
        return;
    }
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    let _ = stderr.write_all(text.as_bytes());
}

/// Says what could not be done, and what to do about it.
pub fn complain(what: &str, advice: &str) {
    let mut text = format!("{BAD}etcdsnap:{BAD:#} {BOLD}{}{BOLD:#}\n", lines(what));
    text.push_str(&wrap("  ", "  ", &lines(advice)));
    tell(&text);
}

/// Says what a person should know while the work goes on.
pub fn warn(what: &str) {
    tell(&format!("{WARN}etcdsnap:{WARN:#} {}\n", lines(what)));
}

/// Ends with what clap says of the command line: help on stdout, or what is wrong with it on stderr.
pub fn refuse(error: &clap::Error) -> Exit {
    let plain = error.render().to_string();
    let safe = lines(&plain);
    if safe == plain {
        error.exit();
    }
    // It cites words of the command line, which may be names of files that somebody else chose.
    tell(&safe);
    Exit::Failed
}

/// Words of several lines, perhaps of a server or a file, without anything that would do something to a terminal.
fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
