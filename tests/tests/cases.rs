//! Runs every recorded case through the library over bytes, the library over files, and the command line program: the numbers equal those of
//! etcd's own programs, the output equals theirs byte for byte, and the snapshot stays unchanged.

use std::process::ExitCode;
use std::time::SystemTime;

use etcdsnap_core::{Code, Report, Verdict};
use etcdsnap_tests::case::{self, Case};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{cli, core_verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Way = fn(&Case) -> Result<(), Failed>;

const WAYS: [(&str, Way); 5] = [
    ("bytes", bytes),
    ("file", file),
    ("command_line", command_line),
    ("snapshot_status", snapshot_status),
    ("standard_input", standard_input),
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for case in case::all() {
        for (way, run) in WAYS {
            let case = case.clone();
            trials.push(Trial::test(format!("{}::{way}", case.name), move || leaving_the_file_unchanged(&case, run)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs a check, then asserts that the snapshot is unchanged.
fn leaving_the_file_unchanged(case: &Case, run: Way) -> Result<(), Failed> {
    let modified = |case: &Case| -> std::io::Result<SystemTime> { std::fs::metadata(case.path())?.modified() };
    let before = modified(case)?;
    run(case)?;
    let digest: String = Sha256::digest(case.bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    expect("sha256 of the file", &digest, &case.about.sha256)?;
    expect("time of the last change", &modified(case)?, &before)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Failed> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}").into()) }
}

fn bytes(case: &Case) -> Result<(), Failed> {
    let bytes = case.bytes();
    expect("size", &(bytes.len() as u64), &case.about.size)?;
    let report = core_verdict::verify_all_ways(&bytes, &mut SeededRandom::new(case.about.size))?;
    check_report(case, &report)
}

fn file(case: &Case) -> Result<(), Failed> {
    let report = etcdsnap::verify(case.path(), etcdsnap::VerifyOptions::default())?;
    check_report(case, &report)?;
    let one = std::num::NonZeroUsize::new(1);
    let single = etcdsnap::verify(case.path(), etcdsnap::VerifyOptions { threads: one, ..Default::default() })?;
    expect("the report of one thread", &single, &report)?;
    let status = etcdsnap::status(case.path())?;
    expect("the status without SHA-256", &status.status, &report.status)?;
    expect("the SHA-256 computed for a status", &status.trailer.actual, &None)
}

fn check_report(case: &Case, report: &Report) -> Result<(), Failed> {
    let codes: Vec<Code> = report.findings.list().iter().map(|finding| finding.code).collect();
    let expected = expected_codes(case);
    expect("codes", &codes, &expected)?;
    expect("verdict", &report.verdict, &if expected.is_empty() { Verdict::Sound } else { Verdict::Warnings })?;
    if case.about.trailer {
        expect("the SHA-256", &report.trailer.actual, &report.trailer.expected)?;
    }
    expect("whether a trailer is there", &report.trailer.present, &case.about.trailer)?;
    let status = report.status.as_ref().ok_or("no status")?;
    let (new, old) = (case.expected_json("3.7"), case.expected_json("3.5"));
    expect("hash", &json!(status.hash), &new["hash"])?;
    expect("revision", &json!(status.revision), &new["revision"])?;
    expect("totalKey", &json!(status.total_key + case.miscounted_keys()), &new["totalKey"])?;
    expect("phantoms", &(status.phantoms > 0), &(case.miscounted_keys() > 0))?;
    expect("totalSize", &json!(status.total_size), &new["totalSize"])?;
    expect("version", &json!(status.version), &new["version"])?;
    expect("totalKey of 3.5", &json!(status.total_entries), &old["totalKey"])?;
    expect("hash of 3.5", &json!(status.hash), &old["hash"])?;
    expect("file size", &status.file_size, &case.about.size)?;
    expect("whether all was read", &status.complete, &true)
}

/// Returns the codes that a case must have, according to the server's answers when it was recorded.
fn expected_codes(case: &Case) -> Vec<Code> {
    let mut codes = Vec::new();
    if !case.about.trailer {
        codes.push(Code::TrailerMissing);
    }
    if case.directory.join("expected/alarms.json").exists() {
        for alarm in case.answer("alarms").as_array().expect("a list") {
            codes.push(match alarm["alarm"].as_str() {
                Some("NOSPACE") => Code::AlarmNospace,
                other => panic!("alarm {other:?}"),
            });
        }
    }
    if case.expected_json("3.7")["totalKey"] == json!(case.miscounted_keys()) {
        codes.push(Code::StoreEmpty);
    }
    codes
}

fn command_line(case: &Case) -> Result<(), Failed> {
    let path = case.path().to_string_lossy().into_owned();
    let report = serde_json::to_value(core_verdict::verify_by_random_access(&case.bytes()))?;
    let output = cli::run(&["verify", "-w", "json", &path]);
    expect("exit code", &output.status.code(), &Some(0))?;
    let printed = cli::json(&output);
    expect("file", &printed["file"], &json!(path))?;
    same_members(&printed, &report, &["verdict", "findings", "sha256", "status"])?;

    let strict = cli::run(&["verify", "--strict", "-w", "json", &path]);
    expect("exit code with --strict", &strict.status.code(), &Some(i32::from(!expected_codes(case).is_empty())))?;
    expect("output with --strict", &cli::json(&strict), &printed)?;

    let text = cli::run(&["verify", &path]);
    expect("exit code of text", &text.status.code(), &Some(0))?;
    let verdict = report["verdict"].as_str().unwrap_or_default();
    let text = String::from_utf8(text.stdout)?;
    expect("the verdict in the text", &text.contains(verdict), &true)?;

    let status = cli::run(&["status", "-w", "json", &path]);
    expect("exit code of status", &status.status.code(), &Some(0))?;
    let status = cli::json(&status);
    for (member, value) in report["status"].as_object().ok_or("a status")? {
        expect(&format!("status {member}"), &status[member], value)?;
    }
    for form in ["simple", "table", "fields"] {
        let output = cli::run(&["status", "-w", form, &path]);
        expect(&format!("status -w {form}"), &String::from_utf8(output.stdout)?, &case.expected("3.7", form))?;
    }
    Ok(())
}

fn same_members(printed: &Value, expected: &Value, members: &[&str]) -> Result<(), Failed> {
    members.iter().try_for_each(|member| expect(member, &printed[member], &expected[member]))
}

fn snapshot_status(case: &Case) -> Result<(), Failed> {
    let path = case.path().to_string_lossy().into_owned();
    for form in ["simple", "json", "table", "fields"] {
        let output = cli::run(&["snapshot", "status", &path, "-w", form]);
        expect("exit code", &output.status.code(), &Some(0))?;
        expect(&format!("as 3.7, {form}"), &String::from_utf8(output.stdout)?, &case.expected("3.7", form))?;
        for version in ["3.5", "3.4"] {
            let output = cli::run(&["snapshot", "status", &path, "--write-out", form, "--compat", version]);
            let expected = case.expected(version, form);
            expect(&format!("as {version}, {form}"), &String::from_utf8(output.stdout)?, &expected)?;
        }
    }
    let output = cli::run(&["snapshot", "status", &path]);
    expect("without a form", &String::from_utf8(output.stdout)?, &case.expected("3.7", "simple"))
}

fn standard_input(case: &Case) -> Result<(), Failed> {
    let bytes = case.bytes();
    let report = serde_json::to_value(core_verdict::verify_by_random_access(&bytes))?;
    let piped = cli::run_with_input(&["verify", "-w", "json", "-"], &bytes);
    expect("exit code", &piped.status.code(), &Some(0))?;
    same_members(&cli::json(&piped), &report, &["verdict", "findings", "sha256", "status"])?;
    let piped = cli::run_with_input(&["snapshot", "status", "-", "-w", "json"], &bytes);
    expect("as 3.7", &String::from_utf8(piped.stdout)?, &case.expected("3.7", "json"))?;
    let redirected = std::process::Command::new(cli::program())
        .args(["verify", "-w", "json", "-"])
        .stdin(std::fs::File::open(case.path())?)
        .output()?;
    same_members(&cli::json(&redirected), &report, &["verdict", "findings", "sha256", "status"])
}
