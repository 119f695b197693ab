//! Records `tests/cases/`: real servers of every version write histories, their own `etcdctl` saves them, and the
//! reference programs say what is in the files.

mod expect;
mod scenario;
mod server;

use anyhow::{Result, ensure};

use crate::reference;

/// Options of `cargo xtask record`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only the cases of this version, such as 3.6
    #[arg(long, value_name = "VERSION")]
    only: Option<String>,
}

/// The chore.
pub fn run(arguments: &Arguments) -> Result<()> {
    // The expectations come from several versions, whichever one is recorded.
    let versions = reference::versions()?;
    for version in &versions {
        reference::ensure_version(version)?;
    }
    let history = reference::ensure_own("history")?;
    let chosen: Vec<_> =
        versions.iter().filter(|version| arguments.only.as_ref().is_none_or(|only| only == *version)).collect();
    ensure!(!chosen.is_empty(), "no such version; there are {}", versions.join(", "));
    for version in chosen {
        scenario::record_version(version, &history)?;
    }
    Ok(())
}
