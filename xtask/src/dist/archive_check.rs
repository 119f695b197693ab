//! Checks the archive as a person uses it: unpacks it, and runs its program in a folder in which there is nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::checksums;
use super::emulation;
use super::processor::Processor;
use super::release::Release;
use crate::{demo, repo};

/// Files that every archive has, each with a text that must be in it.
const FILES: [(&str, &str); 10] = [
    ("LICENSE", "Apache License"),
    ("CHANGELOG.md", "# Changes"),
    ("THIRD-PARTY-LICENSES.txt", "musl"),
    ("completions/etcdsnap.bash", "complete"),
    ("completions/_etcdsnap", "#compdef etcdsnap"),
    ("completions/etcdsnap.fish", "complete"),
    ("man/man1/etcdsnap.1", ".TH"),
    ("man/man1/etcdsnap-kube-get.1", ".TH"),
    ("examples/etcdsnap.service", "[Service]"),
    ("examples/etcdsnap.cron", "etcdsnap save"),
];

/// Compares the artefacts with `SHA256SUMS`, as the guide says.
///
/// # Errors
/// When one of them differs.
pub fn sums(release: &Release) -> Result<()> {
    let mut check = Command::new("sha256sum");
    let lines = repo::capture(check.args(["--check", "--strict", checksums::NAME]).current_dir(&release.output))?;
    let artefacts = checksums::files(&release.output)?.len();
    ensure!(
        lines.lines().count() == artefacts,
        "{} does not list all {artefacts} artefacts:\n{lines}",
        checksums::NAME
    );
    Ok(())
}

/// Checks the archive for a processor; another than this machine's is emulated.
///
/// # Errors
/// When the archive lacks something, or its program does not run by itself.
pub fn check(archive: &Path, processor: Processor, version: &str) -> Result<()> {
    let work = tempfile::tempdir().context("a temporary folder")?;
    repo::run(Command::new("tar").arg("-xzf").arg(archive).current_dir(work.path()))?;
    let root = work.path().join(format!("etcdsnap-{version}-{}-linux", processor.name()));
    for (name, text) in FILES {
        let contents = fs::read_to_string(root.join(name)).with_context(|| format!("the archive has no {name}"))?;
        ensure!(contents.contains(text), "{name} does not contain \"{text}\"");
    }
    libraries(&root)?;
    run_alone(&root.join("etcdsnap"), processor, version)
}

/// Compares the libraries that scanners read from the program with the list beside it.
fn libraries(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join("sbom.cdx.json")).context("the archive has no sbom.cdx.json")?;
    let list: Value = serde_json::from_str(&text).context("sbom.cdx.json")?;
    let components = list["components"].as_array().context("sbom.cdx.json has no components")?;
    let word = |component: &Value, key: &str| component[key].as_str().unwrap_or_default().to_owned();
    let listed: BTreeSet<_> =
        components.iter().map(|component| (word(component, "name"), word(component, "version"))).collect();
    let inside = auditable_info::json_from_file(&root.join("etcdsnap"), auditable_info::Limits::default())
        .context("the program has no list of its libraries")?;
    let inside: Value = serde_json::from_str(&inside).context("the program's list of libraries")?;
    let packages = inside["packages"].as_array().context("the program's list has no packages")?;
    // Those for build scripts have a kind; our own come from no registry.
    let shipped = packages.iter().filter(|package| package["kind"].is_null() && package["source"] == "crates.io");
    let shipped: BTreeSet<_> = shipped.map(|package| (word(package, "name"), word(package, "version"))).collect();
    ensure!(shipped.len() > 100, "the program lists only {} libraries", shipped.len());
    let missing: Vec<_> = shipped.difference(&listed).collect();
    ensure!(missing.is_empty(), "sbom.cdx.json lacks {missing:?}");
    eprintln!("{} libraries in the program, {} in sbom.cdx.json", shipped.len(), listed.len());
    Ok(())
}

/// Runs the program in a folder with nothing but itself and a snapshot.
fn run_alone(program: &Path, processor: Processor, version: &str) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "Only root can run a program in an empty folder.");
    let folder = tempfile::tempdir().context("a temporary folder")?;
    fs::copy(program, folder.path().join("etcdsnap"))?;
    fs::copy(repo::root().join(demo::SAMPLE), folder.path().join("sample.db"))?;
    let mut start = vec!["/etcdsnap"];
    if let Some(emulator) = emulation::emulator(processor)? {
        fs::copy(&emulator, folder.path().join("emulator"))?;
        start.insert(0, "/emulator");
    }
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("chroot");
        repo::capture(
            command.arg(folder.path()).args(&start).args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin"),
        )
    };
    let printed = inside(&["version"])?;
    ensure!(printed.contains(version), "`etcdsnap version` prints: {printed}");
    let printed = inside(&["verify", "/sample.db"])?;
    ensure!(printed.contains("sound"), "`etcdsnap verify` prints: {printed}");
    Ok(())
}
