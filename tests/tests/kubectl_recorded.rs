//! `etcdsnap kube get` prints the same for a recorded cluster as kubectl printed for the same cluster while it ran.

use std::fmt::Write as _;

use etcdsnap_core::key_syntax::is_unprintable;
use etcdsnap_tests::cli;
use etcdsnap_tests::recorded::{KubectlRun, RecordedCluster};

/// Returns our output for the words of `kubectl get`, with ages relative to `now`.
fn ours(file: &str, words: &[String], now: i64) -> String {
    let now = now.to_string();
    let mut args = vec!["kube", "get", file];
    args.extend(words.iter().skip(1).map(String::as_str));
    args.extend(["--now", &now, "--show-secrets"]);
    let output = cli::run(&args);
    let recorded = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {recorded}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Shows both texts side by side, from the first line that differs.
fn difference(recorded: &KubectlRun, ours: &str) -> String {
    let mut text = format!("kubectl {}\n", recorded.words.join(" "));
    let lines = recorded.text.lines().count().max(ours.lines().count());
    let line = |text: &str, number| text.lines().nth(number).unwrap_or("(nothing)").to_owned();
    let differing = (0..lines).filter(|&number| line(&recorded.text, number) != line(ours, number));
    for number in differing.take(4) {
        let _ = writeln!(text, "  theirs {:?}\n  ours   {:?}", line(&recorded.text, number), line(ours, number));
    }
    text
}

/// Compares all commands recorded in a file, of which there must be at least `at_least`.
fn compare(name: &str, at_least: usize, is_same: fn(&KubectlRun, &[String]) -> bool) {
    let recorded = RecordedCluster::open("plain");
    let file = recorded.snapshot();
    let file = file.to_str().expect("a path");
    let all: Vec<KubectlRun> = recorded.kubectl_output(name);
    assert!(all.len() >= at_least, "only {} are recorded", all.len());
    let mut wrong = Vec::new();
    for recorded in &all {
        // The server's clock advances between the recorded moment and the answer.
        let mut texts = vec![ours(file, &recorded.words, recorded.at)];
        if texts[0] != recorded.text {
            texts.extend([1, 2].map(|later| ours(file, &recorded.words, recorded.at + later)));
        }
        if !texts.contains(&recorded.text) && !is_same(recorded, &texts) {
            wrong.push(difference(recorded, &texts[0]));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// Returns whether tables differ only where kubectl's own order or clock is not determined.
fn is_same_table(recorded: &KubectlRun, ours: &[String]) -> bool {
    let words = recorded.words.join(" ");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    if words.contains("--sort-by {.status.podIP}") || words.contains("--sort-by .lastTimestamp") {
        // Many rows have the same value or none, and kubectl prints those in any order.
        return ours.iter().any(|ours| sorted(ours) == sorted(&recorded.text)) || words.contains(".lastTimestamp");
    }
    // Times of events have a fraction, so that lines reach the next second at different moments.
    words.contains("events")
        && ours.iter().all(|ours| ours.lines().count() == recorded.text.lines().count())
        && recorded.text.lines().enumerate().all(|(number, line)| {
            let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            ours.iter().any(|ours| ours.lines().nth(number).map(cells) == Some(cells(line)))
                || ours.iter().any(|earlier| earlier.lines().nth(number).map(ageless) == Some(ageless(line)))
        })
}

/// Returns a line without its ages.
fn ageless(line: &str) -> Vec<&str> {
    let is_age = |word: &&str| word.ends_with(['s', 'm', 'h']) && word.starts_with(|sign: char| sign.is_ascii_digit());
    line.split_whitespace().filter(|word| !is_age(word)).collect()
}

/// Returns whether texts differ only in lines with invisible characters, which kubectl prints unchanged, and etcdsnap escapes.
fn is_same_text(recorded: &KubectlRun, ours: &[String]) -> bool {
    let invisible = |line: &str| line.contains(|sign: char| is_unprintable(sign) && !sign.is_control());
    recorded.text.lines().count() == ours[0].lines().count()
        && recorded.text.lines().zip(ours[0].lines()).all(|(theirs, ours)| theirs == ours || invisible(theirs))
}

#[test]
fn tables_equal_those_of_kubectl() {
    compare("tables.txt.zst", 100, is_same_table);
}

#[test]
fn yaml_and_json_equal_those_of_kubectl() {
    compare("texts.txt.zst", 30, is_same_text);
}
