//! Checks the Helm chart: runs Helm's own lint, and renders it with many values. The objects are decoded as strictly as a Kubernetes API server does.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{reference, repo};

/// The Kubernetes version for which the chart is rendered. A Helm that was built as a Go module has no default.
const KUBERNETES: &str = "--kube-version=1.37.0";

/// The file with all cases.
#[derive(Deserialize)]
struct Matrix {
    case: Vec<Case>,
}

/// A case: values, and the expected objects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Files of values, in the folder of the chart.
    #[serde(default)]
    files: Vec<String>,
    /// Values on top of them, as YAML.
    #[serde(default)]
    values: String,
    /// Kinds of the rendered objects, in alphabetical order.
    #[serde(default)]
    kinds: Vec<String>,
    /// Texts that the rendered objects must contain.
    #[serde(default)]
    text: Vec<String>,
    /// Part of the error message, if the chart must refuse the values.
    refused: Option<String>,
}

/// Helm, and the program that checks manifests.
struct Tools {
    helm: PathBuf,
    manifests: PathBuf,
    chart: PathBuf,
}

/// Checks the chart and the manifests in `docs/schedule`.
///
/// # Errors
/// When Helm cannot be built, or the chart is wrong.
pub fn run() -> Result<()> {
    let bin = reference::ensure_helm()?;
    let root = repo::root();
    let tools =
        Tools { helm: bin.join("helm"), manifests: bin.join("helm-manifests"), chart: root.join("packaging/chart") };
    repo::capture(tools.helm().args(["lint", "--strict", KUBERNETES]).arg(&tools.chart))?;
    let text = fs::read_to_string(tools.chart.join("ci/matrix.toml")).context("packaging/chart/ci/matrix.toml")?;
    let matrix: Matrix = toml::from_str(&text).context("packaging/chart/ci/matrix.toml")?;
    let names: BTreeSet<&str> = matrix.case.iter().map(|case| case.name.as_str()).collect();
    ensure!(names.len() == matrix.case.len(), "two cases have the same name");
    for case in &matrix.case {
        tools.check(case).with_context(|| format!("the chart with \"{}\"", case.name))?;
    }
    let base = root.join("docs/schedule");
    let kinds = repo::capture(Command::new(&tools.manifests).arg(&base)).context("docs/schedule/kustomization.yaml")?;
    ensure!(kinds.trim() == "CronJob", "docs/schedule/kustomization.yaml makes {kinds}");
    ensure!(
        tools.kinds(b"apiVersion: v1\nkind: Service\nspec: {port: 1}\n").is_err(),
        "unknown fields are not refused"
    );
    eprintln!("chart: {} cases", matrix.case.len());
    Ok(())
}

impl Tools {
    fn helm(&self) -> Command {
        let mut helm = Command::new(&self.helm);
        // Without the settings of this user, and without a cluster.
        for (variable, place) in
            [("HELM_CONFIG_HOME", "config"), ("HELM_CACHE_HOME", "cache"), ("HELM_DATA_HOME", "data")]
        {
            helm.env(variable, repo::root().join("target/helm").join(place));
        }
        helm.env("KUBECONFIG", "/dev/null");
        helm
    }

    fn check(&self, case: &Case) -> Result<()> {
        let rendered = self.render(case)?;
        let message = String::from_utf8_lossy(&rendered.stderr);
        if let Some(refused) = &case.refused {
            ensure!(!rendered.status.success(), "these values are not refused");
            ensure!(message.contains(refused), "the refusal says: {message}");
            return Ok(());
        }
        ensure!(rendered.status.success(), "{message}");
        let text = String::from_utf8_lossy(&rendered.stdout);
        for part in &case.text {
            ensure!(text.contains(part), "{part} is missing in:\n{text}");
        }
        let kinds = self.kinds(&rendered.stdout)?;
        ensure!(kinds == case.kinds, "{kinds:?} come out, not {:?}", case.kinds);
        Ok(())
    }

    fn render(&self, case: &Case) -> Result<Output> {
        let mut values = tempfile::NamedTempFile::new()?;
        values.write_all(case.values.as_bytes())?;
        let mut helm = self.helm();
        helm.args(["template", "backup", KUBERNETES]).arg(&self.chart).args(["--namespace", "etcd-backup"]);
        for file in &case.files {
            helm.arg("--values").arg(self.chart.join(file));
        }
        repo::output(helm.arg("--values").arg(values.path()))
    }

    /// Decodes objects strictly, and returns their kinds in alphabetical order.
    fn kinds(&self, text: &[u8]) -> Result<Vec<String>> {
        let mut child = Command::new(&self.manifests)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no input")?.write_all(text)?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        let mut kinds: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        kinds.sort();
        Ok(kinds)
    }
}
