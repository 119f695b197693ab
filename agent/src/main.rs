//! The program `etcdsnap`: parses arguments, calls the library once, prints text and returns an exit code.

mod cli;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic has printed its message; its exit code must not have another meaning.
    panic::catch_unwind(cli::run).unwrap_or(cli::exit::Exit::Failed).into()
}
