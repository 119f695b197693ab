//! Generates `docs/findings.md` from core's table of codes and `findings_limits.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use etcdsnap_core::{Code, Severity};

use crate::repo;

/// The section on undetectable damage, after the table of codes.
const LIMITS: &str = include_str!("findings_limits.md");

/// Writes the page.
pub fn write() -> Result<()> {
    let path = path();
    fs::write(&path, page()).with_context(|| format!("cannot write {}", path.display()))
}

/// Fails if the page differs from the table.
pub fn check() -> Result<()> {
    let there = fs::read_to_string(path()).unwrap_or_default();
    ensure!(there == page(), "docs/findings.md differs from core/src/finding_code.rs: run `cargo xtask findings`");
    Ok(())
}

fn path() -> PathBuf {
    repo::root().join("docs/findings.md")
}

fn page() -> String {
    let mut text = String::from(
        "# Findings\n\nWhat `etcdsnap verify` and the page can find, by its stable code. Made from `core/src/finding_code.rs` by `cargo xtask findings`.\n\n\
         A file is **damaged** with at least one finding of damage, has **warnings** with none but warnings, and is **sound** without any.\n",
    );
    for (severity, title) in [(Severity::Damage, "Damage"), (Severity::Warning, "Warnings")] {
        let _ = write!(text, "\n## {title}\n");
        for code in Code::ALL.iter().filter(|code| code.severity() == severity) {
            let _ = write!(text, "\n### `{code}`\n\n{}\n\n*What to do:* {}\n", code.meaning(), code.action());
        }
    }
    text.push_str(LIMITS);
    text
}
