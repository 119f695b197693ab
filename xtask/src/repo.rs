//! Locates the repository, and runs other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// Names another tree to work on: the second of two builds of a release is made by the same xtask.
pub const ROOT_VARIABLE: &str = "ETCDSNAP_XTASK_ROOT";

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    if let Some(named) = std::env::var_os(ROOT_VARIABLE) {
        return named.into();
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Runs a command with its output on the terminal; an exit code other than 0 is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", described(command)))?;
    ensure!(status.success(), "{} ended with {status}", described(command));
    Ok(())
}

/// Runs a command and returns its output; an exit code other than 0 is an error that shows stderr.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} ended with {}:\n{}", described(command), output.status, stderr.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command and returns its output, even if it fails.
pub fn output(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("cannot start {}", described(command)))
}

fn described(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}
