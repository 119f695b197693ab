//! Writes the Debian package: the program with man pages and completions, a hardened service with its timer, and a system user.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::command_documents::Places;
use super::package_tree::{PackageTree, gzip};
use super::processor::Processor;
use super::release::Release;
use super::release_archive::CommonFiles;
use crate::repo;

const PLACES: Places = Places {
    man: "usr/share/man/man1",
    completions: [
        ("bash", "usr/share/bash-completion/completions/etcdsnap"),
        ("zsh", "usr/share/zsh/vendor-completions/_etcdsnap"),
        ("fish", "usr/share/fish/vendor_completions.d/etcdsnap.fish"),
    ],
};

/// Files of `packaging/deb` and their places.
const FILES: [(&str, &str); 7] = [
    ("etcdsnap.service", "usr/lib/systemd/system/etcdsnap.service"),
    ("etcdsnap.timer", "usr/lib/systemd/system/etcdsnap.timer"),
    ("etcdsnap.sysusers", "usr/lib/sysusers.d/etcdsnap.conf"),
    ("etcdsnap.tmpfiles", "usr/lib/tmpfiles.d/etcdsnap.conf"),
    ("etcdsnap.default", CONFIGURATION),
    ("copyright", "usr/share/doc/etcdsnap/copyright"),
    ("lintian-overrides", "usr/share/lintian/overrides/etcdsnap"),
];

/// The file that an administrator edits: upgrades keep it.
const CONFIGURATION: &str = "etc/default/etcdsnap";

/// The folder of certificates, which only root can enter.
const CERTIFICATES: &str = "etc/etcdsnap/pki";

const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// Writes the package with Debian's own tool, and returns its path; `None` if that tool is missing.
///
/// # Errors
/// When a file is missing, or the package cannot be written.
pub fn write(release: &Release, processor: Processor, program: &Path, common: &CommonFiles) -> Result<Option<PathBuf>> {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        eprintln!("dpkg-deb is not installed: no package for Debian is made");
        return Ok(None);
    }
    let sources = release.source.join("packaging/deb");
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let version = format!("{}-1", release.version);
    let mut files = PackageTree::default();
    files.program("usr/bin/etcdsnap", read(program)?);
    for (name, place) in FILES {
        files.file(place, read(&sources.join(name))?);
    }
    files.folder(CERTIFICATES, 0o700);
    common.documents.add_to(&mut files, &PLACES, gzip, ".gz")?;
    let document = |name: &str| format!("usr/share/doc/etcdsnap/{name}.gz");
    files.file(&document("changelog"), gzip(&read(&release.source.join("CHANGELOG.md"))?)?);
    files.file(&document("changelog.Debian"), gzip(debian_changelog(release, &version).as_bytes())?);
    files.file(&document("THIRD-PARTY-LICENSES.txt"), gzip(common.licences.as_bytes())?);
    files.file(&document("sbom.cdx.json"), gzip(common.libraries.as_bytes())?);

    let work = tempfile::tempdir().context("a temporary folder")?;
    files.write_below(work.path())?;
    let sums = sums(work.path(), &files)?;
    let mut control = PackageTree::default();
    control.file("DEBIAN/control", control_text(&sources, processor, &version, &files)?);
    control.file("DEBIAN/conffiles", format!("/{CONFIGURATION}\n"));
    control.file("DEBIAN/md5sums", sums);
    for script in SCRIPTS {
        control.program(&format!("DEBIAN/{script}"), read(&sources.join(script))?);
    }
    control.write_below(work.path())?;

    let name = format!("etcdsnap_{version}_{}.deb", processor.debian());
    let package = release.output.join(&name);
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"]).arg(work.path()).arg(&package);
    // One thread: the packed bytes depend on the number of threads.
    pack.env("SOURCE_DATE_EPOCH", release.epoch.to_string()).env("DPKG_DEB_THREADS_MAX", "1");
    repo::capture(&mut pack)?;
    eprintln!("{name}: {} bytes", fs::metadata(&package)?.len());
    Ok(Some(package))
}

fn control_text(sources: &Path, processor: Processor, version: &str, files: &PackageTree) -> Result<String> {
    let text = fs::read_to_string(sources.join("control")).context("packaging/deb/control")?;
    let size: usize = files.files().map(|(_, contents)| contents.len().div_ceil(1024)).sum();
    Ok(text
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", processor.debian())
        .replace("@SIZE@", &size.to_string()))
}

fn debian_changelog(release: &Release, version: &str) -> String {
    let maintainer = "etcdsnap maintainers <maintainers@etcdsnap.example>";
    let time = &release.mail_time;
    let news = format!("  * Version {}; changelog.gz says what is new.", release.version);
    format!("etcdsnap ({version}) unstable; urgency=medium\n\n{news}\n\n -- {maintainer}  {time}\n")
}

/// Returns the MD5 sums of all files except the configuration, for dpkg's `--verify`.
fn sums(root: &Path, files: &PackageTree) -> Result<String> {
    let paths = files.files().map(|(path, _)| path).filter(|path| *path != CONFIGURATION);
    repo::capture(Command::new("md5sum").args(paths).current_dir(root))
}
