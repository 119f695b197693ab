//! Shows the main use on the sample in the repository: status, verify, and the page.

use std::process::Command;

use anyhow::Result;

use crate::{page, repo};

/// The path of the sample in the repository.
pub const SAMPLE: &str = "samples/sample.db";

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Show only the terminal part, without the page (needs no Node.js)
    #[arg(long)]
    no_page: bool,
}

/// Runs the demo.
pub fn run(arguments: &Arguments) -> Result<()> {
    eprintln!("Compiling, which takes minutes the first time.");
    if !arguments.no_page {
        eprintln!("First the page, which is embedded in the program ...");
        page::build(false)?;
    }
    eprintln!("Now the program ...");
    repo::run(
        Command::new("cargo").args(["build", "--release", "--locked", "-p", "etcdsnap"]).current_dir(repo::root()),
    )?;
    show(&["status", SAMPLE])?;
    show(&["verify", SAMPLE])?;
    if arguments.no_page {
        return Ok(());
    }
    eprintln!("\nThe page comes next; \"Open the sample\" in it opens the same file. Ctrl-C ends it.");
    show(&["open"])
}

fn show(arguments: &[&str]) -> Result<()> {
    println!("\n$ etcdsnap {}", arguments.join(" "));
    repo::run(Command::new(repo::root().join("target/release/etcdsnap")).args(arguments).current_dir(repo::root()))
}
