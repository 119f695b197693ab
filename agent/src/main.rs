//! The program `etcdsnap`: arguments in, one call into the library, text and an exit code out.

mod cli;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A defect has said so on stderr by now; its exit code must not be one that means something else.
    panic::catch_unwind(cli::run).unwrap_or(cli::exit::Exit::Failed).into()
}
