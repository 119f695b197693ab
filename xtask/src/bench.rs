//! Measures etcdsnap beside the reference programs. It prints medians, ratios and targets; it never judges.

use anyhow::Result;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Arguments {}

/// The chore.
pub fn run(_: &Arguments) -> Result<()> {
    Ok(())
}
