//! Generates the Rust types of `proto/` from the `.proto` files with a compiler written in Rust (without `protoc`).
//!
//! The generator is a separate package, `xtask/proto`, outside the workspace, so that other builds need no protobuf compiler.

use std::process::Command;

use anyhow::Result;

use crate::repo;

/// Options of `cargo xtask proto`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing: fail if the files in the repository differ
    #[arg(long)]
    pub check: bool,
}

/// Generates or compares the types.
pub fn run(arguments: &Arguments) -> Result<()> {
    let root = repo::root();
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--locked", "--manifest-path", "xtask/proto/Cargo.toml", "--"]);
    command.args(["proto/etcd", "proto/kubernetes", "proto/src/generated"]);
    if arguments.check {
        command.arg("--check");
    }
    repo::run(command.env("CARGO_TARGET_DIR", root.join("target/proto")).current_dir(root))
}
