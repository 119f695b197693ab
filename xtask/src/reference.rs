//! Builds the reference programs, which `tests/reference/<version>/go.mod` pins, into `tests/reference/bin/`, and installs DuckDB there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::pinned_programs::{folder, stamp};
use crate::{duckdb, repo};

/// The programs of our own, written in Go, that the tests call: each has its module in tests/reference.
const OWN: [&str; 7] = ["history", "manifest", "gensnap", "encryption", "kmsplugin", "yaml", "jsonpath"];

/// Options of `cargo xtask reference`.
#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Only this one: a version, such as 3.7, a program of our own, such as gensnap, or duckdb
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

/// Builds the reference programs.
pub fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let wanted = |name: &str| arguments.only.as_ref().is_none_or(|only| only == name);
    let versions = versions()?;
    let names: Vec<&str> = versions.iter().map(String::as_str).chain(OWN).chain(["duckdb"]).collect();
    ensure!(names.iter().any(|name| wanted(name)), "There is no such program. Name one of: {}", names.join(", "));
    for version in versions {
        if wanted(&version) {
            ensure_version(&version)?;
        }
    }
    for name in OWN {
        if wanted(name) {
            ensure_own(name)?;
        }
    }
    if wanted("duckdb") {
        duckdb::ensure()?;
    }
    eprintln!("reference programs are ready ({:.0?})", started.elapsed());
    Ok(())
}

/// Returns the versions that the repository pins, oldest first.
pub fn versions() -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(folder()).context("cannot list tests/reference")? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(|first: char| first.is_ascii_digit()) && entry.path().join("go.mod").exists() {
            versions.push(name);
        }
    }
    versions.sort_by_key(|version| parts(version));
    Ok(versions)
}

/// Returns the path of a program of one version; build it first with [`ensure_version`].
pub fn program(version: &str, name: &str) -> PathBuf {
    folder().join("bin").join(version).join(name)
}

/// Builds one version unless it is up to date.
pub fn ensure_version(version: &str) -> Result<()> {
    let module = folder().join(version);
    let bin = folder().join("bin").join(version);
    build(version, &module, &bin, "tool")
}

/// Builds one of our own small Go programs (`gensnap`, `history`, `manifest`) and returns its path.
pub fn ensure_own(name: &str) -> Result<PathBuf> {
    let bin = folder().join("bin").join(name);
    build(name, &folder().join(name), &bin, ".")?;
    Ok(bin.join(name))
}

/// Builds Helm and our program that checks manifests, and returns their folder. It takes minutes.
pub fn ensure_helm() -> Result<PathBuf> {
    let bin = folder().join("bin/helm");
    build("helm", &folder().join("helm"), &bin, "tool .")?;
    Ok(bin)
}

/// Builds Kubernetes' own programs, which takes a quarter of an hour.
pub fn ensure_kubernetes() -> Result<()> {
    // A build from a Go module has no version number by default, but clients and servers compare their versions.
    let version = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .map(|package| format!("-X {package}.gitVersion=v1.37.2 -X {package}.gitMajor=1 -X {package}.gitMinor=37"));
    let flags = format!("-s -w {}", version.join(" "));
    build_with("apiserver", &folder().join("apiserver"), &folder().join("bin/apiserver"), "tool", &flags)
}

fn build(label: &str, module: &Path, bin: &Path, packages: &str) -> Result<()> {
    build_with(label, module, bin, packages, "-s -w")
}

fn build_with(label: &str, module: &Path, bin: &Path, packages: &str, link: &str) -> Result<()> {
    let stamp_file = bin.join("stamp");
    let stamp = stamp(module)?;
    if fs::read_to_string(&stamp_file).is_ok_and(|written| written == stamp) {
        eprintln!("{label}: up to date");
        return Ok(());
    }
    if Command::new("go").arg("version").output().is_err() {
        bail!("Building the reference programs needs Go, but `go` is not in PATH: install Go 1.26 or newer");
    }
    eprintln!("{label}: building");
    let started = Instant::now();
    fs::create_dir_all(bin)?;
    repo::run(
        Command::new("go")
            .args(["install", "-ldflags", link])
            .args(packages.split(' '))
            .current_dir(module)
            .env("GOBIN", bin)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-trimpath -buildvcs=false"),
    )
    .with_context(|| format!("cannot build the reference programs {label}"))?;
    // Since 3.5 the server's main package is in a module named `server`.
    let server = bin.join("server");
    if server.exists() {
        fs::rename(server, bin.join("etcd"))?;
    }
    fs::write(stamp_file, stamp)?;
    eprintln!("{label}: built in {:.0?}", started.elapsed());
    Ok(())
}

fn parts(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|part| part.parse().ok()).collect()
}
