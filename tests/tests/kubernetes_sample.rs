//! The recovery that the documents show, with the committed sample: a Deployment deleted since yesterday, and an encrypted Secret.

use std::path::Path;
use std::process::{Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::programs::tests_dir;
use serde_json::Value;

const TODAY: &str = "samples/kubernetes/today.db.zst";
const YESTERDAY: &str = "samples/kubernetes/yesterday.db.zst";
const KEYS: [&str; 2] = ["--encryption-config", "samples/kubernetes/encryption.yaml"];

fn root() -> &'static Path {
    static ROOT: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    ROOT.get_or_init(|| tests_dir().parent().expect("the repository").to_owned())
}

/// Runs the program in the repository's folder; returns its output, its messages and its exit code.
fn run(words: &[&str]) -> (String, String, Option<i32>) {
    let output =
        Command::new(cli::program()).args(words).current_dir(root()).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(output.stdout), text(output.stderr), output.status.code())
}

/// Returns the output of a command that must succeed.
fn out(words: &[&str]) -> String {
    let (out, said, code) = run(words);
    assert_eq!(code, Some(0), "{words:?}: {said}");
    out
}

fn json(words: &[&str]) -> Value {
    serde_json::from_str(&out(words)).expect("JSON")
}

#[test]
fn find_lists_yesterdays_file() {
    let said = out(&["kube", "find", "samples/kubernetes", "deploy/web", "-n", "shop"]);
    let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!((lines[1][0], lines[1][3]), (TODAY, "deleted"), "{said}");
    assert_eq!((lines[2][0], lines[2][3]), (YESTERDAY, "there"), "{said}");
}

#[test]
fn the_manifest_equals_yesterdays_deployment() {
    let manifest = out(&["kube", "manifests", YESTERDAY, "deploy/web", "-n", "shop"]);
    for line in ["kind: Deployment", "  name: web", "  namespace: shop", "  replicas: 4"] {
        assert!(manifest.lines().any(|own| own == line), "{line}: {manifest}");
    }
    assert!(manifest.contains("image: registry.example/shop/web:1.4.2"), "{manifest}");
    for absent in ["uid:", "resourceVersion:", "managedFields:", "status:", "creationTimestamp:"] {
        assert!(!manifest.contains(absent), "{absent}: {manifest}");
    }
    // The minutes before the deletion are in today's file too, with their changes.
    let deleted = json(&["kube", "get", TODAY, "deploy/web", "-n", "shop", "--deleted", "-ojson"]);
    let image = "/spec/template/spec/containers/0/image";
    assert_eq!(deleted.pointer(image).and_then(Value::as_str), Some("registry.example/shop/web:1.5.0"));
    let (nothing, said, code) = run(&["kube", "get", TODAY, "deploy/web", "-n", "shop"]);
    assert!(code != Some(0) && nothing.is_empty(), "{nothing}{said}");
}

#[test]
fn history_has_the_new_image_and_the_deletion() {
    let history = out(&["kube", "history", TODAY, "deploy/web", "-n", "shop"]);
    let image = r#"~ .spec.template.spec.containers[?(@.name=="web")].image: "registry.example/shop/web:1.4.2" → "registry.example/shop/web:1.5.0""#;
    assert!(history.contains(image), "{history}");
    // Writes of controllers in the same second have the same time.
    assert_eq!(history.matches("kubectl-set").count(), 1, "{history}");
    let last = history.lines().last().expect("a line");
    assert!(last.split_whitespace().any(|word| word == "delete"), "{history}");
}

#[test]
fn the_secret_opens_with_the_configuration_alone() {
    let secret = ["kube", "get", YESTERDAY, "secret/database", "-n", "shop", "-ojson"];
    let (closed, said, code) = run(&[&secret[..], &["--show-secrets"]].concat());
    assert_eq!(code, Some(1));
    assert!(said.contains("(secretbox:v1, key first)") && said.contains("--encryption-config"), "{said}");
    assert!(!closed.contains("dGVzdC1vbmx5"), "{closed}");
    let hidden = json(&[&secret[..], &KEYS].concat());
    assert_eq!(hidden["data"]["password"], "(hidden: --show-secrets)");
    let shown = json(&[&secret[..], &KEYS, &["--show-secrets"]].concat());
    assert_eq!((&shown["data"]["password"], &shown["data"]["user"]), (&"dGVzdC1vbmx5".into(), &"c2hvcA==".into()));
}

#[test]
fn every_value_decrypts_and_nothing_is_wrong() {
    for file in [YESTERDAY, TODAY] {
        let verified = out(&[&["verify", file][..], &KEYS].concat());
        assert!(verified.contains("sound") && verified.contains("all of them"), "{verified}");
        let (checked, said, code) = run(&[&["kube", "check", file][..], &KEYS].concat());
        assert!(code == Some(0) && checked.contains("nothing found"), "{checked}{said}");
    }
    // Without the configuration, the report names the missing key.
    let status = json(&["status", TODAY, "-wjson"]);
    assert_eq!(status["encrypted"][0]["name"], "first", "{status}");
}

#[test]
fn both_days_are_compared_object_by_object() {
    let (diff, said, code) = run(&[&["kube", "diff", YESTERDAY, TODAY, "-n", "shop"][..], &KEYS].concat());
    assert_eq!(code, Some(1), "{said}");
    let deployments = diff.split("\n\n").find(|part| part.starts_with("deployments.apps in shop"));
    assert_eq!(deployments, Some("deployments.apps in shop\n  - web"), "{diff}");
    let widgets = diff.split("\n\n").find(|part| part.starts_with("widgets.example.com in shop"));
    assert!(widgets.is_some_and(|part| part.contains("+ .metadata.labels.season: \"winter\"")), "{diff}");
    assert!(diff.contains("~ .spec.replicas: 1 → 2"), "{diff}");
    assert!(!diff.contains("secrets in shop"), "{diff}");
}

#[test]
fn events_and_custom_resources_are_listed() {
    let events = out(&["kube", "events", TODAY, "-n", "shop"]);
    assert!(events.lines().count() > 20, "{events}");
    assert!(events.contains("Deployment/web") && events.contains("ScalingReplicaSet"), "{events}");
    let widgets = out(&["kube", "get", TODAY, "widgets", "-n", "shop"]);
    let lines: Vec<Vec<&str>> = widgets.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..2], ["NAME", "SIZE"], "{widgets}");
    assert_eq!(lines[1][..2], ["banner", "3"], "{widgets}");
}

#[test]
fn the_sample_stays_small() {
    let files = std::fs::read_dir(root().join("samples/kubernetes")).expect("the sample");
    let bytes: u64 = files.map(|file| file.expect("a file").metadata().expect("its length").len()).sum();
    assert!(bytes < 300_000, "{bytes}");
}

/// Returns the commands of a document that read the sample, with the output that the document shows.
fn documented(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut is_shown = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.split("  #").next().unwrap_or_default().trim_end();
            let words = command.strip_prefix("etcdsnap ").filter(|words| words.contains("samples/kubernetes"));
            is_shown = words.is_some();
            commands.extend(words.map(|words| (words.to_owned(), Vec::new())));
        } else if line.starts_with("```") {
            is_shown = false;
        } else if let (true, Some((_, lines))) = (is_shown, commands.last_mut()) {
            lines.push(line.trim_end().to_owned());
        }
    }
    commands.retain(|(_, lines)| !lines.is_empty());
    commands
}

#[test]
fn documents_show_the_real_output() {
    let mut shown = 0;
    for name in ["README.md", "docs/kubernetes.md"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        for (command, expected) in documented(&text) {
            let (printed, said, _) = run(&command.split_whitespace().collect::<Vec<_>>());
            let mut printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            if expected.last() == Some(&"…") {
                expected.pop();
                printed.truncate(expected.len());
            }
            assert_eq!(printed, expected, "{name}: etcdsnap {command}: {said}");
            shown += 1;
        }
    }
    assert!(shown >= 4, "only {shown} commands of the documents read the sample");
}
