//! Paths that are not UTF-8, in every command that prints a path as JSON: the text shows the readable part, and the base64 beside it is complete.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use etcdsnap_tests::case;
use etcdsnap_tests::cli;
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};
use serde_json::Value;

#[test]
fn verify_prints_odd_paths() {
    let folder = tempfile::tempdir().unwrap();
    let (file, missing) = (odd(folder.path(), b"s\xff.db"), odd(folder.path(), b"none\xff"));
    fs::copy(case::named("3.7-fresh").path(), &file).unwrap();
    for command in ["status", "verify"] {
        let judged = cli::json(&run(&[command.as_ref(), "-wjson".as_ref(), file.as_os_str()]));
        assert_path(&judged, "file", &file);
        let output = run(&[command.as_ref(), "-wjson".as_ref(), missing.as_os_str(), file.as_os_str()]);
        assert_eq!(output.status.code(), Some(2));
        let both = cli::json(&output);
        assert_path(&both[0], "file", &missing);
        assert!(both[0]["error"].is_string());
        assert_path(&both[1], "file", &file);
    }
    let output = run(&["find".as_ref(), "-wjson".as_ref(), "hello".as_ref(), missing.as_os_str(), file.as_os_str()]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<Value> =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let of = |word: &str| lines.iter().find(|line| line.get(word).is_some()).unwrap();
    assert_path(of("error"), "file", &missing);
    assert_path(of("key"), "file", &file);
}

#[test]
fn restore_prints_odd_directories() {
    let folder = tempfile::tempdir().unwrap();
    let file = odd(folder.path(), b"s\xff.db");
    fs::copy(case::named("3.7-fresh").path(), &file).unwrap();
    for (number, more) in [&["--dry-run"][..], &[], &["--print-flags"]].into_iter().enumerate() {
        let data = odd(folder.path(), format!("d{number}").as_bytes()).join(OsStr::from_bytes(b"\xfe"));
        let wal = odd(folder.path(), format!("w{number}").as_bytes()).join(OsStr::from_bytes(b"\xfd"));
        let mut words: Vec<&OsStr> = vec!["restore".as_ref(), file.as_os_str(), "-wjson".as_ref()];
        words.extend(["--data-dir".as_ref(), data.as_os_str(), "--wal-dir".as_ref(), wal.as_os_str()]);
        words.extend(more.iter().map(OsStr::new));
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let json = cli::json(&output);
        assert_path(&json, "dataDir", &data);
        assert_path(&json, "walDir", &wal);
        assert_eq!(data.join("member/snap/db").exists(), number > 0);
        assert_eq!(wal.exists(), number > 0);
        if number == 2 {
            let flags: Vec<Vec<u8>> =
                json["flagsBase64"].as_array().unwrap().iter().map(|flag| bytes(flag.as_str().unwrap())).collect();
            let expected = [&b"--data-dir="[..], data.as_os_str().as_bytes()].concat();
            assert!(flags.contains(&expected));
            let shown = format!("--data-dir={}", data.display());
            assert!(json["flags"].as_array().unwrap().contains(&shown.into()));
        }
    }
}

/// A shell that knows `$'…'` reads the printed words.
#[test]
fn the_printed_flags_name_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let data = odd(folder.path(), b"it's\xff");
    let snapshot = case::named("3.7-fresh").path();
    let words: [&OsStr; 5] =
        ["restore".as_ref(), snapshot.as_os_str(), "--print-flags".as_ref(), "--data-dir".as_ref(), data.as_os_str()];
    let output = run(&words);
    let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
    let script =
        format!("for word in {last}; do case $word in --data-dir=*) printf %s \"${{word#--data-dir=}}\";; esac; done");
    let shell = Command::new("bash").args(["-c", &script]).output();
    let Ok(shell) = shell else { return };
    assert_eq!(OsString::from_vec(shell.stdout), data.into_os_string());
}

/// A shell that sources the file of variables gets the exact directory, and etcd starts from there.
#[test]
fn the_variables_of_all_members_name_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let all = odd(folder.path(), b"all's\xff");
    let snapshot = case::named("3.7-fresh").path();
    let words: [&OsStr; 5] =
        ["restore".as_ref(), snapshot.as_os_str(), "-wjson".as_ref(), "--all-members".as_ref(), all.as_os_str()];
    let json = cli::json(&run(&words));
    assert_path(&json[0], "dataDir", &all.join("default"));
    assert_path(&json[0], "startFile", &all.join("default.env"));
    let mut member_config = member_configs(folder.path(), &["default"]).remove(0);
    member_config.data = all.join("default");
    let Some(etcd) = program("3.7", "etcd") else { return };
    // Only its ports differ, because many tests run at once.
    let script = "set -a; . ./default.env; ETCD_LISTEN_PEER_URLS=$1 ETCD_LISTEN_CLIENT_URLS=$2; set +a; exec \"$3\"";
    let mut shell = Command::new("sh");
    shell
        .current_dir(&all)
        .args(["-c", script, "sh", &member_config.peer_url(), &member_config.client_url()])
        .arg(etcd.get_program());
    let servers = Servers::start_commands("3.7", vec![(member_config.clone(), shell)], folder.path());
    stdout_of(&servers.etcdctl(None, &["put", "after", "the restore"]));
    servers.stop();
    let database = member_config.data.join("member/snap/db");
    let words = ["get".as_ref(), database.as_os_str(), "after".as_ref(), "--print-value-only".as_ref()];
    assert_eq!(stdout_of(&run(&words)), "the restore\n");
}

fn odd(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

fn run(words: &[&OsStr]) -> std::process::Output {
    cli::run(words)
}

fn bytes(base64: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(base64).unwrap()
}

/// Asserts that the path under `name` is readable as far as possible, and complete beside it.
fn assert_path(object: &Value, name: &str, path: &Path) {
    assert_eq!(object[name], path.to_string_lossy().as_ref());
    let base64 = object[format!("{name}Base64")].as_str().unwrap_or_else(|| panic!("{name} of {object}"));
    assert_eq!(Path::new(OsStr::from_bytes(&bytes(base64))), path);
}
