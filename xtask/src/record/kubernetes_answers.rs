//! Records the answers of a Kubernetes API server and kubectl, with a snapshot of the same moment.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kubernetes_cluster::Kubernetes;
use crate::repo;

/// How often to try to record everything without a change in between.
const TRIES: usize = 30;

/// Records the API server's answer for every object in all served versions; the first line has the common revision of all answers.
pub fn record_answers(kubernetes: &Kubernetes, to: &Path) -> Result<i64> {
    let lists = lists(kubernetes)?;
    for _ in 0..TRIES {
        let before = kubernetes.revision()?;
        let bodies = objects(kubernetes, &lists)?;
        if kubernetes.revision()? == before {
            write_compressed(to, format!("{before}\n{}", bodies.concat()).as_bytes())?;
            return Ok(before);
        }
    }
    bail!("the API server never stops writing")
}

/// Saves a snapshot of the state in `answers`; defragments the database first, so that it is small.
pub fn record_snapshot(kubernetes: &Kubernetes, answers: &Path, to: &Path) -> Result<()> {
    repo::capture(kubernetes.etcd.etcdctl(None).arg("defrag"))?;
    let file = kubernetes.path("snapshot.db");
    for _ in 0..TRIES {
        let _ = fs::remove_file(&file);
        kubernetes.etcd.save(None, &file)?;
        let saved = kubernetes.revision()?;
        if record_answers(kubernetes, answers)? == saved {
            return write_compressed(to, &fs::read(&file)?);
        }
    }
    bail!("the API server never stops writing while a snapshot is saved")
}

/// Records kubectl's output for each line of arguments: sections that begin with `$ kubectl …`, and the time in seconds since 1970.
pub fn record_kubectl<'w>(kubernetes: &Kubernetes, commands: impl IntoIterator<Item = &'w str>) -> Result<String> {
    let mut text = String::new();
    for words in commands {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let output = repo::output(kubernetes.kubectl().args(words.split(' ').map(|word| word.replace('␣', " "))))?;
        let printed = String::from_utf8(output.stdout).context("the output of kubectl is not UTF-8")?;
        text.push_str(&format!("$ kubectl {words} # {now}\n{printed}"));
        if !printed.ends_with('\n') {
            text.push_str("\\ no line break\n");
        }
    }
    Ok(text)
}

/// Writes a file compressed with Zstandard.
pub fn write_compressed(to: &Path, bytes: &[u8]) -> Result<()> {
    let compressed = zstd::encode_all(bytes, 19)?;
    fs::write(to, compressed).with_context(|| format!("cannot write {}", to.display()))
}

/// Returns the paths that list the objects of each type.
fn lists(kubernetes: &Kubernetes) -> Result<Vec<String>> {
    let mut bases = vec!["/api/v1".to_owned()];
    for group in items(&kubernetes.get("/apis")?, "groups") {
        for version in items(group, "versions") {
            let version = version["groupVersion"].as_str().context("a version without a name")?;
            bases.push(format!("/apis/{version}"));
        }
    }
    let mut lists = Vec::new();
    for base in bases {
        // An API group whose server does not exist: its APIService is one of the recorded objects.
        let answer = kubernetes.ask("GET", &base, "", "")?;
        let Ok(resources) = serde_json::from_str::<Value>(&answer.body) else { continue };
        for resource in items(&resources, "resources") {
            let name = resource["name"].as_str().unwrap_or_default();
            if items(resource, "verbs").iter().any(|verb| verb == "list") && name != "componentstatuses" {
                lists.push(format!("{base}/{name}"));
            }
        }
    }
    Ok(lists)
}

/// Returns the answers for all objects of some lists, one line each.
fn objects(kubernetes: &Kubernetes, lists: &[String]) -> Result<Vec<String>> {
    let mut bodies = Vec::new();
    for list in lists {
        let (base, resource) = list.rsplit_once('/').context("a path")?;
        for item in items(&kubernetes.get(list)?, "items") {
            let text = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
            let within = match text("namespace") {
                "" => base.to_owned(),
                namespace => format!("{base}/namespaces/{namespace}"),
            };
            let answer = kubernetes.ask("GET", &format!("{within}/{resource}/{}", escaped(text("name"))), "", "")?;
            // Deleted since the list; the revision shows it.
            if answer.status == 200 {
                bodies.push(format!("{}\n", answer.body.trim_end()));
            }
        }
    }
    Ok(bodies)
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Escapes a name, which may contain any character except a slash.
fn escaped(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
