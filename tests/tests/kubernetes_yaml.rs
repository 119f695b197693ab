//! YAML is written as kubectl's own library writes it, and reads back to the original value.
//!
//! `tests/reference/yaml` answers with the output of `sigs.k8s.io/yaml` for each value; the test also runs Python's reader where it is installed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use etcdsnap_core::key_syntax::is_unprintable;
use etcdsnap_core::kubernetes::json::JsonText;
use etcdsnap_core::kubernetes::object_tree::Builder;
use etcdsnap_core::kubernetes::raw_json;
use etcdsnap_core::kubernetes::yaml::to_yaml;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::seeded_random::SeededRandom;
use serde_json::{Map, Value, json};

/// Texts that YAML could mistake for something else.
const TRAPS: &[&str] = &[
    "",
    " ",
    "y",
    "Y",
    "yes",
    "n",
    "No",
    "on",
    "OFF",
    "true",
    "False",
    "null",
    "~",
    "Null",
    "<<",
    "=",
    "-",
    "--",
    "---",
    "- a",
    "?",
    "? a",
    ":",
    "a:",
    "a: b",
    "a:b",
    "#",
    "a #b",
    "a#b",
    "&a",
    "*a",
    "!a",
    "|",
    "> a",
    "%a",
    "@a",
    "`a`",
    "'a'",
    "\"a\"",
    "[",
    "]",
    "{a}",
    "a,b",
    ",a",
    "0",
    "-0",
    "+1",
    "1_000",
    "0x1f",
    "0o17",
    "017",
    "08",
    "0b101",
    "1e3",
    "1E+3",
    "1.",
    ".5",
    "+.5",
    "1.5e",
    "1e400",
    "12345678901234567890",
    "99999999999999999999",
    "-9223372036854775809",
    "1:30",
    "1:60",
    "190:20:30.5",
    "-1:30",
    "2001-01-01",
    "2001-1-1",
    "2001-02-30",
    "2001-01-01T00:00:00Z",
    "2001-01-01 00:00:00",
    "2001-01-01t1:2:3.5+01:00",
    "20010101",
    ".inf",
    "-.INF",
    ".NaN",
    ".",
    "..",
    "...",
    "... a",
    "a\n",
    "a\nb",
    "\n",
    "\n\n",
    "\na",
    " a\nb",
    "a\n\n",
    "a\n\nb\n",
    "a \nb",
    "a\n b",
    "a\n ",
    "\ta",
    "a\tb\nc",
    "a\r\nb",
    "\r",
    " a",
    "a ",
    "a  b",
    "é",
    "日本",
    "\u{1f600}",
    "\u{85}",
    "a\u{a0}b",
    "\u{7f}",
    "\u{0}",
    "\u{1b}[31m",
    "\\",
    "a\\nb",
    "\u{feff}a",
    "\u{d7ff}",
    "\u{e000}",
    "\u{fffd}",
    "\u{2028}",
    "a\u{2029}b",
    "\u{202e}x",
    "x\u{200b}",
    "8Gi",
    "100m",
    "1.2.3.4",
    "v1",
    "k:{\"a\":1}",
    "f:metadata",
    ".",
    "kubectl.kubernetes.io/last-applied",
    "a line that is longer than eighty columns so that it is folded at a blank, and then goes on for a while, again beyond the next eighty columns",
    "'a line that is longer than eighty columns so that it is folded at a blank, and then it's in single quotes",
    "\u{1b}a line that is longer than eighty columns so that it is folded at a blank  with two blanks, and then goes on for a while, again beyond",
    "a-line-without-a-blank-that-is-longer-than-eighty-columns-and-cannot-be-folded-anywhere-at-all-because-there-is-none",
];

fn text(rng: &mut SeededRandom) -> String {
    match rng.below(10) {
        0..7 => (*rng.pick(TRAPS)).to_owned(),
        7 => (0..rng.below(4)).map(|_| *rng.pick(TRAPS)).collect::<Vec<_>>().join(" "),
        8 => (0..rng.below(30))
            .map(|_| *rng.pick(&['a', 'Z', '0', '9', '.', '-', '_', ' ', '\n', ':', '#', '\'', '"', 'é', '/']))
            .collect(),
        _ => (0..rng.below(12))
            .map(|_| *rng.pick(&['é', 'Ж', 'λ', 'ß', '日', '本', '\u{1}', '\u{9f}', '€', '\u{fffe}']))
            .collect(),
    }
}

fn value(rng: &mut SeededRandom, depth: usize) -> Value {
    match rng.below(if depth == 0 { 6 } else { 10 }) {
        0 => Value::Null,
        1 => rng.chance(50).into(),
        2 => (rng.bits() as i64 >> rng.below(64)).into(),
        3 => json!(
            f64::from(rng.below(2_000_000) as u32) / f64::from([1, 3, 8, 1000][rng.below(4)])
                * 10f64.powi(rng.between(0, 25) as i32 - 20)
        ),
        4 | 5 => text(rng).into(),
        6 | 7 => (0..rng.below(5)).map(|_| value(rng, depth - 1)).collect::<Vec<_>>().into(),
        _ => {
            let mut members = Map::new();
            for _ in 0..rng.below(6) {
                let mut key = text(rng);
                if rng.chance(10) {
                    key = key.repeat(20);
                }
                members.insert(key, value(rng, depth - 1));
            }
            members.into()
        }
    }
}

fn ours(json: &str) -> String {
    let mut builder = Builder::default();
    raw_json::read(json.as_bytes(), &mut builder).expect("JSON");
    to_yaml(&builder.finish())
}

/// Returns a value as the API server sends it to kubectl: floats without a fraction become integers.
fn served(json: &str) -> String {
    let mut builder = Builder::default();
    raw_json::read(json.as_bytes(), &mut builder).expect("JSON");
    let mut text = JsonText::default();
    builder.finish().print(&mut text);
    String::from_utf8(text.finish()).expect("JSON is text")
}

/// Returns a program's answers to lines.
fn answers(program: &mut Command, lines: &[String]) -> Vec<String> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    let text = lines.join("\n") + "\n";
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it reads");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

fn values() -> Vec<Value> {
    let mut rng = SeededRandom::new(17);
    let mut values: Vec<Value> =
        TRAPS.iter().map(|text| json!({ "a": text, "list": [text, [text]], "in": { "b": text } })).collect();
    values.extend(TRAPS.iter().map(|text| json!({ *text: text })));
    values.extend((0..4000).map(|_| json!({ "value": value(&mut rng, 4) })));
    values
}

/// Compares numbers as floats if one of them is a float: readers of YAML do not distinguish 1e5 from 100000.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Returns whether a value contains a text that only etcdsnap quotes or escapes. kubectl's library writes multi-line keys, which Kubernetes does not have, after `? |`.
fn is_ours_alone(value: &Value) -> bool {
    let text = |text: &str| {
        let odd = |sign: char| matches!(sign, '\u{7f}' | '\u{85}') || is_unprintable(sign) && !sign.is_control();
        matches!(text, "<<" | "=" | "2001-02-30") || text.contains(odd)
    };
    match value {
        Value::String(value) => text(value),
        Value::Array(items) => items.iter().any(is_ours_alone),
        Value::Object(members) => members.iter().any(|(key, value)| {
            key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) || text(key) || is_ours_alone(value)
        }),
        _ => false,
    }
}

#[test]
fn yaml_is_that_of_kubectl_and_reads_back() {
    let Some(program) = reference("yaml", "yaml") else { return };
    let values = values();
    let yaml: Vec<String> = values.iter().map(|value| ours(&value.to_string())).collect();
    let lines: Vec<String> = values
        .iter()
        .zip(&yaml)
        .map(|(value, yaml)| json!({ "json": served(&value.to_string()), "yaml": yaml }).to_string())
        .collect();
    let answers = answers(&mut Command::new(program), &lines);
    assert_eq!(answers.len(), values.len());
    let mut compared = 0;
    for ((value, yaml), answer) in values.iter().zip(&yaml).zip(&answers) {
        let answer: Value = serde_json::from_str(answer).expect("an answer");
        let read: Value = serde_json::from_str(answer["json"].as_str().unwrap_or_default()).unwrap_or_default();
        assert!(same(&read, value), "{value}\nreads back as {read}: {answer}\nfrom\n{yaml}");
        // The library cannot write some characters that it can read.
        if !is_ours_alone(value) && answer["yaml"] != "" {
            compared += 1;
            assert_eq!(Some(yaml.as_str()), answer["yaml"].as_str(), "{value}");
        }
    }
    assert!(compared > 2000, "{compared}");
}

#[test]
fn python_reads_the_same() {
    let script = "import json,sys,yaml\nfor line in sys.stdin: print(json.dumps(yaml.safe_load(json.loads(line))))";
    let python = Path::new("python3");
    let there = Command::new(python).args(["-c", "import yaml"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return eprintln!("\n*** SKIPPED: python3 has no module yaml ***\n");
    }
    let values = values();
    let lines: Vec<String> = values.iter().map(|value| json!(ours(&value.to_string())).to_string()).collect();
    for (value, answer) in values.iter().zip(answers(Command::new(python).args(["-c", script]), &lines)) {
        let read: Value = serde_json::from_str(&answer).unwrap_or_default();
        assert!(same(&read, value), "{value}\nreads back as {answer}\nfrom\n{}", ours(&value.to_string()));
    }
}
