//! Builds the program as one static file for each processor, with the page inside.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::build_tools::{self, AUDITABLE};
use super::processor::Processor;
use super::release::Release;
use crate::{repo, rust_target, stable_paths};

/// Upper limit of the program's size in bytes, so that it fits through slow lines and on small disks.
const MAX_SIZE: u64 = 14_000_000;

/// Builds the program and returns its path. The page must have been built before.
///
/// # Errors
/// When the tools cannot be installed, or it does not compile, or it is too large.
pub fn build(release: &Release, processor: Processor) -> Result<PathBuf> {
    let page = release.source.join("web/dist/index.html");
    ensure!(page.exists(), "{} is missing: the program would have no page", page.display());
    build_tools::ensure_zig()?;
    build_tools::ensure_cargo(AUDITABLE)?;
    rust_target::ensure(processor.target())?;
    let target_folder = release.source.join("target");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["auditable", "zigbuild", "--release", "--locked", "--package", "etcdsnap"])
        .args(["--target", processor.target(), "--target-dir"])
        .arg(&target_folder)
        .current_dir(&release.source)
        .env("PATH", build_tools::search_path()?)
        .env("CARGO_ENCODED_RUSTFLAGS", stable_paths::rust_flags(&release.source)?.join("\x1f"))
        .env("CFLAGS", stable_paths::c_flags(&release.source)?)
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("SOURCE_DATE_EPOCH", release.epoch.to_string())
        .env_remove("RUSTFLAGS");
    repo::run(&mut cargo).with_context(|| format!("cannot build for {}", processor.name()))?;
    let program = target_folder.join(processor.target()).join("release/etcdsnap");
    let size = fs::metadata(&program).with_context(|| format!("no program at {}", program.display()))?.len();
    ensure!(size < MAX_SIZE, "the program for {} has {size} bytes, more than {MAX_SIZE}", processor.name());
    ensure!(has_loader(&fs::read(&program)?) == Some(false), "the program for {} is not static", processor.name());
    eprintln!("{}: {size} bytes", processor.target());
    Ok(program)
}

/// Whether a program (ELF, 64 bits, little-endian) needs a loader of dynamic libraries; `None` if it is not such a program.
///
/// ```text
/// 32  e_phoff      where the program headers begin
/// 54  e_phentsize  length of one
/// 56  e_phnum      their number
/// ```
fn has_loader(program: &[u8]) -> Option<bool> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| {
        let bytes = program.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !program.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let [start, length, count] = [number(32, 8)?, number(54, 2)?, number(56, 2)?];
    let mut kinds = (0..count).map(|index| number(usize::try_from(start + index * length).ok()?, 4));
    kinds.try_fold(false, |found, kind| Some(found || kind? == PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_program_has_a_loader() {
        assert_eq!(has_loader(b"#!/bin/sh"), None);
        let mut program = vec![0; 64 + 2 * 56];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (program[32], program[54], program[56]) = (64, 56, 2);
        assert_eq!(has_loader(&program), Some(false));
        program[64 + 56] = 3;
        assert_eq!(has_loader(&program), Some(true));
        assert_eq!(has_loader(&program[..100]), None);
    }
}
