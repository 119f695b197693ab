//! `etcdsnap-protogen FROM TO [--check]`: compiles every `.proto` file in FROM to Rust files in TO.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (paths, check) = match arguments.split_last() {
        Some((last, paths)) if last == "--check" => (paths, true),
        _ => (&arguments[..], false),
    };
    let (from, to) = match paths {
        [from @ .., to] if !from.is_empty() => (from.iter().map(PathBuf::from).collect::<Vec<_>>(), PathBuf::from(to)),
        _ => bail!("usage: etcdsnap-protogen FROM… TO [--check]"),
    };
    let sources = from.iter().map(|from| files(from, "proto")).collect::<Result<Vec<_>>>()?.concat();
    let set = protox::compile(&sources, &from).context("cannot compile the .proto files")?;
    let made = tempfile::tempdir()?;
    tonic_prost_build::configure()
        .out_dir(made.path())
        .build_server(false)
        .build_transport(false)
        // Only the agent talks to servers; core and the page need only the messages.
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        // Pieces of a snapshot are forwarded without a copy.
        .bytes(".etcdserverpb.SnapshotResponse")
        .compile_fds(set)?;
    if !check {
        fs::create_dir_all(&to)?;
    }
    for file in files(made.path(), "rs")? {
        let target = to.join(file.file_name().unwrap_or_default());
        let text = fs::read_to_string(&file)?;
        if check {
            let there = fs::read_to_string(&target).unwrap_or_default();
            ensure!(there == text, "{} differs from its .proto file: run `cargo xtask proto`", target.display());
        } else {
            fs::write(&target, text)?;
        }
    }
    Ok(())
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}
