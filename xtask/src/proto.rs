//! The Rust types of `proto/`, made from the `.proto` files by a compiler in Rust (no `protoc` is needed).
//!
//! It is a package of its own, `xtask/proto`, outside the workspace: nobody else should have to compile a protobuf compiler.

use std::process::Command;

use anyhow::Result;

use crate::repo;

/// Options of `cargo xtask proto`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing: fail when the files in the repository differ
    #[arg(long)]
    pub check: bool,
}

/// The chore.
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
