//! `cargo xtask`: every chore of this project, one module each.

mod bench;
mod demo;
mod duckdb;
mod file_names;
mod findings;
mod fuzz;
mod imports;
mod install;
mod kubernetes;
mod lint;
mod mutants;
mod page;
mod pinned_programs;
mod proto;
mod record;
mod reference;
mod repo;
mod sha256;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Every chore of the etcdsnap project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Show the main job on the sample: status, verify, and the page on the loopback address
    Demo(demo::Arguments),
    /// Run all tests, after setting up all that they need: what CI runs (needs Go, Node.js and Chromium)
    Test(test::Arguments),
    /// Check formatting, lints, the builds for wasm32 and generated files
    Lint,
    /// Make the Rust types of proto/ from the .proto files
    Proto(proto::Arguments),
    /// Write docs/findings.md from core's table of codes
    Findings,
    /// Make core's table of Kubernetes' types from Kubernetes' Go modules (needs Go and a network)
    Kubernetes(kubernetes::Arguments),
    /// Build etcd, etcdctl, etcdutl and bbolt of every reference version (needs Go), and install DuckDB (needs Python)
    Reference(reference::Arguments),
    /// Record the cases anew: real servers write histories, reference programs say what is in them (needs Go)
    Record(record::Arguments),
    /// Change the recorded snapshots in ways that know the format, judge them, and compare what real servers make of them (needs Go)
    Mutants(mutants::Arguments),
    /// Run the fuzz targets in turn: executions, edges, and what they find (needs a C++ compiler)
    Fuzz(fuzz::Arguments),
    /// Build the page into one self-contained file, web/dist/index.html (needs Node.js)
    Page(page::Arguments),
    /// Measure status and verify on large snapshots beside the reference programs (needs Go)
    Bench(bench::Arguments),
    /// Hash all but the last 32 bytes of a file: what verify is measured against
    #[command(hide = true)]
    Sha256 {
        /// A snapshot with its trailer
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Demo(arguments) => demo::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Lint => lint::run(),
        Chore::Proto(arguments) => proto::run(&arguments),
        Chore::Findings => findings::write(),
        Chore::Kubernetes(arguments) => kubernetes::run(&arguments),
        Chore::Reference(arguments) => reference::run(&arguments),
        Chore::Record(arguments) => record::run(&arguments),
        Chore::Mutants(arguments) => mutants::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Page(arguments) => page::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Sha256 { file } => sha256::run(&file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
