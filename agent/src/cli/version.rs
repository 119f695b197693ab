//! `etcdsnap version`

use etcdsnap::core::bolt::meta;
use serde::Serialize;

use super::args::{RestoreForm, VersionArgs};
use super::exit::Exit;
use super::failure::Failure;
use super::output;

/// Versions of etcd whose snapshots can be read.
const READABLE_VERSIONS: [&str; 5] = ["3.3", "3.4", "3.5", "3.6", "3.7"];

/// Versions of etcd that snapshots can be saved from and restored for.
const SERVER_VERSIONS: [&str; 4] = ["3.4", "3.5", "3.6", "3.7"];

/// Supported compressions of a snapshot.
const COMPRESSIONS: [&str; 3] = ["gzip", "zip", "zstd"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    version: &'static str,
    reads: [&'static str; 5],
    saves: [&'static str; 4],
    restores: [&'static str; 4],
    database_format: u32,
    compressions: [&'static str; 3],
}

/// Runs the command.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &VersionArgs) -> Result<Exit, Failure> {
    let known = Version {
        version: env!("CARGO_PKG_VERSION"),
        reads: READABLE_VERSIONS,
        saves: SERVER_VERSIONS,
        restores: SERVER_VERSIONS,
        database_format: meta::VERSION,
        compressions: COMPRESSIONS,
    };
    let text = match args.write_out {
        RestoreForm::Json => etcdsnap::to_json(&known).map_err(|error| Failure::new(error.to_string(), ""))?,
        RestoreForm::Text => format!(
            "etcdsnap version: {}\nReads snapshots of etcd: {}\nSaves from and restores for etcd: {}\nDatabase format: bolt {}\nCompression: {}",
            known.version,
            READABLE_VERSIONS.join(", "),
            SERVER_VERSIONS.join(", "),
            known.database_format,
            COMPRESSIONS.join(", "),
        ),
    };
    output::print(&format!("{text}\n"))?;
    Ok(Exit::Done)
}
