//! `etcdsnap save` from real servers: it saves the same as the version's own etcdctl, and the snapshot can be restored.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use etcdsnap::client::ClientConfig;
use etcdsnap::save;
use etcdsnap::save::{SaveConfig, SaveError};
use etcdsnap::{NoProgress, Verdict};
use etcdsnap_tests::cli;
use etcdsnap_tests::faulty_proxy::{FaultyProxy, NetworkFault};
use etcdsnap_tests::server::{MemberConfig, Servers, initial_cluster, member_configs, stdout_of};
use tokio_util::sync::CancellationToken;

#[test]
fn one_member_of_3_4() {
    one_member("3.4");
}

#[test]
fn one_member_of_3_5() {
    one_member("3.5");
}

#[test]
fn one_member_of_3_6() {
    one_member("3.6");
}

#[test]
fn one_member_of_3_7() {
    one_member("3.7");
}

#[test]
fn three_members_of_3_4() {
    three_members("3.4");
}

#[test]
fn three_members_of_3_5() {
    three_members("3.5");
}

#[test]
fn three_members_of_3_6() {
    three_members("3.6");
}

#[test]
fn three_members_of_3_7() {
    three_members("3.7");
}

fn one_member(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    servers.put_megabytes(3);

    // During writes, each snapshot is of some moment, and complete.
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                stdout_of(&servers.etcdctl(None, &["put", &format!("busy/{}", number % 7), &number.to_string()]));
                number += 1;
            }
        });
        for number in 0..5 {
            let file = folder.path().join(format!("busy-{number}.db"));
            stdout_of(&save_from(&member_configs, &[file.to_str().unwrap()]));
            let report = etcdsnap::verify(&file, etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings.list());
        }
        stop.store(true, Ordering::Relaxed);
    });

    // Without writes, both tools save the same contents.
    let (ours, theirs) = (folder.path().join("ours.db"), folder.path().join("theirs.db"));
    let output = save_from(&member_configs, &["-w", "json", ours.to_str().unwrap()]);
    let json = cli::json(&output);
    stdout_of(&servers.etcdctl(None, &["snapshot", "save", theirs.to_str().unwrap()]));
    let (a, b) = (etcdsnap::status(&ours).unwrap().status.unwrap(), etcdsnap::status(&theirs).unwrap().status.unwrap());
    assert_eq!(
        (a.hash, a.revision, a.total_key, a.total_size),
        (b.hash, b.revision, b.total_key, b.total_size),
        "{version}"
    );
    assert_eq!(json["file"], ours.to_str().unwrap());
    assert_eq!(json["endpoint"], member_configs[0].client_url());
    assert_eq!(json["member"], "one");
    assert!(json["serverVersion"].as_str().unwrap().starts_with(version), "{json}");
    assert_eq!(json["revision"].as_i64().unwrap(), a.revision.get());
    assert_eq!(json["hash"].as_u64().unwrap(), u64::from(a.hash));
    assert_eq!(json["bytes"].as_u64().unwrap(), fs::metadata(&ours).unwrap().len());
    assert_eq!(json["verified"], true);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&ours).unwrap().permissions().mode() & 0o777, 0o600);

    // etcdctl's arguments, with its notation of flags.
    let words = folder.path().join("words.db");
    let endpoints = format!("--endpoints={}", member_configs[0].client_url());
    let printed = stdout_of(&cli::run(&[&endpoints, "snapshot", "save", words.to_str().unwrap()]));
    let theirs = stdout_of(&servers.etcdctl(None, &["snapshot", "save", words.to_str().unwrap()]));
    // etcdctl of 3.4 and 3.5 prints no version, and servers before 3.6 report none.
    assert_eq!(printed, theirs, "{version}");

    // A server starts on it.
    let before = servers.agreed_hash(None);
    let keys = stdout_of(&servers.etcdctl(None, &["get", "", "--prefix", "--keys-only"]));
    servers.stop();
    let data = folder.path().join("restored");
    let restored = MemberConfig { data: data.clone(), ..member_configs[0].clone() };
    let arguments = [
        "restore".to_owned(),
        ours.to_str().unwrap().to_owned(),
        "--name=one".to_owned(),
        format!("--data-dir={}", data.display()),
        format!("--initial-cluster={}", initial_cluster(&member_configs)),
        format!("--initial-advertise-peer-urls={}", member_configs[0].peer_url()),
    ];
    stdout_of(&cli::run(&arguments));
    let servers = Servers::start(version, &[restored], folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None), before);
    assert_eq!(stdout_of(&servers.etcdctl(None, &["get", "", "--prefix", "--keys-only"])), keys);
}

fn three_members(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    servers.put_megabytes(1);
    let _ = servers.agreed_hash(None);
    let leader = leader(&member_configs);

    // A follower is used, whatever the order of the endpoints.
    let file = folder.path().join("snapshot.db");
    let name = file.to_str().unwrap();
    let mut rotated = member_configs.clone();
    for _ in 0..3 {
        rotated.rotate_left(1);
        let json = cli::json(&save_from(&rotated, &["-w", "json", name]));
        assert_ne!(json["endpoint"], leader, "{version}: {json}");
    }
    // The contents are the same, whichever member they are from.
    let of = |index: usize| {
        let json = cli::json(&save_from(&member_configs[index..=index], &["-w", "json", name]));
        assert_eq!(json["member"], member_configs[index].name.as_str());
        (json["revision"].clone(), json["totalKey"].clone(), json["clusterId"].clone())
    };
    assert_eq!(of(0), of(1));
    assert_eq!(of(1), of(2));

    // If the stream of the first breaks, the next member is asked.
    let healthiest =
        member_configs.iter().filter(|member_config| member_config.client_url() != leader).collect::<Vec<_>>();
    let broken = FaultyProxy::start(healthiest[0].client, |_| NetworkFault::Cut(300_000));
    let endpoints = format!("--endpoints={},{}", broken.url(), leader);
    let output = cli::run(&["save", &endpoints, "-w", "json", name]);
    let json = cli::json(&output);
    assert_eq!(json["endpoint"], leader);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains(&broken.url()), "{complaint}");

    // One of three members being down is no problem, and is reported.
    let dead = member_configs.iter().position(|member_config| member_config.client_url() != leader).unwrap();
    let member_config = servers.kill(dead);
    let output = save_from(&member_configs, &[name]);
    stdout_of(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&member_config.client_url()), "{output:?}");
}

/// Returns the client URL of the leader.
fn leader(member_configs: &[MemberConfig]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let of = |member_config: &MemberConfig| {
        let config = ClientConfig::default();
        runtime.block_on(async {
            let mut client = etcdsnap::client::Client::connect(&member_config.client_url(), &config).await.unwrap();
            client.status().await.unwrap()
        })
    };
    member_configs.iter().map(of).find(|member| member.is_leader).expect("a leader").endpoint
}

fn save_from(member_configs: &[MemberConfig], arguments: &[&str]) -> Output {
    let endpoints = member_configs.iter().map(MemberConfig::client_url).collect::<Vec<_>>().join(",");
    let endpoints = format!("--endpoints={endpoints}");
    cli::run(&[&["save", &endpoints], arguments].concat())
}

#[test]
fn every_tool_reads_compressed_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    servers.put_megabytes(2);
    let plain = folder.path().join("plain.db");
    stdout_of(&save_from(&member_configs, &[plain.to_str().unwrap()]));
    let plain_status = etcdsnap::status(&plain).unwrap().status.unwrap();
    for codec in ["zstd", "zstd:19", "gzip", "gzip:1"] {
        let file = folder.path().join(codec);
        let json = cli::json(&save_from(&member_configs, &["--compress", codec, "-w", "json", file.to_str().unwrap()]));
        let len = fs::metadata(&file).unwrap().len();
        assert_eq!(json["fileBytes"].as_u64().unwrap(), len);
        assert!(len < json["bytes"].as_u64().unwrap(), "{codec}: {json}");
        let report = etcdsnap::verify(&file, etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Sound);
        let status = report.status.unwrap();
        assert_eq!((status.hash, status.revision), (plain_status.hash, plain_status.revision), "{codec}");
        let data = folder.path().join(format!("{codec}.etcd"));
        stdout_of(&cli::run(&["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]));
    }
    // The system's own tools read them, too.
    let tested = Command::new("gzip").arg("-t").stdin(fs::File::open(folder.path().join("gzip")).unwrap()).status();
    assert!(tested.unwrap().success());
    let refused = save_from(&member_configs, &["--compress", "zstd:99", "x.db"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn saves_through_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let socket = folder.path().join("etcd.sock:1");
    let both = format!("--listen-client-urls={},unix://{}", member_configs[0].client_url(), socket.display());
    let Some(_servers) = Servers::start_with("3.7", &member_configs, folder.path(), &[both]) else { return };
    let file = folder.path().join("snapshot.db");
    let endpoints = format!("--endpoints=unix://{}", socket.display());
    let json = cli::json(&cli::run(&["save", &endpoints, "-w", "json", file.to_str().unwrap()]));
    assert_eq!(json["member"], "one");
}

#[test]
fn templates_and_retention_work() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for name in ["notes.txt", "etcd-0-one-1-20200101T000000Z.db"] {
        fs::write(out.join(name), "not ours").unwrap();
    }
    let mut saved = Vec::new();
    for number in 0..4 {
        stdout_of(&servers.etcdctl(None, &["put", "k", &number.to_string()]));
        let json = cli::json(&save_from(&member_configs, &["--keep", "2", "-w", "json", out.to_str().unwrap()]));
        let file = json["file"].as_str().unwrap().to_owned();
        let revision = json["revision"].as_i64().unwrap();
        assert!(file.contains(&format!("-one-{revision}-")), "{file}");
        assert!(Path::new(&file).exists());
        saved.push(file);
        // Names include seconds.
        thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(saved.iter().map(|file| Path::new(file).exists()).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "what is not recognisably ours stays");

    let output = save_from(&member_configs, &["--keep", "2", out.join("fixed.db").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("{time}"), "{output:?}");
    assert!(!out.join("fixed.db").exists());
    let template = out.join("{member}@{revision}.db");
    let json = cli::json(&save_from(&member_configs, &["-w", "json", template.to_str().unwrap()]));
    assert_eq!(json["file"], out.join(format!("one@{}.db", json["revision"])).to_str().unwrap());
}

#[test]
fn the_library_saves_and_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a"]);
    let Some(servers) = Servers::start("3.6", &member_configs, folder.path()) else { return };
    servers.put_megabytes(5);
    let client = ClientConfig { endpoints: vec![member_configs[0].client_url()], ..ClientConfig::default() };
    let config = SaveConfig { client, ..SaveConfig::default() };
    let file = folder.path().join("snapshot.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let run = |config: &SaveConfig, cancel: &CancellationToken| {
        runtime.block_on(save(config, &file, std::sync::Arc::new(NoProgress), cancel))
    };
    let litter = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("etcdsnap")).collect::<Vec<_>>()
    };
    // Exactly one endpoint.
    for endpoints in [vec![], vec![member_configs[0].client_url(), "127.0.0.1:1".into()]] {
        let client = ClientConfig { endpoints: endpoints.clone(), ..ClientConfig::default() };
        let outcome = run(&SaveConfig { client, ..SaveConfig::default() }, &CancellationToken::new());
        assert!(matches!(outcome, Err(SaveError::Endpoints(count)) if count == endpoints.len()), "{outcome:?}");
    }
    // Cancelled before and during the save; a deadline.
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert!(matches!(run(&config, &cancelled), Err(SaveError::Cancelled)));
    let slow = FaultyProxy::start(member_configs[0].client, |_| NetworkFault::Drip(2_000));
    let client = ClientConfig { endpoints: vec![slow.url()], ..ClientConfig::default() };
    let dripping = SaveConfig { client, ..SaveConfig::default() };
    let cancel = CancellationToken::new();
    let outcome = thread::scope(|scope| {
        scope.spawn(|| {
            while litter().is_empty() {
                thread::yield_now();
            }
            cancel.cancel();
        });
        run(&dripping, &cancel)
    });
    assert!(matches!(outcome, Err(SaveError::Cancelled)), "{outcome:?}");
    let limit = std::time::Duration::from_millis(500);
    let outcome = run(&SaveConfig { timeout: Some(limit), ..dripping }, &CancellationToken::new());
    assert!(matches!(outcome, Err(SaveError::Deadline(after)) if after == limit), "{outcome:?}");
    assert_eq!(litter(), [""; 0]);
    assert!(!file.exists());
    let saved = run(&config, &CancellationToken::new()).unwrap();
    assert_eq!(saved.file, file);
    assert_eq!(saved.bytes, fs::metadata(&file).unwrap().len());
}

/// Endpoints of two clusters together are a mistake that must not go unnoticed.
#[test]
fn two_clusters_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let both = member_configs(folder.path(), &["a", "b"]);
    let Some(_one) = Servers::start("3.5", &both[..1], folder.path()) else { return };
    let Some(_other) = Servers::start("3.5", &both[1..], folder.path()) else { return };
    let file = folder.path().join("snapshot.db");
    let output = save_from(&both, &[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("different clusters"), "{output:?}");
    assert!(!file.exists());
}

/// Variables work as etcdctl's do, and a flag takes precedence.
#[test]
fn environment_variables_work_as_in_etcdctl() {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["a"]);
    let Some(_servers) = Servers::start("3.7", &member_configs, folder.path()) else { return };
    let run = |environment_variables_work_as_in_etcdctl: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(cli::program());
        command
            .envs(environment_variables_work_as_in_etcdctl.iter().copied())
            .args(["save"])
            .args(arguments)
            .arg(folder.path().join("x.db"));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let url = member_configs[0].client_url();
    stdout_of(&run(&[("ETCDCTL_ENDPOINTS", &url)], &[]));
    stdout_of(&run(
        &[
            ("ETCDCTL_ENDPOINTS", &url),
            ("ETCDCTL_CACERT", ""),
            ("ETCDCTL_USER", ""),
            ("ETCDCTL_DIAL_TIMEOUT", ""),
            ("ETCDCTL_INSECURE_TRANSPORT", ""),
        ],
        &[],
    ));
    stdout_of(&run(&[("ETCDCTL_ENDPOINTS", "127.0.0.1:1"), ("ETCDCTL_DIAL_TIMEOUT", "5s")], &["--endpoints", &url]));
    let output = run(&[("ETCDCTL_ENDPOINTS", "127.0.0.1:1")], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing listens there"));
}
