//! Checks the image with Debian's tools, and runs its program in the unpacked image.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::processor::Processor;
use crate::{demo, install, repo};

/// Inspects the image of each processor with skopeo, unpacks the one for this machine with umoci, and runs it as the image's user.
///
/// # Errors
/// When a tool is missing, or the image is wrong.
pub fn check(image: &Path, processors: impl Iterator<Item = Processor>, version: &str) -> Result<()> {
    for tool in ["skopeo", "umoci"] {
        install::installed(&[tool], &[tool])?.with_context(|| format!("{tool} is missing: install it"))?;
    }
    let archive = format!("oci-archive:{}:{version}", image.display());
    for processor in processors {
        inspect(&archive, processor, version)?;
    }
    let Some(here) = Processor::ALL.into_iter().find(|processor| processor.is_here()) else { return Ok(()) };
    let work = tempfile::tempdir()?;
    let layout = work.path().join("layout");
    let mut copy = Command::new("skopeo");
    copy.args([
        "--override-arch",
        here.debian(),
        "copy",
        "--quiet",
        &archive,
        &format!("oci:{}:run", layout.display()),
    ]);
    repo::run(&mut copy)?;
    let bundle = work.path().join("bundle");
    repo::run(Command::new("umoci").args(["unpack", "--image", &format!("{}:run", layout.display())]).arg(&bundle))?;
    run(&bundle)
}

fn inspect(archive: &str, processor: Processor, version: &str) -> Result<()> {
    let mut inspect = Command::new("skopeo");
    inspect.args(["--override-arch", processor.debian(), "inspect", "--config", archive]);
    let config: Value = serde_json::from_str(&repo::capture(&mut inspect)?)?;
    ensure!(config["architecture"] == processor.debian(), "the image for {} is another: {config}", processor.name());
    ensure!(config["config"]["User"] == "65532:65532", "the image runs as {}", config["config"]["User"]);
    ensure!(
        config["config"]["Labels"]["org.opencontainers.image.version"] == version,
        "the image has the labels {}",
        config["config"]["Labels"]
    );
    Ok(())
}

/// Runs the entry point in the unpacked image, as its user.
fn run(bundle: &Path) -> Result<()> {
    let root = bundle.join("rootfs");
    std::fs::copy(repo::root().join(demo::SAMPLE), root.join("tmp/sample.db"))?;
    let config: Value = serde_json::from_slice(&std::fs::read(bundle.join("config.json"))?)?;
    let process = &config["process"];
    let entry = process["args"][0].as_str().context("the image has no entry point")?;
    ensure!(process["user"]["uid"] == 65532, "the image runs as {}", process["user"]);
    let mut chroot = Command::new("chroot");
    chroot.args(["--userspec=65532:65532"]).arg(&root).args([entry, "verify", "/tmp/sample.db"]);
    let printed = repo::capture(chroot.env_clear().env("PATH", "/usr/sbin:/usr/bin"))?;
    ensure!(printed.contains("sound"), "the program in the image prints: {printed}");
    Ok(())
}
