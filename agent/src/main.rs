//! The program `etcdsnap`: arguments in, one call into the library, text and an exit code out.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run().into()
}
