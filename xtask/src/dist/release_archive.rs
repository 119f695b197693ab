//! Writes the archive for one processor: the program, its man pages and completions, licences and the list of libraries.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::command_documents::{CommandDocuments, Places};
use super::package_tree::{PackageTree, gzip};
use super::processor::Processor;
use super::release::Release;

const PLACES: Places = Places {
    man: "man/man1",
    completions: [
        ("bash", "completions/etcdsnap.bash"),
        ("zsh", "completions/_etcdsnap"),
        ("fish", "completions/etcdsnap.fish"),
    ],
};

/// Documents of the repository that belong into the archive, without their links to other documents.
const DOCUMENTS: [&str; 2] = ["LICENSE", "CHANGELOG.md"];

/// The files that the archives and packages for all processors share.
pub struct CommonFiles {
    /// Man pages and completions.
    pub documents: CommandDocuments,
    /// The texts of all licences.
    pub licences: String,
    /// The list of libraries.
    pub libraries: String,
}

/// Writes the archive and returns its path.
///
/// # Errors
/// When a file is missing, or the archive cannot be written.
pub fn write(release: &Release, processor: Processor, program: &Path, common: &CommonFiles) -> Result<PathBuf> {
    let name = format!("etcdsnap-{}-{}-linux", release.version, processor.name());
    let mut files = PackageTree::default();
    let place = |path: &str| format!("{name}/{path}");
    files.program(&place("etcdsnap"), read(program)?);
    for document in DOCUMENTS {
        files.file(&place(document), read(&release.source.join(document))?);
    }
    files.file(&place("THIRD-PARTY-LICENSES.txt"), common.licences.as_str());
    files.file(&place("sbom.cdx.json"), common.libraries.as_str());
    for unit in ["etcdsnap.service", "etcdsnap.cron"] {
        files.file(&place(&format!("examples/{unit}")), read(&release.source.join("docs/schedule").join(unit))?);
    }
    let mut documents = PackageTree::default();
    common.documents.add_to(&mut documents, &PLACES, |page| Ok(page.to_vec()), "")?;
    for (path, contents) in documents.files() {
        files.file(&place(path), contents);
    }
    release.write(&format!("{name}.tar.gz"), &gzip(&files.tar(release.epoch)?)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
