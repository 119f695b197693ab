//! Whatever a snapshot, a file name or an argument contains, no output controls the terminal: not on stdout, not on stderr, in no format.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use etcdsnap_core::key_syntax::is_unprintable;
use etcdsnap_tests::build::cluster::{self, Version};
use etcdsnap_tests::build::history::{History, RevisionEntry};
use etcdsnap_tests::build::kubernetes::field;
use etcdsnap_tests::build::message::{AlarmMember, KeyValue, Permission, Role, User, UserOptions};
use etcdsnap_tests::build::{Layout, with_trailer, write};
use etcdsnap_tests::cli;
use etcdsnap_tests::seeded_random::SeededRandom;
use etcdsnap_tests::terminal::Terminal;
use prost::Message;
use serde_json::{Value, json};

/// Controls (C0, DEL, C1), line and paragraph separators, bidirectional controls, zero-width characters, tags, and other invisible characters.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;title\u{7}\r\u{8}\u{7f}\u{85}\u{9b}31m\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\u{e0001}\u{e0041}\u{e007f}";

/// A directory with a snapshot in which every name and value is hostile, under a hostile name.
struct TestFolder {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl TestFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("snap{HOSTILE}.db"));
        fs::write(&file, snapshot()).unwrap();
        fs::write(folder.path().join("damaged.db"), damaged()).unwrap();
        let key = json!({"name": HOSTILE, "secret": "MDEyMzQ1Njc4OWFiY2RlZg=="});
        let resources = json!([{"resources": ["secrets"], "providers": [{"aesgcm": {"keys": [key]}}]}]);
        let configuration = json!({"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1", "resources": resources});
        fs::write(folder.path().join("encryption.yaml"), configuration.to_string()).unwrap();
        Self { folder, file }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(cli::program());
        command.current_dir(self.folder.path());
        command.args(line.split(' ').map(|word| match word {
            "FILE" => self.file.clone().into_os_string(),
            word => word.replace("KEY", &key(2)).replace("SECRET", &key(9)).replace("HOSTILE", HOSTILE).into(),
        }));
        command
    }
}

/// Returns a key that begins as a pod's, or as a secret's.
fn key(main: i64) -> String {
    let folder = if main == 9 { "secrets/default" } else { "pods/default" };
    format!("/registry/{folder}/{main}{HOSTILE}")
}

fn snapshot() -> Vec<u8> {
    let mut history = History::default();
    let (lease, value) = (0x7f3a, format!("a: {HOSTILE}\n\tb: schön\n").into_bytes());
    for main in 2..10 {
        let key = key(main).into_bytes();
        let value = match main {
            3 => format!("k8s:enc:aesgcm:v1:{HOSTILE}:{HOSTILE}").into_bytes(),
            4 => format!("k8s:enc:{HOSTILE}:{HOSTILE}:").into_bytes(),
            // A message of KMS v2 whose key has a hostile name.
            5 => [b"k8s:enc:kms:v2:vault:".to_vec(), field(1, b"a"), field(2, HOSTILE.as_bytes()), field(3, b"s")]
                .concat(),
            _ => value.clone(),
        };
        let message = KeyValue { key, create_revision: main, mod_revision: main, version: 1, value, lease };
        history.revisions.insert((main, 0), RevisionEntry { tombstone: false, value: message });
        history.current = main;
    }
    history.leases.insert(lease, 60);
    let mut root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    let member = json!({"id": 7, "name": HOSTILE, "peerURLs": [HOSTILE], "clientURLs": [HOSTILE]});
    root.bucket("members").put("7", member.to_string());
    let user = User {
        name: HOSTILE.into(),
        password: cluster::PASSWORD.into(),
        roles: vec![HOSTILE.into()],
        options: Some(UserOptions { no_password: false }),
    };
    root.bucket("authUsers").put(HOSTILE, user.encode_to_vec());
    let permission = Permission { kind: 2, key: HOSTILE.into(), range_end: HOSTILE.into() };
    root.bucket("authRoles").put(HOSTILE, Role { name: HOSTILE.into(), permissions: vec![permission] }.encode_to_vec());
    root.bucket("alarm").put(AlarmMember { member_id: 7, alarm: 1 }.encode_to_vec(), "");
    root.bucket("meta").put(HOSTILE, HOSTILE);
    root.bucket("cluster").put(HOSTILE, HOSTILE);
    root.bucket(HOSTILE).put(HOSTILE, HOSTILE);
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}

/// Builds a file with findings about hostile names.
fn damaged() -> Vec<u8> {
    let mut history = History { current: 2, ..History::default() };
    let message =
        KeyValue { key: HOSTILE.into(), create_revision: 9, mod_revision: 9, version: 7, ..Default::default() };
    history.revisions.insert((2, 0), RevisionEntry { tombstone: false, value: message });
    let mut root = cluster::database(&history, Version::V36, &mut SeededRandom::new(1));
    root.bucket("members").put(HOSTILE, HOSTILE);
    root.bucket("authUsers").put(HOSTILE, User { name: b"other".to_vec(), ..Default::default() }.encode_to_vec());
    let user = User { name: b"guest".to_vec(), password: HOSTILE.into(), ..Default::default() };
    root.bucket("authUsers").put("guest", user.encode_to_vec());
    root.bucket("authRoles").put("other", Role { name: HOSTILE.into(), ..Default::default() }.encode_to_vec());
    root.bucket("meta").put("storageVersion", HOSTILE);
    root.bucket("cluster").put("clusterVersion", HOSTILE);
    with_trailer(&write(&root, &Layout::plain(4096, 1)).database)
}

/// Every command in every format.
const COMMANDS: &[&str] = &[
    "status FILE",
    "status FILE -w simple",
    "status FILE -w json",
    "status FILE -w table",
    "status FILE -w fields",
    "snapshot status FILE",
    "snapshot status FILE -w json",
    "snapshot status damaged.db",
    "verify FILE",
    "verify FILE -w json",
    "verify damaged.db --all",
    "verify damaged.db -w json",
    "status damaged.db",
    "status damaged.db -w json",
    "keys damaged.db",
    "members damaged.db",
    "auth damaged.db -w json",
    "keys FILE",
    "keys FILE --long",
    "keys FILE -w json",
    "keys FILE -w table --long",
    "get FILE KEY",
    "get FILE KEY -w json",
    "get FILE KEY -w table",
    "get FILE KEY --hex",
    "get FILE KEY --print-value-only",
    "get FILE SECRET",
    "get FILE SECRET --show-secrets",
    "get FILE HOSTILE",
    "get FILE \"HOSTILE\\q\"",
    "history FILE KEY --values",
    "history FILE KEY --values -w json",
    "history FILE KEY --values -w table",
    "history FILE HOSTILE",
    "diff FILE --rev-a 1 --values",
    "diff FILE --rev-a 1 --values -w json",
    "diff FILE --rev-a 1 -w table",
    "diff FILE damaged.db",
    "diff FILE --endpoints HOSTILE",
    "find KEY FILE",
    "find HOSTILE FILE HOSTILE",
    "find / --prefix . -w json",
    "find / --prefix . -w table",
    "usage FILE --buckets --depth 9",
    "usage FILE --buckets -w json",
    "usage FILE --buckets -w table",
    "usage FILE --by resource-namespace",
    "hashkv FILE",
    "hashkv damaged.db",
    "members FILE",
    "members FILE -w json",
    "members FILE -w table",
    "leases FILE",
    "leases FILE -w json",
    "leases FILE -w table",
    "auth damaged.db --show-secrets",
    "auth damaged.db --show-secrets -w table",
    "auth FILE --show-secrets",
    "auth FILE --show-secrets -w json",
    "auth FILE --show-secrets -w table",
    "alarms FILE",
    "alarms FILE -w json",
    "meta FILE",
    "meta FILE -w json",
    "meta FILE -w table",
    "export FILE",
    "export FILE --history --show-secrets",
    "export FILE -o outHOSTILE.csv --format csv",
    "export FILE -o HOSTILE/HOSTILE",
    "verify FILE --encryption-config encryption.yaml",
    "verify FILE --encryption-config HOSTILE",
    "verify FILE -w json --kms-socket vault=HOSTILE",
    "verify FILE --kms-socket HOSTILE",
    "kube encryption FILE",
    "kube encryption FILE -w json",
    "kube encryption FILE -w table --encryption-config encryption.yaml",
    "kube get FILE pods -A -o yaml --encryption-config encryption.yaml --kms-socket HOSTILE=HOSTILE",
    "kube get FILE all -A",
    "kube get FILE secrets,pods -A -o yaml --show-secrets",
    "kube get FILE secrets -A -o name",
    "kube get FILE HOSTILE",
    "kube get FILE pods HOSTILE -n HOSTILE",
    "kube get FILE pods --etcd-prefix HOSTILE -A",
    "kube diff FILE --rev-a 4 --all",
    "kube diff FILE --rev-a 4 -w json --all",
    "kube diff FILE --rev-a 4 -w table --show-secrets",
    "kube diff FILE --rev-a 4 HOSTILE",
    "kube diff FILE HOSTILE",
    "kube check FILE",
    "kube check FILE --all",
    "kube check FILE -w json",
    "kube events FILE -n HOSTILE",
    "kube events FILE --for pod/HOSTILE -A",
    "kube helm FILE list -n HOSTILE",
    "kube helm FILE get values HOSTILE -n HOSTILE",
    "usage FILE --by kind",
    "kube history FILE pods/HOSTILE",
    "kube history FILE pods/2HOSTILE",
    "kube history FILE secrets/9HOSTILE -w json",
    "kube history FILE pods/2HOSTILE -w table",
    "defrag FILE -o defragHOSTILE.db",
    "defrag damaged.db -o outHOSTILE.db",
    "compact FILE -o compactHOSTILE.db -w json",
    "compact FILE -o out.db --rev HOSTILE",
    "redact FILE -o redactHOSTILE.db --show-field HOSTILE --show-kind HOSTILE",
    "redact FILE -o redactHOSTILE.db --hide-names -w json",
    "cut FILE -o cutHOSTILE.db --drop HOSTILE",
    "cut FILE -o cutHOSTILE.db --drop HOSTILE -w json",
    "cut FILE -o cutHOSTILE.db --keep HOSTILE",
    "cut FILE -o cutHOSTILE.db --drop-type HOSTILE",
    "salvage damaged.db --dry-run",
    "salvage damaged.db -o salvageHOSTILE.db --reset-auth -w json",
    "restore FILE --data-dir dataHOSTILE --name HOSTILE --initial-cluster HOSTILE=http://localhost:2380 --print-flags",
    "restore FILE --data-dir otherHOSTILE --dry-run -w json --print-flags",
    "restore FILE --data-dir otherHOSTILE --owner HOSTILE",
    "restore FILE --data-dir d --initial-cluster HOSTILE",
    "restore FILE --data-dir d --bump-revision HOSTILE",
    "restore FILE --data-dir d --name HOSTILE",
    "restore damaged.db --data-dir otherHOSTILE",
    "save HOSTILE/a.db --endpoints http://127.0.0.1:1",
    "save a.db --endpoints HOSTILE",
    "save a.db --endpoints http://HOSTILE:1",
    "save a.db --endpoints https://127.0.0.1:1 --cacert HOSTILE",
    "save a.db --endpoints http://127.0.0.1:1 --user HOSTILE --password-file HOSTILE",
    "save aHOSTILE.db --endpoints http://127.0.0.1:1 --keep 1",
    "save a{HOSTILE}.db --endpoints http://127.0.0.1:1",
    "open HOSTILE",
    "open --page HOSTILE",
    "codes HOSTILE",
    "man HOSTILE",
    "version",
    "version -w HOSTILE",
    "completions HOSTILE",
    "HOSTILE",
    "keys --HOSTILE FILE",
    "keys FILE --rev HOSTILE",
    "keys FILE --at HOSTILE",
    "diff FILE --at-a HOSTILE",
    "keys FILE --filter HOSTILE",
    "keys FILE --filter key~HOSTILE",
    "keys FILE --from bHOSTILE --to aHOSTILE",
    "keys HOSTILE",
    "verify HOSTILE FILE",
    "verify HOSTILE -w json",
];

fn unprintable(text: &str) -> Vec<char> {
    text.chars().filter(|char| !matches!(char, '\n' | '\t') && is_unprintable(*char)).collect()
}

fn printed(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8(bytes.clone()).expect("text"))
}

#[test]
fn no_output_controls_the_terminal() {
    let place = TestFolder::new();
    for line in COMMANDS {
        let output = place.command(line).stdin(std::process::Stdio::null()).output().unwrap();
        let [stdout, stderr] = printed(&output);
        assert!(output.status.code().is_some() && stdout.len() + stderr.len() > 0, "{line}: {output:?}");
        for text in [&stdout, &stderr] {
            assert_eq!(unprintable(text), [], "{line}: {text:?}");
        }
        if line.contains("json") || line.starts_with("export FILE --history") {
            let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&stdout).into_iter().collect();
            assert!(!values.unwrap_or_else(|error| panic!("{line}: {error}: {stdout}")).is_empty(), "{line}");
        }
    }
}

/// Text escaped in JSON is unchanged after parsing.
#[test]
fn json_preserves_names_and_values() {
    let place = TestFolder::new();
    let lines = |line: &str| -> Vec<Value> {
        let [stdout, _] = printed(&place.command(line).output().unwrap());
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let value = format!("a: {HOSTILE}\n\tb: schön\n");
    assert_eq!(lines("keys FILE -w json")[0]["key"], key(2));
    assert_eq!(lines("get FILE KEY -w json")[0]["value"], value);
    let exported = &lines("export FILE")[0];
    assert_eq!((&exported["key"], &exported["value"]), (&key(2).into(), &value.into()));
    let members = lines("members FILE -w json");
    let member = members.iter().find(|member| member["id"] == "7").unwrap();
    assert_eq!((&member["name"], &member["peerUrls"][0]), (&HOSTILE.into(), &HOSTILE.into()));
    let auth = lines("auth FILE -w json --show-secrets");
    let named = |kind: &str| auth.iter().find(|line| line["kind"] == kind && line["name"] == HOSTILE).unwrap();
    assert_eq!(named("user")["roles"][0], HOSTILE);
    let users = lines("auth damaged.db -w json --show-secrets");
    let guest = users.iter().find(|line| line["name"] == "guest").unwrap();
    assert_eq!(guest["passwordHash"], HOSTILE);
    assert_eq!(named("role")["permissions"][0]["key"], HOSTILE);
    let verified: Value =
        serde_json::from_slice(&place.command("verify FILE -w json").output().unwrap().stdout).unwrap();
    assert_eq!(verified["file"], place.file.to_str().unwrap());
}

/// A printed key can be typed: the shell passes it to the program as it was printed.
#[test]
fn a_hostile_key_can_be_typed_as_it_is_printed() {
    let place = TestFolder::new();
    let [keys, _] = printed(&place.command("keys FILE").output().unwrap());
    let typed = keys.lines().next().unwrap();
    let output = Command::new(cli::program()).arg("get").arg(&place.file).arg(typed).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{typed}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file or another program gets raw bytes on request; a terminal does not.
#[test]
fn raw_bytes_go_to_files_and_not_to_terminals() {
    let place = TestFolder::new();
    let raw = place.command("get FILE KEY --raw").output().unwrap().stdout;
    assert_eq!(raw, format!("a: {HOSTILE}\n\tb: schön\n").into_bytes());
    let csv = String::from_utf8(place.command("export FILE --format csv").output().unwrap().stdout).unwrap();
    assert!(csv.contains(HOSTILE));

    for (line, code, words) in [
        ("get FILE KEY --raw", 2, "would control the terminal"),
        ("export FILE --format csv", 0, "/registry/pods/default/2"),
        ("export FILE --format csv -o /dev/tty", 0, "/registry/pods/default/2"),
        ("export FILE", 0, "/registry/pods/default/2"),
        ("keys FILE", 0, "/registry/pods/default/2"),
        ("verify damaged.db", 1, "member-malformed"),
        ("get FILE HOSTILE", 1, "There is no key"),
    ] {
        // A shell prints the exit status; a mark outside the command line shows where the output ends.
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$@\"; echo \"ended $?.\"", "sh"]);
        let command = place.command(line);
        shell.arg(command.get_program()).args(command.get_args()).current_dir(place.folder.path());
        let shown = Terminal::start(&shell).output_until(&format!("ended {code}."));
        assert!(shown.contains(words), "{line}: {shown:?}");
        // Colours are the program's own; the terminal itself puts a carriage return before each line feed.
        assert_eq!(unprintable(&without_colours(&shown.replace("\r\n", "\n"))), [], "{line}: {shown:?}");
    }
}

/// Removes ESC, `[`, numbers, `m`.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|sign: char| sign.is_ascii_digit() || sign == ';');
        match rest.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.push_str(&format!("\u{1b}[{part}")),
        }
    }
    plain
}
