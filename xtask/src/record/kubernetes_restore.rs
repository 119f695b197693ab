//! Records a namespace that is deleted from a real cluster and restored from an encrypted snapshot: applies the manifests of our program, and records the server's answers afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::kubernetes_answers::{record_answers, write_compressed};
use super::kubernetes_cluster::Kubernetes;
use super::kubernetes_kubelet::run_pods;
use crate::repo;

/// How long the deletion of a namespace may take.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Deletes the namespace `shop` and the definition of its custom resource, and applies the manifests from a snapshot, with the commands that our program prints. Writes the manifests one after the other to
/// `manifests.yaml.zst`, and the server's answers afterwards to `restored.jsonl.zst`.
pub fn record_restore(kubernetes: &Kubernetes, snapshot: &Path, configuration: &Path, to: &Path) -> Result<()> {
    kubernetes.run("delete namespace shop --wait=false")?;
    let since = Instant::now();
    while kubernetes.run("get namespace shop").is_ok() {
        run_pods(kubernetes)?;
        ensure!(since.elapsed() < TIMEOUT, "the namespace is not deleted in time");
        sleep(Duration::from_millis(500));
    }
    kubernetes.run("delete customresourcedefinition widgets.example.com")?;
    let folder = kubernetes.path("manifests");
    let mut ours = Command::new("cargo");
    ours.args(["run", "--quiet", "--locked", "-p", "etcdsnap", "--", "kube", "manifests"])
        .arg(snapshot)
        .args(["-n", "shop", "--show-secrets", "--encryption-config"])
        .arg(configuration)
        .arg("-o")
        .arg(&folder)
        .current_dir(repo::root());
    repo::capture(&mut ours)?;
    let mut written = String::new();
    for part in ["crds", "objects"] {
        let part_folder = folder.join(part);
        if !part_folder.exists() {
            continue;
        }
        let mut names = fs::read_dir(&part_folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            written.push_str(&format!("# {part}/{name}\n{}", fs::read_to_string(part_folder.join(&name))?));
        }
        repo::capture(kubernetes.kubectl().args(["apply", "--server-side", "-f"]).arg(&part_folder))?;
        if part == "crds" {
            let wait = ["wait", "--for=condition=Established", "--timeout=60s", "-f"];
            repo::capture(kubernetes.kubectl().args(wait).arg(&part_folder))?;
        }
    }
    write_compressed(&to.join("manifests.yaml.zst"), written.as_bytes())?;
    // Until the controllers have reacted.
    sleep(Duration::from_secs(5));
    kubernetes.with_controllers_stopped(|| record_answers(kubernetes, &to.join("restored.jsonl.zst")).map(drop))
}
