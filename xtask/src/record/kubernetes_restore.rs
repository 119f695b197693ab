//! A namespace that is deleted from a real cluster and comes back from a snapshot: what our program writes is applied, and what the server then answers is recorded.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::kubernetes_answers::{packed, record_answers};
use super::kubernetes_cluster::Kubernetes;
use crate::repo;

/// How long a namespace may take to go.
const PATIENCE: Duration = Duration::from_secs(90);

/// Deletes the namespace `shop` and applies its manifests out of a snapshot. Writes them to `manifests.yaml.zst`, and to `restored.jsonl.zst` what the server answers afterwards.
pub fn record_restore(kubernetes: &Kubernetes, snapshot: &Path, to: &Path) -> Result<()> {
    // Namespaces stay as long as somebody says that there may be more in them.
    kubernetes.run("delete apiservice v1beta1.metrics.example.com")?;
    kubernetes.run("delete namespace shop --wait=false")?;
    let since = Instant::now();
    while kubernetes.run("get namespace shop").is_ok() {
        super::kubernetes_kubelet::run_pods(kubernetes)?;
        ensure!(since.elapsed() < PATIENCE, "the namespace does not go");
        sleep(Duration::from_millis(500));
    }
    let mut ours = Command::new("cargo");
    ours.args(["run", "--quiet", "--locked", "-p", "etcdsnap", "--", "kube", "manifests"])
        .arg(snapshot)
        .args(["-n", "shop", "--show-secrets"])
        .current_dir(repo::root());
    let manifests = repo::capture(&mut ours)?;
    packed(&to.join("manifests.yaml.zst"), manifests.as_bytes())?;
    let file = kubernetes.path("manifests.yaml");
    fs::write(&file, manifests)?;
    repo::capture(kubernetes.kubectl().args(["apply", "-f"]).arg(&file))?;
    sleep(Duration::from_secs(3));
    kubernetes.frozen(|| record_answers(kubernetes, &to.join("restored.jsonl.zst")).map(drop))
}
