//! The command line program under test.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Returns the path of the program: `ETCDSNAP_BIN`, or the one that cargo builds beside these tests.
///
/// # Panics
/// Panics if it cannot be built.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("ETCDSNAP_BIN") {
            return path.into();
        }
        // target/<profile>/deps/<test> → target/<profile>/etcdsnap
        let test = std::env::current_exe().expect("a test knows where it is");
        let profile = test.ancestors().nth(2).expect("a profile's directory");
        let target = profile.parent().expect("a target directory");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--package", "etcdsnap", "--bin", "etcdsnap", "--target-dir"]).arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.current_dir(crate::programs::tests_dir());
        assert!(cargo.status().expect("cargo runs").success(), "etcdsnap cannot be built");
        profile.join("etcdsnap")
    })
}

/// Runs the program with these arguments and an empty standard input.
///
/// # Panics
/// Panics if it cannot be started.
pub fn run<A: AsRef<std::ffi::OsStr>>(args: &[A]) -> Output {
    Command::new(program()).args(args).stdin(Stdio::null()).output().expect("etcdsnap runs")
}

/// Returns everything that the program printed: stdout, then stderr.
#[must_use]
pub fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// Returns a path as a command line argument.
///
/// # Panics
/// Panics if it is not UTF-8.
#[must_use]
pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path of our own is text")
}

/// Runs the program with these arguments, and writes `input` to its standard input through a pipe.
///
/// # Panics
/// Panics if it cannot be started.
pub fn run_with_input<A: AsRef<std::ffi::OsStr>>(args: &[A], input: &[u8]) -> Output {
    let mut command = Command::new(program());
    let mut child = command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("etcdsnap runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        // The program may stop reading before the end.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("etcdsnap ends")
    })
}

/// Parses the standard output as JSON.
///
/// # Panics
/// Panics if it is not JSON.
#[must_use]
pub fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        panic!("no JSON ({error}), exit {:?}\nstdout: {said}\nstderr: {complained}", output.status.code())
    })
}

/// Runs the program in a directory; returns its exit code, standard output and messages.
///
/// # Panics
/// Panics if it cannot be started.
pub fn run_in(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(program()).args(args).current_dir(folder).stdin(Stdio::null()).output();
    let output = output.expect("etcdsnap runs");
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.code().unwrap_or(-1), stdout, stderr)
}

/// Returns the messages of a run, its standard error.
#[must_use]
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the messages of a run in one line: the program wraps its lines.
#[must_use]
pub fn stderr_in_one_line(output: &Output) -> String {
    stderr(output).split_whitespace().collect::<Vec<_>>().join(" ")
}
