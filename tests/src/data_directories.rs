//! Data directories of real members whose log contains entries that the database lacks.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::server::MemberConfig;

/// Flags for a server that rarely writes its database to disk, so that the database lacks entries when the server is killed, but often writes raft snapshots.
#[must_use]
pub fn rare_commits(snapshot_count: u32) -> Vec<String> {
    let snapshots = format!("--snapshot-count={snapshot_count}");
    let flags = [&snapshots, "--backend-batch-interval=10m", "--backend-batch-limit=1000000"];
    flags.map(ToOwned::to_owned).to_vec()
}

/// Waits until the leader has written the cluster version to the log, so that only clients' entries follow.
pub fn wait_for_cluster_version(member_config: &MemberConfig, version: &str) {
    let since = Instant::now();
    let decided = format!(r#""etcdcluster":"{version}.0""#);
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", member_config.client)).unwrap();
        stream.write_all(b"GET /version HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if answer.contains(&decided) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{answer}");
        sleep(Duration::from_millis(100));
    }
}

/// Returns the newest segment of a directory's log.
#[must_use]
pub fn last_segment(data: &Path) -> PathBuf {
    let paths = fs::read_dir(data.join("member/wal")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "wal")).max().unwrap()
}

/// Returns the end of a segment's records, before the padding.
#[must_use]
pub fn end_of_records(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Copies the directory of a stopped server, with less preallocated log, so that copying is quick.
pub fn copy_data_directory(data: &Path, to: &Path) {
    fs::create_dir_all(to.join("member/snap")).unwrap();
    fs::create_dir_all(to.join("member/wal")).unwrap();
    for folder in ["member/snap", "member/wal"] {
        for entry in fs::read_dir(data.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(folder).join(path.file_name().unwrap());
            if path.extension().is_some_and(|extension| extension == "wal") {
                let mut bytes = fs::read(&path).unwrap();
                bytes.truncate(end_of_records(&bytes).next_multiple_of(8) + 65536);
                fs::write(target, bytes).unwrap();
            } else if path.extension().is_none_or(|extension| extension != "tmp") {
                fs::copy(&path, target).unwrap();
            }
        }
    }
    let private = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    fs::set_permissions(to, private).unwrap();
}
