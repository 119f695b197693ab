//! Restores of damaged, compressed, piped and raw files, and of files with a wrong SHA-256.

use std::fs;
use std::io::Write;
use std::path::Path;

use etcdsnap::{NoProgress, RestoreConfig, RestoreError, RestoreVerify, Run, restore, verify};
use etcdsnap_core::{Severity, Verdict};
use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::damage::{self, Damaged};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::read::database_of;

#[test]
fn damaged_files_are_refused_and_leave_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let (mut refused, mut restored) = (0, 0);
    for base in damage::bases() {
        for damage in damage::all() {
            for Damaged { file, trailer, .. } in damage.apply(&base.snapshot) {
                fs::write(&source, &file).unwrap();
                let sound = verify(&source, etcdsnap::VerifyOptions::default()).unwrap().verdict != Verdict::Damaged;
                let target = folder.path().join("data");
                let config = config(&source, &target);
                let what = format!("{} with trailer {trailer:?}", damage.name);
                match restore(&config, &NoProgress) {
                    Ok(_) => {
                        assert!(sound, "{what} was restored");
                        assert!(target.join("member/snap/db").exists());
                        fs::remove_dir_all(&target).unwrap();
                        restored += 1;
                    }
                    // A database without a trailer is a warning for verify, but an error here, as in etcdutl.
                    Err(error) => {
                        assert!(!sound || matches!(error, RestoreError::NoTrailer { .. }), "{what}: {error}");
                        refused += 1;
                    }
                }
                assert_eq!(names(folder.path()), ["backup.db"], "{what}");
                assert!(fs::read(&source).unwrap() == file, "{what}: the source changed");
            }
        }
    }
    assert!(refused > 200 && restored > 5, "{refused} refused, {restored} restored");
}

#[test]
fn a_damaged_file_is_refused_with_all_findings() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let bytes = case::named("3.7-history").bytes();
    fs::write(&source, &bytes[..bytes.len() / 2]).unwrap();
    let target = folder.path().join("data");
    let (source, target) = (source.to_str().unwrap(), target.to_str().unwrap());
    let told = cli::run(&["restore", source, "--data-dir", target, "--skip-hash-check"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let verified = cli::json(&cli::run(&["verify", "-wjson", source]));
    let codes: Vec<_> = verified["findingCounts"].as_object().unwrap().keys().collect();
    assert!(codes.len() > 2, "{codes:?}");
    for code in codes {
        assert!(cli::stderr(&told).contains(code.as_str()), "{code} is not in {}", cli::stderr(&told));
    }
}

/// `--verify structure` accepts damage in entries, `none` accepts every file that can be edited, and `--force` accepts files that these levels refuse.
#[test]
fn each_level_of_verification_accepts_its_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("backup.db"), folder.path().join("data"));
    let mut seen = (0, 0);
    for base in damage::bases() {
        for damage in damage::all() {
            for Damaged { file, trailer, .. } in damage.apply(&base.snapshot) {
                if trailer != damage::Trailer::Right {
                    continue;
                }
                fs::write(&source, &file).unwrap();
                let report = verify(&source, etcdsnap::VerifyOptions::default()).unwrap();
                let worst = report.findings.list().iter().filter(|finding| finding.severity == Severity::Damage);
                let codes: Vec<_> = worst.map(|finding| finding.code).collect();
                if codes.is_empty() {
                    continue;
                }
                let contents_only = codes.iter().all(|code| code.is_about_contents());
                let with = |verify, force| {
                    let config = RestoreConfig { verify, force, ..config(&source, &target) };
                    let outcome = restore(&config, &NoProgress);
                    let _ = fs::remove_dir_all(&target);
                    outcome
                };
                let structure = with(RestoreVerify::Structure, false);
                // A file without root or meta page cannot become a member's database, whatever the flags.
                let editable = |outcome: &Result<_, RestoreError>| {
                    let no_plan = |error: &RestoreError| {
                        matches!(error, RestoreError::Plan(_) | RestoreError::Input(etcdsnap::Error::NoStore { .. }))
                    };
                    outcome.as_ref().err().is_none_or(no_plan)
                };
                if contents_only {
                    assert!(editable(&structure), "{}: {}", damage.name, structure.unwrap_err());
                    seen.0 += 1;
                } else {
                    assert!(structure.is_err(), "{}", damage.name);
                    seen.1 += 1;
                }
                for lax in [with(RestoreVerify::None, false), with(RestoreVerify::Full, true)] {
                    assert!(editable(&lax), "{}: {}", damage.name, lax.unwrap_err());
                }
                assert_eq!(names(folder.path()), ["backup.db"]);
            }
        }
    }
    assert!(seen.0 > 10 && seen.1 > 20, "{seen:?}");
}

#[test]
fn compressed_files_and_streams_give_the_same_result() {
    let case = case::named("3.7-cluster");
    let plain = case.bytes();
    let folder = tempfile::tempdir().unwrap();
    let wanted = database_after(&case.path(), &folder.path().join("plain"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("backup.db", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&plain).unwrap();
    let packed = [
        ("gz", gzip.finish().unwrap()),
        ("zst", zstd::encode_all(&plain[..], 3).unwrap()),
        ("zip", zip.finish().unwrap().into_inner()),
    ];
    for (form, bytes) in packed {
        let source = folder.path().join(format!("backup.db.{form}"));
        fs::write(&source, &bytes).unwrap();
        let target = folder.path().join(format!("of-{form}"));
        assert!(database_after(&source, &target) == wanted, "{form}");
        let cut = folder.path().join(format!("cut.{form}"));
        fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
        let error = restore(&config(&cut, &folder.path().join("cut")), &NoProgress).unwrap_err();
        assert!(error.is_damage(), "{form}: {error}");
        assert!(names(folder.path()).iter().all(|name| name != "cut" && !name.contains("etcdsnap-")));
        let dry = RestoreConfig { run: Run::Dry, ..config(&source, &folder.path().join("dry")) };
        assert_eq!(restore(&dry, &NoProgress).unwrap().database_size, wanted.len() as u64, "{form}");
    }
    let target = folder.path().join("stream");
    let output = cli::run_with_input(&["restore", "-", "--data-dir", target.to_str().unwrap()], &plain);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(target.join("member/snap/db")).unwrap() == wanted);
}

#[test]
fn raw_copies_need_a_flag() {
    for name in ["3.4-raw", "3.5-raw", "3.6-raw", "3.7-raw", "3.7-bumped"] {
        let case = case::named(name);
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("data");
        let path = case.path();
        let args = ["restore", path.to_str().unwrap(), "--data-dir", target.to_str().unwrap()];
        let refused = cli::run(&args);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let told = cli::stderr(&refused);
        assert!(told.contains("snapshot missing hash but --skip-hash-check=false"), "{told}");
        assert!(told.contains("a copy of member/snap/db has none"), "{told}");
        assert!(!target.exists());
        let taken = cli::run(&[&args[..], &["--skip-hash-check"]].concat());
        assert!(taken.status.success(), "{taken:?}");
        assert!(target.join("member/snap/db").exists());
    }
}

/// bolt locks the database that it has open.
#[test]
fn a_database_that_a_server_has_open_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("db"), folder.path().join("data"));
    fs::copy(case::named("3.7-raw").path(), &source).unwrap();
    let open = fs::File::open(&source).unwrap();
    open.lock().unwrap();
    let args = ["restore", source.to_str().unwrap(), "--data-dir", target.to_str().unwrap(), "--skip-hash-check"];
    let output = cli::run(&args);
    assert!(output.status.success(), "{output:?}");
    assert!(cli::stderr(&output).contains("open in a running etcd"), "{}", cli::stderr(&output));
    assert!(target.join("member/snap/db").exists());
}

#[test]
fn a_wrong_sha256_is_refused_without_a_flag() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let mut bytes = case::named("3.6-history").bytes();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&source, bytes).unwrap();
    let config = config(&source, &folder.path().join("data"));
    assert!(matches!(restore(&config, &NoProgress), Err(RestoreError::Sha256 { .. })));
    let restored = restore(&RestoreConfig { skip_hash_check: true, ..config }, &NoProgress).unwrap();
    assert!(!restored.sha256_checked);
}

fn config(source: &Path, target: &Path) -> RestoreConfig {
    let (snapshot_path, output_data_dir) = (source.to_owned(), Some(target.to_owned()));
    RestoreConfig { snapshot_path, output_data_dir, ..RestoreConfig::default() }
}

/// Returns the database that a restore writes.
fn database_after(source: &Path, target: &Path) -> Vec<u8> {
    restore(&config(source, target), &NoProgress).unwrap();
    let database = fs::read(target.join("member/snap/db")).unwrap();
    assert_eq!(database_of(&database).len(), database.len());
    database
}

/// The command of the advice makes a copy that can be restored.
#[test]
fn a_file_with_extra_bytes_can_be_cut_as_advised() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("backup.db");
    let mut bytes = case::named("3.6-history").bytes();
    let length = bytes.len();
    bytes.extend([0; 700]);
    fs::write(&source, &bytes).unwrap();
    let Err(error) = restore(&config(&source, &folder.path().join("data")), &NoProgress) else { panic!("restored") };
    let advice = error.advice();
    assert!(
        error.to_string().contains("SHA-256 matches") && advice.contains(&format!("head -c {length} ")),
        "{advice}"
    );
    let copy = folder.path().join("copy.db");
    fs::write(&copy, &bytes[..length]).unwrap();
    assert!(restore(&config(&copy, &folder.path().join("data")), &NoProgress).unwrap().sha256_checked);
}
