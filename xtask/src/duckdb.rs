//! Installs DuckDB, with which the tests read exports: `tests/reference/duckdb/` pins its version, and `tests/reference/bin/duckdb/` is its virtual environment.

use anyhow::Result;

use crate::{pinned_programs, python_packages};

/// Installs DuckDB unless it is up to date.
pub fn ensure() -> Result<()> {
    let folder = pinned_programs::folder();
    python_packages::ensure_environment("duckdb", &folder.join("duckdb"), &folder.join("bin/duckdb"))
}
