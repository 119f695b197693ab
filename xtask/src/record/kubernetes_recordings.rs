//! Records `tests/kubernetes/`: clusters of a real Kubernetes API server, with its answers and those of kubectl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::kubernetes_answers::{record_answers, record_kubectl, record_snapshot, write_compressed};
use super::kubernetes_cluster::{Kubernetes, Process};
use super::kubernetes_kubelet::run_pods;
use super::kubernetes_restore::record_restore;
use crate::{reference, repo};

/// Flags that enable every API, without the service account controller.
const FLAGS_WITHOUT_CONTROLLERS: [&str; 2] =
    ["--disable-admission-plugins=ServiceAccount,TaintNodesByCondition", "--runtime-config=api/all=true"];

/// Flags for a server with controllers.
const FLAGS_WITH_CONTROLLERS: [&str; 2] =
    ["--disable-admission-plugins=TaintNodesByCondition", "--runtime-config=api/all=true"];

/// How long controllers may take for an action.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Records all clusters, or one of them.
pub fn record(only: Option<&str>) -> Result<()> {
    reference::ensure_version("3.6")?;
    reference::ensure_kubernetes()?;
    let wanted = |name: &str| only.is_none_or(|only| only == name);
    let mut found = false;
    for (name, provider) in ENCRYPTED {
        if wanted(name) {
            found = true;
            encrypted(name, provider).with_context(|| format!("cannot record {name}"))?;
        }
    }
    if wanted("plain") {
        found = true;
        plain().context("cannot record plain")?;
    }
    if wanted("restored") {
        found = true;
        restored().context("cannot record restored")?;
    }
    if wanted("sample") {
        found = true;
        sample().context("cannot record the sample")?;
    }
    ensure!(found, "There is no such recording.");
    Ok(())
}

fn folder() -> PathBuf {
    repo::root().join("tests/kubernetes")
}

/// Returns an empty folder for a recording.
fn fresh(name: &str) -> Result<PathBuf> {
    let folder = folder().join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The encrypted recordings, each with the provider in its EncryptionConfiguration, with a placeholder for the keys.
const ENCRYPTED: [(&str, &str); 4] =
    [("aescbc", "aescbc"), ("aesgcm", "aesgcm"), ("secretbox", "secretbox"), ("kms2", "kms")];

/// Keys used only by these recordings: one name has colons, as in k3s. AES also accepts keys of 16 bytes.
const KEYS: [(&str, &str); 2] = [
    ("first", "cmVjb3JkZWQga2V5IG51bWJlciBvbmUsIDMyIGJ5dGU="),
    ("second-2026-03-09T09:46:54+01:00", "cmVjb3JkZWQga2V5IG51bWJlciB0d28sIDMyIGJ5dGU="),
];

/// Records secrets, config maps and custom resources: unencrypted, under an older key, and under the current one; the server can read all three at the end.
fn encrypted(name: &str, provider: &str) -> Result<()> {
    let to = fresh(name)?;
    let kms = reference::ensure_own("kmsplugin")?;
    let sockets = tempfile::tempdir()?;
    let mut plugins = Vec::new();
    let mut socket = |id: &str| -> Result<String> {
        let socket = sockets.path().join(format!("{id}.sock"));
        if provider == "kms" {
            let log = sockets.path().join("log");
            plugins.push(Process::start(Command::new(&kms).arg(&socket).arg(id), &log)?);
        }
        Ok(socket.display().to_string())
    };
    let socket_of = [socket("first")?, socket("second")?];
    // The socket's folder differs between machines.
    let written = |names: &[usize], sockets: bool| -> String {
        let providers: String =
            names.iter().map(|&at| provider_of(provider, at, if sockets { &socket_of[at] } else { "" })).collect();
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources:\n  - secrets\n  - configmaps\n  - widgets.example.com\n  providers:\n{providers}  - identity: {{}}\n"
        )
    };
    let mut kubernetes = Kubernetes::start(None, &FLAGS_WITHOUT_CONTROLLERS)?;
    let config = kubernetes.path("encryption.yaml");
    kubernetes.run("create namespace shop")?;
    kubernetes.run("create namespace odd")?;
    kubernetes.run("create namespace odd-2")?;
    create(&kubernetes, "1-cluster.yaml", &["CustomResourceDefinition"])?;
    wait("the definitions' types", || Ok(kubernetes.run("get widgets").is_ok()))?;
    kubernetes.run("create secret generic plain --namespace shop --from-literal=state=plain")?;
    fs::write(&config, written(&[0], true))?;
    kubernetes.serve(Some(&config), &FLAGS_WITHOUT_CONTROLLERS)?;
    create(&kubernetes, "3-shop.yaml", &["ConfigMap", "Secret", "Widget"])?;
    fs::write(&config, written(&[1, 0], true))?;
    kubernetes.serve(Some(&config), &FLAGS_WITHOUT_CONTROLLERS)?;
    create(&kubernetes, "2-odd.yaml", &["ConfigMap", "Secret", "Widget"])?;
    kubernetes.run("label secret database --namespace shop state=second")?;
    kubernetes.run("label configmap settings --namespace shop state=second")?;
    kubernetes.run("label configmap settings --namespace shop state=third --overwrite")?;
    kubernetes.run("delete secret database --namespace shop")?;
    fs::write(to.join("encryption.yaml"), written(&[1, 0], false))?;
    record_snapshot(&kubernetes, &to.join("answers.jsonl.zst"), &to.join("snapshot.db.zst"))
}

/// Returns a provider of the configuration, by the number of its key.
fn provider_of(provider: &str, at: usize, socket: &str) -> String {
    let (name, key) = KEYS[at];
    match provider {
        "kms" => {
            let name = ["first", "second"][at];
            let socket = if socket.is_empty() { format!("/run/kms/{name}.sock") } else { socket.to_owned() };
            format!(
                "  - kms:\n      apiVersion: v2\n      name: {name}\n      endpoint: unix://{socket}\n      timeout: 3s\n"
            )
        }
        // One of them has 16 bytes.
        "aesgcm" if at == 0 => {
            format!("  - aesgcm:\n      keys:\n      - name: {name}\n        secret: cmVjb3JkZWQgMTYgYnl0ZQ==\n")
        }
        provider => format!("  - {provider}:\n      keys:\n      - name: {name}\n        secret: {key}\n"),
    }
}

/// Records every kind of object, with running controllers; older revisions; and kubectl's tables and texts.
fn plain() -> Result<()> {
    let to = fresh("plain")?;
    let mut kubernetes = Kubernetes::start(None, &FLAGS_WITH_CONTROLLERS)?;
    kubernetes.control()?;
    wait("the default service account", || Ok(kubernetes.run("get serviceaccount default").is_ok()))?;
    create(&kubernetes, "1-cluster.yaml", &[])?;
    for namespace in ["shop", "odd", "odd-2"] {
        wait("service accounts", || Ok(kubernetes.run(&format!("get serviceaccount default -n {namespace}")).is_ok()))?;
    }
    wait("the definitions' types", || Ok(kubernetes.run("get widgets,planets").is_ok()))?;
    create(&kubernetes, "4-beta.yaml", &[])?;
    create(&kubernetes, "2-odd.yaml", &[])?;
    create(&kubernetes, "3-shop.yaml", &[])?;
    wait("the shop's pods", || {
        run_pods(&kubernetes)?;
        Ok(kubernetes.run("get deployment web -n shop -o jsonpath={.status.readyReplicas}")? == "3")
    })?;
    statuses(&kubernetes)?;
    kubernetes.run("delete pod terminating -n odd --wait=false")?;
    kubernetes.run("delete configmap same-name -n odd-2 --wait=false")?;
    // This namespace is never completely deleted: the server of another API group, which might have objects in it, is missing.
    kubernetes.run("delete namespace gone --wait=false")?;
    sleep(Duration::from_secs(3));
    kubernetes.with_controllers_stopped(|| record_answers(&kubernetes, &to.join("past.jsonl.zst")).map(drop))?;

    kubernetes.run("scale deployment web -n shop --replicas=4")?;
    kubernetes.run("set image deployment/web -n shop web=registry.example/shop/web:1.5.0")?;
    kubernetes.run("patch widget big -n odd --type=merge -p {\"spec\":{\"size\":7}}")?;
    kubernetes.run("label node node-1 disk=ssd")?;
    kubernetes.run("delete job done -n odd --wait=false")?;
    wait("the shop's new pods", || {
        run_pods(&kubernetes)?;
        Ok(kubernetes
            .run("get deployment web -n shop -o jsonpath={.status.updatedReplicas}/{.status.readyReplicas}")?
            == "4/4")
    })?;
    // Ages in minutes and seconds should be compared, too.
    sleep(Duration::from_secs(5));
    kubernetes.with_controllers_stopped(|| {
        record_snapshot(&kubernetes, &to.join("answers.jsonl.zst"), &to.join("snapshot.db.zst"))?;
        let commands = repo_lines("tables.txt")?;
        write_compressed(&to.join("tables.txt.zst"), record_kubectl(&kubernetes, commands.lines())?.as_bytes())?;
        let commands = repo_lines("texts.txt")?;
        write_compressed(&to.join("texts.txt.zst"), record_kubectl(&kubernetes, commands.lines())?.as_bytes())
    })
}

/// Records a namespace that is deleted and restored from a snapshot with encrypted secrets, config maps and custom resources.
fn restored() -> Result<()> {
    let to = fresh("restored")?;
    let config = to.join("encryption.yaml");
    write_configuration(&config, &["secrets", "configmaps", "widgets.example.com"])?;
    let kubernetes = shop(&config)?;
    kubernetes.with_controllers_stopped(|| {
        record_snapshot(&kubernetes, &to.join("answers.jsonl.zst"), &to.join("snapshot.db.zst"))
    })?;
    record_restore(&kubernetes, &kubernetes.path("snapshot.db"), &config, &to)
}

/// Writes an EncryptionConfiguration with one key.
fn write_configuration(to: &Path, resources: &[&str]) -> Result<()> {
    let (name, key) = KEYS[0];
    let resources: String = resources.iter().map(|resource| format!("  - {resource}\n")).collect();
    let text = format!(
        "# Belongs to the snapshots beside it, and to nothing else.\napiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources:\n{resources}  providers:\n  - secretbox:\n      keys:\n      - name: {name}\n        secret: {key}\n  - identity: {{}}\n"
    );
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}

/// Starts a small cluster that encrypts, with the example shop, whose pods run.
fn shop(config: &Path) -> Result<Kubernetes> {
    let mut kubernetes = Kubernetes::start(Some(config), &FLAGS_WITH_CONTROLLERS[..1])?;
    kubernetes.control()?;
    create(&kubernetes, "1-cluster.yaml", &["Node", "StorageClass", "IngressClass", "CustomResourceDefinition"])?;
    kubernetes.run("create namespace shop")?;
    wait("the definitions' types", || Ok(kubernetes.run("get widgets,planets").is_ok()))?;
    wait("the service account", || Ok(kubernetes.run("get serviceaccount default -n shop").is_ok()))?;
    create(&kubernetes, "3-shop.yaml", &[])?;
    wait("the shop's pods", || is_rolled_out(&kubernetes, "3/3/3"))?;
    Ok(kubernetes)
}

/// Returns whether the controllers have processed the shop's current Deployment, and exactly so many of its pods are updated and ready.
fn is_rolled_out(kubernetes: &Kubernetes, wanted: &str) -> Result<bool> {
    run_pods(kubernetes)?;
    let counts = "{.status.updatedReplicas}/{.status.readyReplicas}/{.status.replicas} {.metadata.generation} {.status.observedGeneration}";
    let counts = format!("jsonpath={counts}");
    let output = repo::capture(kubernetes.kubectl().args(["get", "deployment", "web", "-n", "shop", "-o", &counts]))?;
    let words: Vec<&str> = output.split(' ').collect();
    Ok(
        matches!(words[..], [replicas, wanted_generation, observed] if replicas == wanted && wanted_generation == observed),
    )
}

/// Records the committed sample: a small cluster with encrypted secrets, before and after it lost a Deployment. The files stand for the backups of two days; the recording takes seconds.
fn sample() -> Result<()> {
    let to = repo::root().join("samples/kubernetes");
    fs::create_dir_all(&to)?;
    let config = to.join("encryption.yaml");
    write_configuration(&config, &["secrets"])?;
    let kubernetes = shop(&config)?;
    kubernetes.run("scale deployment web -n shop --replicas=4")?;
    wait("a fourth pod", || is_rolled_out(&kubernetes, "4/4/4"))?;
    kubernetes.with_controllers_stopped(|| save_small(&kubernetes, &to.join("yesterday.db.zst")))?;

    // An API server does this every five minutes.
    let revision = kubernetes.revision()?.to_string();
    repo::capture(kubernetes.etcd.etcdctl(None).args(["compact", &revision]))?;
    kubernetes.run("set image deployment/web -n shop web=registry.example/shop/web:1.5.0")?;
    wait("new pods", || is_rolled_out(&kubernetes, "4/4/4"))?;
    kubernetes.run("label widget banner -n shop season=winter")?;
    kubernetes.run("delete deployment web -n shop")?;
    wait("the pods are gone", || {
        run_pods(&kubernetes)?;
        Ok(kubernetes.run("get pods -n shop -l tier=web -o name")?.is_empty())
    })?;
    kubernetes.run("scale statefulset db -n shop --replicas=2")?;
    sleep(Duration::from_secs(2));
    kubernetes.with_controllers_stopped(|| save_small(&kubernetes, &to.join("today.db.zst")))
}

/// Saves a compressed snapshot of a database without free pages.
fn save_small(kubernetes: &Kubernetes, to: &Path) -> Result<()> {
    repo::capture(kubernetes.etcd.etcdctl(None).arg("defrag"))?;
    let folder = tempfile::tempdir()?;
    let saved = folder.path().join("saved.db");
    kubernetes.etcd.save(None, &saved)?;
    write_compressed(to, &fs::read(saved)?)
}

/// Reads lines of arguments for kubectl.
fn repo_lines(name: &str) -> Result<String> {
    fs::read_to_string(folder().join("input").join(name)).with_context(|| format!("no input {name}"))
}

/// Creates the objects of a file that have one of these kinds, or all; if the server refuses some, the error names all of them.
fn create(kubernetes: &Kubernetes, file: &str, kinds: &[&str]) -> Result<()> {
    let text = repo_lines(file)?;
    let of_kind =
        |object: &&str| kinds.is_empty() || kinds.iter().any(|kind| object.contains(&format!("\nkind: {kind}\n")));
    let chosen: Vec<&str> = text.split("\n---\n").filter(of_kind).collect();
    let path = kubernetes.path(file);
    fs::write(&path, chosen.join("\n---\n"))?;
    // Without validation, so that fields of newer servers and unusual numbers are accepted.
    repo::capture(kubernetes.kubectl().args(["create", "--validate=ignore", "-f"]).arg(&path)).map(drop)
}

/// Waits until a condition is true.
fn wait(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let since = Instant::now();
    while !is_so()? {
        ensure!(since.elapsed() < TIMEOUT, "{what}: not done after {TIMEOUT:?}");
        sleep(Duration::from_millis(300));
    }
    Ok(())
}

/// Sets statuses that controllers and kubelets would set.
fn statuses(kubernetes: &Kubernetes) -> Result<()> {
    let mut refused = Vec::new();
    for line in repo_lines("statuses.txt")?.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (path, status) = line.split_once(' ').context("a path and a status")?;
        let status: Value = serde_json::from_str(status).with_context(|| line.to_owned())?;
        if let Err(error) = kubernetes.patch(&format!("{path}/status"), &json!({"status": status})) {
            refused.push(error.to_string());
        }
    }
    ensure!(refused.is_empty(), "{}", refused.join("\n"));
    Ok(())
}
