//! The reference programs, etcd's and bolt's own, which `cargo xtask reference` builds into `tests/reference/bin/<version>/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns the repository's `tests` directory.
#[must_use]
pub fn tests_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns a reference program of an etcd version such as `3.7`, or `None` if it is not built.
///
/// # Panics
/// Panics if it is not built and `ETCDSNAP_REQUIRE_REFERENCE=1`, as in CI.
#[must_use]
pub fn reference(version: &str, name: &str) -> Option<PathBuf> {
    let path = tests_dir().join("reference/bin").join(version).join(name);
    if path.is_file() {
        return Some(path);
    }
    let missing = format!("reference program {version}/{name} is not built (cargo xtask reference)");
    assert!(std::env::var("ETCDSNAP_REQUIRE_REFERENCE").as_deref() != Ok("1"), "{missing}");
    eprintln!("\n*** SKIPPED: {missing} ***\n");
    None
}

/// Returns Go's module cache if it holds Kubernetes' modules of `tests/reference/kubernetes/modules.txt`.
///
/// # Panics
/// Panics as [`reference`] does.
#[must_use]
pub fn kubernetes_modules() -> Option<PathBuf> {
    let output = Command::new("go").args(["env", "GOMODCACHE"]).output().ok()?;
    let cache = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let list = std::fs::read_to_string(tests_dir().join("reference/kubernetes/modules.txt")).ok()?;
    let newest = list.lines().filter_map(|line| line.strip_prefix("k8s.io/api ")).next_back()?;
    if cache.join(format!("k8s.io/api@{newest}")).is_dir() {
        return Some(cache);
    }
    let missing = "Kubernetes' Go modules are not in the module cache (cargo xtask kubernetes --check)";
    assert!(std::env::var("ETCDSNAP_REQUIRE_REFERENCE").as_deref() != Ok("1"), "{missing}");
    eprintln!("\n*** SKIPPED: {missing} ***\n");
    None
}

/// Runs a program with an empty standard input.
///
/// # Panics
/// Panics if it cannot be started.
pub fn run(program: &Path, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).stdin(std::process::Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()))
}

/// Runs `bbolt check` on a copy of a database; returns whether it passes, and its output.
///
/// # Panics
/// Panics if no copy can be written.
#[cfg(feature = "harness")]
#[must_use]
pub fn bbolt_check(bbolt: &Path, database: &[u8]) -> (bool, String) {
    let copy = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(copy.path(), database).expect("a copy");
    // On a cycle it runs out of stack, and on a wrong size out of memory: both count as "not passed".
    let limited = "ulimit -v 8000000; exec timeout 5 \"$0\" check \"$1\"";
    let output = Command::new("sh").args(["-c", limited]).arg(bbolt).arg(copy.path()).output().expect("sh runs");
    let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.push_str(&String::from_utf8_lossy(&output.stderr));
    printed.truncate(printed.char_indices().nth(2000).map_or(printed.len(), |(at, _)| at));
    (output.status.success(), printed)
}
