//! Runs a program and writes its resource usage to a file: `measured FILE PROGRAM ARGUMENT…`. Ends with the program's exit code, or with 255 after a signal.
//!
//! Linux counts the peak memory of the parent at the time of the fork towards the child (exec keeps the larger of both), so a test that holds a large file cannot
//! measure the programs that it starts. This program holds next to nothing.

use std::process::{Command, ExitCode};

use wait4::Wait4;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let (Some(report), Some(program)) = (words.next(), words.next()) else { return ExitCode::from(254) };
    let mut child = Command::new(program).args(words).spawn().expect("the program starts");
    let done = child.wait4().expect("the program ends");
    let processor = done.rusage.utime + done.rusage.stime;
    std::fs::write(report, format!("{} {}", done.rusage.maxrss, processor.as_micros())).expect("a report");
    ExitCode::from(done.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}
