//! The commands with KMS plugins: a real one, one that is missing, and ones that stay silent.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use etcdsnap_tests::cli;
use etcdsnap_tests::programs::reference;
use etcdsnap_tests::test_vectors::{TestVector, configuration_with_all_keys, folder_with_snapshot, snapshot, vectors};
use serde_json::{Value, json};

/// The plugin of the reference program, served by Kubernetes' own server.
struct Plugin {
    child: Child,
    socket: String,
}

impl Plugin {
    fn start(folder: &tempfile::TempDir) -> Option<Self> {
        let program = reference("encryption", "encryption")?;
        let socket = folder.path().join("kms.sock");
        // A plugin that ended leaves its socket, and the next one could not listen there.
        if socket.exists() {
            fs::remove_file(&socket).expect("the old socket goes");
        }
        let mut command = Command::new(program);
        command.arg("plugin").arg(&socket).stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().expect("it runs");
        let mut plugin = Self { child, socket: socket.to_str().expect("text").to_owned() };
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Some(plugin);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        plugin.child.kill().expect("it ends");
        plugin.child.wait().expect("it ends");
        panic!("the plugin does not listen");
    }

    /// Stops it and returns how many keys it decrypted.
    fn finish(mut self) -> usize {
        drop(self.child.stdin.take());
        let opened = BufReader::new(self.child.stdout.take().expect("a pipe")).lines().count();
        self.child.wait().expect("it ends");
        opened
    }
}

#[test]
fn a_plugin_is_called_once_for_each_source() {
    let folder = folder_with_snapshot();
    let Some(plugin) = Plugin::start(&folder) else { return };
    let socket = format!("vault=unix://{}", plugin.socket);
    // The plugin is not a provider of any resource.
    let (code, out, _) =
        cli::run_in(folder.path(), &["verify", "a.db", "--encryption-config", "all.yaml", "--kms-socket", &socket]);
    let refused = "its key is not among the providers of secrets in the configuration";
    assert!(code == 1 && out.contains(refused), "{out}");
    let config = configuration_with_all_keys()
        .replace("  - identity", "  - kms: {apiVersion: v2, name: vault, endpoint: 'unix:///s'}\n  - identity");
    fs::write(folder.path().join("kms.yaml"), config).expect("a file");
    let (code, out, printed) =
        cli::run_in(folder.path(), &["verify", "a.db", "--encryption-config", "kms.yaml", "--kms-socket", &socket]);
    assert!(code == 0 && out.contains("24 encrypted values open, all of them"), "{out}{printed}");
    let (code, out, printed) = cli::run_in(
        folder.path(),
        &["kube", "get", "a.db", "widgets.example.com", "-n", "shop", "-oyaml", "--kms-socket", &socket],
    );
    assert!(code == 1 && out.contains("name: kms-seed-10") && out.contains("name: kms-key-11"), "{out}{printed}");
    // One source for each value of the vectors: four by each of the first two commands, two by the last.
    assert_eq!(plugin.finish(), 10);
}

/// Values that share a source cost one call.
#[test]
fn a_shared_source_is_decrypted_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = vectors().into_iter().find(|vector| vector.provider == "kms-seed").expect("a vector");
    let writes: Vec<TestVector> = (0..50).map(|_| seed.clone()).collect();
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    let Some(plugin) = Plugin::start(&folder) else { return };
    let socket = format!("vault={}", plugin.socket);
    let (code, out, printed) = cli::run_in(folder.path(), &["verify", "a.db", "--kms-socket", &socket]);
    assert!(code == 0 && out.contains("50 encrypted values open, all of them"), "{out}{printed}");
    assert_eq!(plugin.finish(), 1);
}

/// An answer of a plugin about one value says nothing about the others: each value has its own finding, or no finding.
#[test]
fn an_answer_about_one_value_is_a_finding_only_for_that_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let seed = vectors().into_iter().find(|vector| vector.provider == "kms-seed").expect("a vector");
    let with_key_id = |id: &[u8; 8]| {
        let mut vector = seed.clone();
        let at = vector.sealed.windows(8).position(|part| part == b"kek-2026").expect("its key id");
        vector.sealed[at..at + 8].copy_from_slice(id);
        vector
    };
    let [denied, unknown] = [b"denied-1", b"unknown1"].map(with_key_id);
    let writes = [denied, seed.clone(), unknown.clone(), seed.clone(), unknown];
    fs::write(folder.path().join("a.db"), snapshot(&writes)).expect("a file");
    let verify = |socket: &str| {
        let socket = format!("vault={socket}");
        let (code, out, printed) = cli::run_in(folder.path(), &["verify", "a.db", "-wjson", "--kms-socket", &socket]);
        (code, serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{printed}")))
    };
    let Some(plugin) = Plugin::start(&folder) else { return };
    let (code, report) = verify(&plugin.socket);
    let counts = json!({"value-unchecked": 1, "earlier-value-undecryptable": 1, "value-undecryptable": 1});
    assert_eq!((code, &report["findingCounts"]), (2, &counts), "{report}");
    let findings = report["findings"].as_array().expect("findings");
    let with = |part: &str| findings.iter().filter(|one| one["message"].to_string().contains(part)).count();
    assert_eq!((with("cannot be reached: it says"), with("PermissionDenied")), (1, 1), "{report}");
    assert_eq!((with("does not decrypt it: it says"), with("is not known")), (2, 2), "{report}");
    assert_eq!(plugin.finish(), 1);
    // If it gives that answer for several sources in a row, it is not called again.
    let ids: Vec<[u8; 8]> = (b'0'..b'8').map(|digit| [b'd', b'e', b'n', b'i', b'e', b'd', b'-', digit]).collect();
    let many: Vec<TestVector> = ids.iter().map(with_key_id).collect();
    fs::write(folder.path().join("a.db"), snapshot(&many)).expect("a file");
    let Some(plugin) = Plugin::start(&folder) else { return };
    let (code, report) = verify(&plugin.socket);
    assert_eq!((code, &report["findingCounts"]), (2, &json!({"value-unchecked": 8})), "{report}");
    assert!(report.to_string().contains("and is not called again"), "{report}");
    plugin.finish();
}

#[test]
fn a_missing_plugin_is_reported() {
    let folder = folder_with_snapshot();
    let (code, out, _) = cli::run_in(
        folder.path(),
        &["verify", "a.db", "-wjson", "--encryption-config", "all.yaml", "--kms-socket", "vault=none.sock"],
    );
    let report: Value = serde_json::from_str(&out).expect("JSON");
    // The values are not known to be damaged: the program could not check them.
    assert_eq!(
        (code, &report["verdict"], &report["findingCounts"]),
        (2, &json!("warnings"), &json!({"value-unchecked": 4}))
    );
    let message = report["findings"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("its socket none.sock cannot be reached: there is no such file"), "{message}");
    // Another program listens there and stays silent: the timeout ends it.
    let socket = folder.path().join("mute.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let closer = std::thread::spawn(move || drop(listener.accept()));
    let (code, out, printed) = cli::run_in(
        folder.path(),
        &["verify", "a.db", "--encryption-config", "all.yaml", "--kms-socket", &format!("vault={}", socket.display())],
    );
    closer.join().expect("no panic");
    assert!(
        code == 2 && out.contains("value-unchecked") && out.contains("the plugin cannot be reached"),
        "{out}{printed}"
    );
}

/// A plugin that accepts connections and never answers does not delay Ctrl-C.
#[test]
fn a_signal_does_not_wait_for_a_plugin() {
    let folder = folder_with_snapshot();
    let socket = folder.path().join("slow.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let taken = std::thread::spawn(move || listener.accept().map(|(stream, _)| stream));
    let plugin = format!("vault={}", socket.display());
    let words = ["kube", "manifests", "a.db", "widgets.example.com", "-n", "shop", "--kms-socket", &plugin];
    let mut command = Command::new(cli::program());
    let child =
        command.args(words).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.spawn().expect("it runs");
    let stream = taken.join().expect("no panic").expect("a connection");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let sent = std::time::Instant::now();
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
    let code = child.wait().expect("it ends").code();
    assert_eq!(code, Some(130));
    assert!(sent.elapsed() < std::time::Duration::from_secs(3), "{:?}", sent.elapsed());
    drop(stream);
}
