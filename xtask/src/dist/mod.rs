//! Makes all artefacts of a release: archives, Debian packages, the image, the chart, the page, and their checksums.

mod archive_check;
mod bill_of_materials;
pub mod build_tools;
mod chart_package;
mod checksums;
mod command_documents;
pub mod crate_packages;
mod deb_check;
mod deb_package;
mod debian_root;
mod emulation;
mod image_check;
mod image_layout;
mod package_tree;
mod processor;
mod release;
mod release_archive;
mod reproducible;
mod static_binary;
mod third_party;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use command_documents::CommandDocuments;
use crate_packages::Depth;
use processor::Processor;
use release::Release;
use release_archive::CommonFiles;

use crate::{chart, page, repo};

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only for this processor; without it, for both
    #[arg(long, value_name = "PROCESSOR")]
    only: Option<Processor>,
    /// Then build everything again in another folder, and compare both builds byte by byte
    #[arg(long)]
    check_reproducible: bool,
    /// Then check what was made: the programs alone and emulated, lintian, an installation into clean systems, the image, the chart, the packages for crates.io (as root on Debian)
    #[arg(long)]
    check: bool,
}

/// Makes the artefacts in `target/dist`.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.only.is_none_or(Processor::is_here),
        "Man pages and completions come from a program that runs on this machine: name its processor, or none."
    );
    let release = Release::of(&repo::root())?;
    for old in checksums::files(&release.output)? {
        fs::remove_file(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    step("page");
    let page = fs::read(page::build(false)?)?;
    release.write(&format!("etcdsnap-{}-page.html", release.version), &page)?;

    let processors =
        Processor::ALL.into_iter().filter(|processor| arguments.only.is_none_or(|only| only == *processor));
    let mut programs: Vec<(Processor, PathBuf)> = Vec::new();
    for processor in processors {
        step(processor.target());
        programs.push((processor, static_binary::build(&release, processor)?));
    }

    step("packages");
    let common = common_files(&release, &programs)?;
    release.write(&format!("etcdsnap-{}-sbom.cdx.json", release.version), common.libraries.as_bytes())?;
    let mut archives = Vec::new();
    let mut packages = Vec::new();
    for (processor, program) in &programs {
        archives.push((*processor, release_archive::write(&release, *processor, program, &common)?));
        if let Some(package) = deb_package::write(&release, *processor, program, &common)? {
            packages.push((*processor, package));
        }
    }
    let image = image_layout::write(&release, &programs, &common)?;
    chart_package::write(&release)?;
    checksums::write(&release.output)?;

    if arguments.check {
        archive_check::sums(&release)?;
        for (processor, archive) in &archives {
            step(&format!("check of {}", archive.display()));
            archive_check::check(archive, *processor, release.version)?;
        }
        for (processor, program) in &programs {
            emulation::recorded_cases(program, *processor)?;
        }
        for (processor, package) in &packages {
            step(&format!("check of {}", package.display()));
            if processor.is_here() { deb_check::check(package)? } else { deb_check::lintian(package)? }
        }
        step("check of the image");
        image_check::check(&image, programs.iter().map(|(processor, _)| *processor), release.version)?;
        step("check of the chart");
        chart::run()?;
        step("check of the packages for crates.io");
        crate_packages::check(Depth::Compiled)?;
    }
    if arguments.check_reproducible {
        step("second build");
        let only = arguments.only.map(|processor| format!("--only={}", processor.name()));
        reproducible::check(&release, &only.into_iter().collect::<Vec<_>>())?;
    }
    println!("{}", release.output.display());
    Ok(())
}

/// Collects the files that the program prints, and the facts about its libraries.
fn common_files(release: &Release, programs: &[(Processor, PathBuf)]) -> Result<CommonFiles> {
    let here = programs.iter().find(|(processor, _)| processor.is_here());
    let (_, program) = here.context("man pages need a program that runs on this machine: build for it as well")?;
    let libraries = third_party::libraries(&release.source)?;
    ensure!(libraries.len() > 100, "only {} libraries", libraries.len());
    let own = format!(
        "Copyright: the authors of etcdsnap. Licence: Apache-2.0 (LICENSE).\n\nThe program contains {} libraries; their licences follow.\n",
        libraries.len()
    );
    Ok(CommonFiles {
        documents: CommandDocuments::of(program)?,
        licences: third_party::licences(&libraries, &own)?,
        libraries: bill_of_materials::document(&release.source, &libraries, release.version, &release.time)?,
    })
}

fn step(name: &str) {
    eprintln!("\n── {name}");
}
