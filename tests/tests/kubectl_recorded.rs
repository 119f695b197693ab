//! What `etcdsnap kube get` prints of a recorded cluster is what kubectl printed of the same cluster while it ran.

use std::fmt::Write as _;

use etcdsnap_tests::cli;
use etcdsnap_tests::recorded::{Recorded, Said};

/// What our program prints for the words of `kubectl get`, with ages that count to a time.
fn ours(file: &str, words: &[String], now: i64) -> String {
    let now = now.to_string();
    let mut args = vec!["kube", "get", file];
    args.extend(words.iter().skip(1).map(String::as_str));
    args.extend(["--now", &now, "--show-secrets"]);
    let output = cli::run(&args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Both texts beside each other, from the first line that differs.
fn difference(said: &Said, ours: &str) -> String {
    let mut text = format!("kubectl {}\n", said.words.join(" "));
    let lines = said.text.lines().count().max(ours.lines().count());
    let line = |text: &str, number| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    let differing = (0..lines).filter(|&number| line(&said.text, number) != line(ours, number));
    for number in differing.take(4) {
        let _ = writeln!(text, "  theirs {:?}\n  ours   {:?}", line(&said.text, number), line(ours, number));
    }
    text
}

/// Compares all that is recorded in a file but for what is known to differ; at least so many.
fn compare(name: &str, at_least: usize, is_known: fn(&str) -> bool) {
    let recorded = Recorded::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    let all: Vec<Said> = recorded.said(name).into_iter().filter(|said| !is_known(&said.words.join(" "))).collect();
    assert!(all.len() >= at_least, "only {} are recorded", all.len());
    let mut wrong = Vec::new();
    for said in &all {
        // The server's clock goes on between the moment that was noted and the answer.
        let first = ours(file, &said.words, said.at);
        if first != said.text && !(1..=2).any(|later| ours(file, &said.words, said.at + later) == said.text) {
            wrong.push(difference(said, &first));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

#[test]
fn tables_are_those_of_kubectl() {
    // Flags that we do not have.
    compare("tables.txt.zst", 100, |words| words.contains(" -L ") || words.contains("--show-labels"));
}

#[test]
fn yaml_and_json_are_those_of_kubectl() {
    compare("texts.txt.zst", 30, |_| false);
}
