//! Every damage is found, by its code and at its location: by random access, as a stream, and by the command line program.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use etcdsnap_core::{Code, PageId, Report, Severity, Verdict};
use etcdsnap_tests::damage::{self, Damage, Damaged, GoodSnapshot, Trailer};
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::{cli, core_verdict};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let bases = Arc::new(damage::bases());
    let mut trials: Vec<Trial> = damage::all()
        .into_iter()
        .map(|damage| {
            let bases = Arc::clone(&bases);
            Trial::test(damage.name, move || bases.iter().try_for_each(|base| assert_found(&damage, base)))
        })
        .collect();
    for healthy in damage::healthy() {
        let bases = Arc::clone(&bases);
        trials
            .push(Trial::test(healthy.name, move || bases.iter().try_for_each(|base| assert_healthy(&healthy, base))));
    }
    let all = Arc::clone(&bases);
    trials.push(Trial::test("good_files_have_no_finding", move || all.iter().try_for_each(assert_sound)));
    let all = Arc::clone(&bases);
    trials.push(Trial::test("every_code_has_its_damage", move || assert_every_code_is_found(&all)));
    trials.push(Trial::test("nothing_else_is_found", move || assert_recorded_findings(&bases)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn assert_found(damage: &Damage, base: &GoodSnapshot) -> Result<(), Failed> {
    for damaged in damage.apply(&base.snapshot) {
        let case = format!("{} of {}, {:?} trailer", damage.name, base.name, damaged.trailer);
        verify_one(damage, &damaged).map_err(|reason| format!("{case}: {reason}"))?;
    }
    Ok(())
}

fn verify_one(damage: &Damage, damaged: &Damaged) -> Result<(), String> {
    let before = damaged.file.clone();
    let mut rng = SeededRandom::new(damaged.file.len() as u64);
    let report = core_verdict::verify_all_ways(&damaged.file, &mut rng)?;
    if damaged.file != before {
        return Err("the bytes were changed".into());
    }
    let codes = codes(&report);
    if !damage.expect.iter().any(|code| codes.contains(code)) {
        return Err(format!("expected one of {:?}, found {}", damage.expect, listed(&report)));
    }
    assert_trailer_findings(damaged, &codes)?;
    assert_verdict(&report)?;
    assert_location(damage, damaged, &report)?;
    assert_command_line_agrees(damaged, &report)
}

/// Codes of files in which the position of the trailer is unknown.
const UNKNOWN_TRAILER: [&str; 3] = ["not-a-snapshot", "no-valid-meta", "file-truncated"];

/// Asserts that a mismatch of the SHA-256 is reported if the file still has the old trailer, and not if it has a correct one.
fn assert_trailer_findings(damaged: &Damaged, codes: &BTreeSet<&str>) -> Result<(), String> {
    let mismatch = codes.contains("sha256-mismatch");
    match damaged.trailer {
        Trailer::Old if !mismatch && !UNKNOWN_TRAILER.iter().any(|code| codes.contains(code)) => {
            Err(format!("no sha256-mismatch in {codes:?}"))
        }
        Trailer::Right if mismatch => Err(format!("a right trailer is called wrong: {codes:?}")),
        _ => Ok(()),
    }
}

fn assert_verdict(report: &Report) -> Result<(), String> {
    let worst = report.findings.list().iter().map(|finding| finding.code.severity()).max();
    let verdict = match worst {
        Some(Severity::Damage) => Verdict::Damaged,
        Some(Severity::Warning) => Verdict::Warnings,
        None => Verdict::Sound,
    };
    (report.verdict == verdict).then_some(()).ok_or_else(|| format!("verdict {:?}, not {verdict:?}", report.verdict))
}

/// Asserts that a finding with an expected code names a damaged page, and that its offset lies in that page.
fn assert_location(damage: &Damage, damaged: &Damaged, report: &Report) -> Result<(), String> {
    let findings = report.findings.list().iter().filter(|finding| damage.expect.contains(&finding.code.as_str()));
    for finding in findings.clone() {
        if let (Some(page), Some(offset)) = (finding.page, finding.offset) {
            let page_of_offset = PageId::new(offset.get() / damaged.page_size as u64);
            let known = finding.code != Code::PageSizeMismatch && page_of_offset < page;
            if known {
                return Err(format!("offset {offset} lies before page {page}: {}", finding.message));
            }
        }
    }
    let named = |page: PageId| damaged.pages.is_empty() || damaged.pages.contains(&page.get());
    if damaged.pages.is_empty() || findings.clone().any(|finding| finding.page.is_some_and(named)) {
        return Ok(());
    }
    Err(format!("no finding names one of the pages {:?}: {}", damaged.pages, listed(report)))
}

/// Asserts that the program reports the same, ends with the right code, and leaves the file unchanged.
fn assert_command_line_agrees(damaged: &Damaged, report: &Report) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    file.write_all(&damaged.file).map_err(|error| error.to_string())?;
    let path = file.path().to_string_lossy().into_owned();
    let output = cli::run(&["verify", "-w", "json", &path]);
    let exit = if report.verdict == Verdict::Damaged { 1 } else { 0 };
    if output.status.code() != Some(exit) {
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the program ended with {:?}, not {exit}: {complained}", output.status));
    }
    let printed = cli::json(&output);
    if is_compressed(&damaged.file) {
        // The program verifies the unpacked contents.
        let code = &printed["findings"][0]["code"];
        return if code == "not-a-snapshot" { Ok(()) } else { Err(format!("the program found {code}")) };
    }
    let expected = serde_json::to_value(report).map_err(|error| error.to_string())?;
    for member in ["verdict", "findings", "sha256", "status"] {
        if printed[member] != expected[member] {
            return Err(format!("the program's {member}: {}\nthe library's: {}", printed[member], expected[member]));
        }
    }
    let after = std::fs::read(file.path()).map_err(|error| error.to_string())?;
    (after == damaged.file).then_some(()).ok_or_else(|| "the program changed the file".to_owned())
}

fn is_compressed(file: &[u8]) -> bool {
    [&b"\x1F\x8B"[..], b"PK\x03\x04", b"\x28\xB5\x2F\xFD"].iter().any(|magic| file.starts_with(magic))
}

fn assert_sound(base: &GoodSnapshot) -> Result<(), Failed> {
    let report = core_verdict::verify_all_ways(&base.snapshot, &mut SeededRandom::new(1))?;
    if report.verdict == Verdict::Sound { Ok(()) } else { Err(format!("{}: {}", base.name, listed(&report)).into()) }
}

/// Asserts that a file is sound after a change that healthy clusters have too.
fn assert_healthy(change: &Damage, base: &GoodSnapshot) -> Result<(), Failed> {
    for changed in change.apply(&base.snapshot).into_iter().filter(|changed| changed.trailer == Trailer::Right) {
        assert_sound(&GoodSnapshot { name: format!("{} of {}", change.name, base.name), snapshot: changed.file })?;
    }
    Ok(())
}

/// Asserts that every code is the first expected code of some damage, and that it is found in files with that damage. Codes of data directories and of encryption have their own tests (`data_dir.rs`, `encryption.rs`).
fn assert_every_code_is_found(bases: &[GoodSnapshot]) -> Result<(), Failed> {
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for damage in damage::all() {
        for base in bases {
            for damaged in damage.apply(&base.snapshot) {
                found.extend(
                    codes(&core_verdict::verify_by_random_access(&damaged.file))
                        .into_iter()
                        .filter(|code| *code == damage.expect[0]),
                );
            }
        }
    }
    let of_files = Code::ALL.iter().filter(|code| !code.is_about_directory() && !code.is_about_encryption());
    let missing: Vec<&str> = of_files.map(|code| code.as_str()).filter(|code| !found.contains(code)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no damage is found by {missing:?}").into()) }
}

/// All codes found in each damaged file; those in parentheses are consequences of others.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/damage-findings.txt");

/// Asserts that the codes are exactly the recorded ones: an extra code fails as a missing one does. With `ETCDSNAP_RECORD=1` in the environment
/// the test writes the file again, so that a person can review its diff.
fn assert_recorded_findings(bases: &[GoodSnapshot]) -> Result<(), Failed> {
    let mut lines = String::new();
    for damage in damage::all() {
        for base in bases {
            let damaged = damage.apply(&base.snapshot).into_iter().find(|damaged| damaged.trailer != Trailer::Old);
            let Some(damaged) = damaged else { continue };
            let report = core_verdict::verify_by_random_access(&damaged.file);
            let found = report.findings.counts().keys().map(|code| {
                let cause = report.findings.cause(*code);
                if cause == *code { code.to_string() } else { format!("({code})") }
            });
            let found: Vec<String> = found.collect();
            lines.push_str(&format!("{} of {}: {}\n", damage.name, base.name, found.join(" ")));
        }
    }
    if std::env::var_os("ETCDSNAP_RECORD").is_some() {
        return std::fs::write(RECORDED, lines).map_err(|error| format!("{RECORDED}: {error}").into());
    }
    let recorded = std::fs::read_to_string(RECORDED).map_err(|error| format!("{RECORDED}: {error}"))?;
    let (now, then): (BTreeSet<&str>, BTreeSet<&str>) = (lines.lines().collect(), recorded.lines().collect());
    let mut unlike: Vec<String> = then.difference(&now).map(|line| format!("\n- {line}")).collect();
    unlike.extend(now.difference(&then).map(|line| format!("\n+ {line}")));
    if unlike.is_empty() { Ok(()) } else { Err(format!("other findings than recorded:{}", unlike.concat()).into()) }
}

fn codes(report: &Report) -> BTreeSet<&'static str> {
    report.findings.counts().keys().map(|code| code.as_str()).collect()
}

fn listed(report: &Report) -> String {
    let mut lines: Vec<String> = Vec::new();
    for finding in report.findings.list().iter().take(12) {
        let (code, page, offset) = (finding.code.as_str(), finding.page, finding.offset);
        lines.push(format!("\n  {code} page {page:?} offset {offset:?}: {}", finding.message));
    }
    if lines.is_empty() { "nothing".into() } else { lines.concat() }
}
