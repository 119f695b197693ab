//! Packs the Helm chart for `helm install`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::package_tree::{PackageTree, gzip};
use super::release::Release;

/// The chart in the repository.
const CHART: &str = "packaging/chart";

/// The folder of values for the chart's checks. `.helmignore` keeps it out of the package.
const CHECKS: &str = "ci";

/// Packs the chart, and returns the path of the package.
///
/// # Errors
/// When a file cannot be read, or the package cannot be written.
pub fn write(release: &Release) -> Result<PathBuf> {
    let mut files = PackageTree::default();
    collect(&release.source.join(CHART), "etcdsnap", &mut files)?;
    release.write(&format!("etcdsnap-chart-{}.tgz", release.version), &gzip(&files.tar(release.epoch)?)?)
}

fn collect(folder: &Path, place: &str, files: &mut PackageTree) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries.collect::<std::io::Result<Vec<_>>>()? {
        let (path, place) = (entry.path(), format!("{place}/{}", entry.file_name().to_string_lossy()));
        if entry.file_name() == CHECKS || entry.file_name() == ".helmignore" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&path, &place, files)?;
        } else {
            files.file(&place, fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_has_the_version_of_the_program() {
        let version = env!("CARGO_PKG_VERSION");
        let chart = fs::read_to_string(crate::repo::root().join(CHART).join("Chart.yaml")).unwrap();
        for line in [format!("version: {version}"), format!("appVersion: {version}")] {
            assert!(chart.lines().any(|found| found.replace('"', "") == line), "{line} is not in {chart}");
        }
    }
}
