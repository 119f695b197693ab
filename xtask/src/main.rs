//! `cargo xtask`: the development commands of this project, one module each.

mod bench;
mod chart;
mod demo;
mod deny;
mod dist;
mod duckdb;
mod file_names;
mod findings;
mod fuzz;
mod imports;
mod install;
mod kubernetes;
mod links;
mod lint;
mod mutants;
mod page;
mod pinned_programs;
mod proto;
mod python_packages;
mod record;
mod reference;
mod repo;
mod rust_target;
mod sha256;
mod stable_paths;
mod test;
mod test_count;
mod test_programs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Development commands of etcdsnap
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show the main use on the sample: status, verify, and the page on the loopback address
    Demo(demo::Arguments),
    /// Run all tests after installing everything that they need, as CI does (needs Go, Node.js, Chromium and Firefox)
    Test(test::Arguments),
    /// Check formatting, lints, wasm32 builds, file names, imports, generated files and links of documents
    Lint,
    /// Generate the Rust types of proto/ from the .proto files
    Proto(proto::Arguments),
    /// Generate docs/findings.md from core's table of codes
    Findings,
    /// Generate core's table of Kubernetes' types from Kubernetes' Go modules (needs Go and a network)
    Kubernetes(kubernetes::Arguments),
    /// Build etcd, etcdctl, etcdutl and bbolt of every reference version (needs Go), and install DuckDB (needs Python)
    Reference(reference::Arguments),
    /// Record all test cases again: real servers write histories, reference programs describe the snapshots (needs Go)
    Record(record::Arguments),
    /// Mutate the recorded snapshots, and compare core's verdict with real servers (needs Go)
    Mutants(mutants::Arguments),
    /// Run the fuzz targets in turn, and print executions, edges and findings (needs a C++ compiler)
    Fuzz(fuzz::Arguments),
    /// Build the page into one self-contained file, web/dist/index.html (needs Node.js)
    Page(page::Arguments),
    /// Check the Helm chart and the manifests of docs/schedule (needs Go; builds Helm the first time, which takes minutes)
    Chart,
    /// Check licences and sources of libraries with cargo-deny (compiles it the first time, which takes minutes)
    Deny(deny::Arguments),
    /// Make the artefacts of a release in target/dist: archives, Debian packages, the image, the chart (needs Node.js and Python)
    Dist(dist::Arguments),
    /// Measure status and verify on large snapshots, compared with the reference programs (needs Go)
    Bench(bench::Arguments),
    /// Hash all but the last 32 bytes of a file: the reference for the speed of verify
    #[command(hide = true)]
    Sha256 {
        /// A snapshot with its trailer
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Lint => lint::run(),
        Task::Proto(arguments) => proto::run(&arguments),
        Task::Findings => findings::write(),
        Task::Kubernetes(arguments) => kubernetes::run(&arguments),
        Task::Reference(arguments) => reference::run(&arguments),
        Task::Record(arguments) => record::run(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Page(arguments) => page::run(&arguments),
        Task::Chart => chart::run(),
        Task::Deny(arguments) => deny::run(&arguments),
        Task::Dist(arguments) => dist::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Sha256 { file } => sha256::run(&file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
