//! Prints data to stdout and messages to stderr; with colours only on a terminal and if `NO_COLOR` is not set.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use etcdsnap::printable;

use super::exit::Exit;
use super::failure::Failure;
use super::message_sentence::sentence;
use super::render::style::{BAD, BOLD, WARN};
use super::render::wrap;

/// Prints data. A broken pipe is not an error: the reader has everything it wanted.
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

/// Prints information about `result`, which is complete by now: if printing fails, the error says so.
///
/// # Errors
/// As [`print`].
pub fn print_of(result: &str, text: &str) -> Result<(), Failure> {
    print(text).map_err(|failure| Failure {
        what: format!("{result}, but {}", failure.what),
        advice: "Only the printed text is incomplete.".into(),
        ..failure
    })
}

/// Prints data line by line, such as the keys of a large snapshot.
pub struct Lines {
    out: io::BufWriter<io::StdoutLock<'static>>,
    /// Whether the reader of stdout is still there.
    wanted: bool,
}

impl Lines {
    /// Creates a writer to stdout.
    pub fn new() -> Self {
        Self { out: io::BufWriter::with_capacity(1 << 16, io::stdout().lock()), wanted: true }
    }

    /// Whether the reader of stdout is still there, so that more output makes sense.
    pub fn wanted(&self) -> bool {
        self.wanted
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// As [`print`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let outcome = self.out.write_all(bytes);
        self.note_broken_pipe(outcome)
    }

    /// Lets `write` produce bytes piece by piece, for output that is too long to build first.
    ///
    /// # Errors
    /// As [`print`].
    pub fn write_with(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let outcome = write(&mut self.out);
        self.note_broken_pipe(outcome)
    }

    /// Flushes buffered bytes.
    ///
    /// # Errors
    /// As [`print`].
    pub fn finish(mut self) -> Result<(), Failure> {
        let outcome = self.out.flush();
        self.note_broken_pipe(outcome)
    }

    fn note_broken_pipe(&mut self, outcome: io::Result<()>) -> Result<(), Failure> {
        match outcome {
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => self.wanted = false,
            Err(cause) => return Err(unwritable(&cause)),
            Ok(()) => {}
        }
        Ok(())
    }
}

fn unwritable(cause: &io::Error) -> Failure {
    Failure::new(format!("cannot write to standard output: {cause}"), "The printed output is incomplete.")
}

/// Whether all output to stderr is suppressed.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Stops all output to stderr, which is redirected to a file that must not be overwritten. The user then sees only the exit code.
pub fn be_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Prints text to stderr as it is. Write errors are ignored: there is no other way to report them.
pub fn print_to_stderr(text: &str) {
    if SILENT.load(Ordering::Relaxed) {
        return;
    }
    let mut stderr = anstream::AutoStream::auto(io::stderr().lock());
    let _ = stderr.write_all(text.as_bytes());
}

/// Prints an error and the advice for it.
pub fn complain(what: &str, advice: &str) {
    let mut text = format!("{BAD}etcdsnap:{BAD:#} {BOLD}{}{BOLD:#}\n", lines(&sentence(what)));
    text.push_str(&wrap("  ", "  ", &lines(advice)));
    print_to_stderr(&text);
}

/// Prints a warning or a note; the work continues.
pub fn warn(what: &str) {
    print_to_stderr(&format!("{WARN}etcdsnap:{WARN:#} {}\n", lines(&sentence(what))));
}

/// Ends with clap's output about the command line: help on stdout, or an error on stderr in the form of other errors.
pub fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        error.exit();
    }
    // The error quotes words of the command line, such as file names that another person chose.
    let text = lines(&error.render().to_string());
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let (what, rest) = text.split_once('\n').unwrap_or((text, ""));
    print_to_stderr(&format!("{BAD}etcdsnap:{BAD:#} {BOLD}{}{BOLD:#}\n{rest}", sentence(what)));
    Exit::Failed
}

/// Escapes control characters in a text of several lines, which may come from a server or a file.
fn lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
