//! Records `tests/cases/`: real servers of every version write histories, their own `etcdctl` saves them, and the
//! reference programs say what is in the files. A server started over each file once more replays its history.

mod expect;
mod replay;
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

    /// Keep the snapshots and record anew only what servers over them replay
    #[arg(long)]
    replays: bool,
}

/// The chore.
pub fn run(arguments: &Arguments) -> Result<()> {
    let record = if arguments.replays { replay::record_version } else { scenario::record_version };
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
        record(version, &history)?;
    }
    Ok(())
}
