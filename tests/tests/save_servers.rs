//! `etcdsnap save` on real servers: what it saves is what the version's own etcdctl saves, and comes up again.

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
use etcdsnap_tests::proxy::{Mischief, Proxy};
use etcdsnap_tests::server::{Seat, Servers, initial_cluster, said, seats};
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
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start(version, &seats, folder.path()) else { return };
    servers.fill(3);

    // While others write, each snapshot is of some moment, and whole.
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                said(&servers.etcdctl(None, &["put", &format!("busy/{}", number % 7), &number.to_string()]));
                number += 1;
            }
        });
        for number in 0..5 {
            let file = folder.path().join(format!("busy-{number}.db"));
            said(&save_from(&seats, &[file.to_str().unwrap()]));
            let report = etcdsnap::verify(&file, etcdsnap::VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings.list());
        }
        stop.store(true, Ordering::Relaxed);
    });

    // At rest, ours and theirs hold the same.
    let (ours, theirs) = (folder.path().join("ours.db"), folder.path().join("theirs.db"));
    let output = save_from(&seats, &["-w", "json", ours.to_str().unwrap()]);
    let json = cli::json(&output);
    said(&servers.etcdctl(None, &["snapshot", "save", theirs.to_str().unwrap()]));
    let (a, b) = (etcdsnap::status(&ours).unwrap().status.unwrap(), etcdsnap::status(&theirs).unwrap().status.unwrap());
    assert_eq!(
        (a.hash, a.revision, a.total_key, a.total_size),
        (b.hash, b.revision, b.total_key, b.total_size),
        "{version}"
    );
    assert_eq!(json["file"], ours.to_str().unwrap());
    assert_eq!(json["endpoint"], seats[0].client_url());
    assert_eq!(json["member"], "one");
    assert!(json["serverVersion"].as_str().unwrap().starts_with(version), "{json}");
    assert_eq!(json["revision"].as_i64().unwrap(), a.revision.get());
    assert_eq!(json["hash"].as_u64().unwrap(), u64::from(a.hash));
    assert_eq!(json["bytes"].as_u64().unwrap(), fs::metadata(&ours).unwrap().len());
    assert_eq!(json["verified"], true);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&ours).unwrap().permissions().mode() & 0o777, 0o600);

    // etcdctl's words, with its way to write flags.
    let words = folder.path().join("words.db");
    let endpoints = format!("--endpoints={}", seats[0].client_url());
    let printed = said(&cli::run(&[&endpoints, "snapshot", "save", words.to_str().unwrap()]));
    let theirs = said(&servers.etcdctl(None, &["snapshot", "save", words.to_str().unwrap()]));
    // etcdctl of 3.4 and 3.5 prints no version, and servers before 3.6 tell none.
    assert_eq!(printed, theirs, "{version}");

    // It comes up again.
    let before = servers.agreed_hash(None);
    let keys = said(&servers.etcdctl(None, &["get", "", "--prefix", "--keys-only"]));
    servers.stop();
    let data = folder.path().join("restored");
    let restored = Seat { data: data.clone(), ..seats[0].clone() };
    let arguments = [
        "restore".to_owned(),
        ours.to_str().unwrap().to_owned(),
        "--name=one".to_owned(),
        format!("--data-dir={}", data.display()),
        format!("--initial-cluster={}", initial_cluster(&seats)),
        format!("--initial-advertise-peer-urls={}", seats[0].peer_url()),
    ];
    said(&cli::run(&arguments));
    let servers = Servers::start(version, &[restored], folder.path()).unwrap();
    assert_eq!(servers.agreed_hash(None), before);
    assert_eq!(said(&servers.etcdctl(None, &["get", "", "--prefix", "--keys-only"])), keys);
}

fn three_members(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["a", "b", "c"]);
    let Some(mut servers) = Servers::start(version, &seats, folder.path()) else { return };
    servers.fill(1);
    let _ = servers.agreed_hash(None);
    let leader = leader(&seats);

    // A follower is taken, whatever the order of the endpoints.
    let file = folder.path().join("snapshot.db");
    let name = file.to_str().unwrap();
    let mut rotated = seats.clone();
    for _ in 0..3 {
        rotated.rotate_left(1);
        let json = cli::json(&save_from(&rotated, &["-w", "json", name]));
        assert_ne!(json["endpoint"], leader, "{version}: {json}");
    }
    // Whichever member it is of, it holds the same.
    let of = |index: usize| {
        let json = cli::json(&save_from(&seats[index..=index], &["-w", "json", name]));
        assert_eq!(json["member"], seats[index].name.as_str());
        (json["revision"].clone(), json["totalKey"].clone(), json["clusterId"].clone())
    };
    assert_eq!(of(0), of(1));
    assert_eq!(of(1), of(2));

    // When the stream of the first breaks, the next is asked.
    let healthiest = seats.iter().filter(|seat| seat.client_url() != leader).collect::<Vec<_>>();
    let broken = Proxy::start(healthiest[0].client, |_| Mischief::Cut(300_000));
    let endpoints = format!("--endpoints={},{}", broken.url(), leader);
    let output = cli::run(&["save", &endpoints, "-w", "json", name]);
    let json = cli::json(&output);
    assert_eq!(json["endpoint"], leader);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains(&broken.url()), "{complaint}");

    // One dead of three is no trouble, and is named.
    let dead = seats.iter().position(|seat| seat.client_url() != leader).unwrap();
    let seat = servers.kill(dead);
    let output = save_from(&seats, &[name]);
    said(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains(&seat.client_url()), "{output:?}");
}

/// The client URL of the leader.
fn leader(seats: &[Seat]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let of = |seat: &Seat| {
        let config = ClientConfig::default();
        runtime.block_on(async {
            let mut client = etcdsnap::client::Client::connect(&seat.client_url(), &config).await.unwrap();
            client.status().await.unwrap()
        })
    };
    seats.iter().map(of).find(|member| member.is_leader).expect("a leader").endpoint
}

fn save_from(seats: &[Seat], arguments: &[&str]) -> Output {
    let endpoints = seats.iter().map(Seat::client_url).collect::<Vec<_>>().join(",");
    let endpoints = format!("--endpoints={endpoints}");
    cli::run(&[&["save", &endpoints], arguments].concat())
}

#[test]
fn compressed_snapshots_are_read_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    servers.fill(2);
    let plain = folder.path().join("plain.db");
    said(&save_from(&seats, &[plain.to_str().unwrap()]));
    let plain_status = etcdsnap::status(&plain).unwrap().status.unwrap();
    for codec in ["zstd", "zstd:19", "gzip", "gzip:1"] {
        let file = folder.path().join(codec);
        let json = cli::json(&save_from(&seats, &["--compress", codec, "-w", "json", file.to_str().unwrap()]));
        let len = fs::metadata(&file).unwrap().len();
        assert_eq!(json["fileBytes"].as_u64().unwrap(), len);
        assert!(len < json["bytes"].as_u64().unwrap(), "{codec}: {json}");
        let report = etcdsnap::verify(&file, etcdsnap::VerifyOptions::default()).unwrap();
        assert_eq!(report.verdict, Verdict::Sound);
        let status = report.status.unwrap();
        assert_eq!((status.hash, status.revision), (plain_status.hash, plain_status.revision), "{codec}");
        let data = folder.path().join(format!("{codec}.etcd"));
        said(&cli::run(&["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]));
    }
    // The system's own tools read them, too.
    let tested = Command::new("gzip").arg("-t").stdin(fs::File::open(folder.path().join("gzip")).unwrap()).status();
    assert!(tested.unwrap().success());
    let refused = save_from(&seats, &["--compress", "zstd:99", "x.db"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let socket = folder.path().join("etcd.sock:1");
    let both = format!("--listen-client-urls={},unix://{}", seats[0].client_url(), socket.display());
    let Some(_servers) = Servers::start_with("3.7", &seats, folder.path(), &[both]) else { return };
    let file = folder.path().join("snapshot.db");
    let endpoints = format!("--endpoints=unix://{}", socket.display());
    let json = cli::json(&cli::run(&["save", &endpoints, "-w", "json", file.to_str().unwrap()]));
    assert_eq!(json["member"], "one");
}

#[test]
fn names_and_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["one"]);
    let Some(servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for name in ["notes.txt", "etcd-0-one-1-20200101T000000Z.db"] {
        fs::write(out.join(name), "not ours").unwrap();
    }
    let mut saved = Vec::new();
    for number in 0..4 {
        said(&servers.etcdctl(None, &["put", "k", &number.to_string()]));
        let json = cli::json(&save_from(&seats, &["--keep", "2", "-w", "json", out.to_str().unwrap()]));
        let file = json["file"].as_str().unwrap().to_owned();
        let revision = json["revision"].as_i64().unwrap();
        assert!(file.contains(&format!("-one-{revision}-")), "{file}");
        assert!(Path::new(&file).exists());
        saved.push(file);
        // Names tell seconds.
        thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(saved.iter().map(|file| Path::new(file).exists()).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "what is not recognisably ours stays");

    let output = save_from(&seats, &["--keep", "2", out.join("fixed.db").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("{time}"), "{output:?}");
    assert!(!out.join("fixed.db").exists());
    let template = out.join("{member}@{revision}.db");
    let json = cli::json(&save_from(&seats, &["-w", "json", template.to_str().unwrap()]));
    assert_eq!(json["file"], out.join(format!("one@{}.db", json["revision"])).to_str().unwrap());
}

#[test]
fn as_a_library() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["a"]);
    let Some(servers) = Servers::start("3.6", &seats, folder.path()) else { return };
    servers.fill(5);
    let client = ClientConfig { endpoints: vec![seats[0].client_url()], ..ClientConfig::default() };
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
    for endpoints in [vec![], vec![seats[0].client_url(), "127.0.0.1:1".into()]] {
        let client = ClientConfig { endpoints: endpoints.clone(), ..ClientConfig::default() };
        let outcome = run(&SaveConfig { client, ..SaveConfig::default() }, &CancellationToken::new());
        assert!(matches!(outcome, Err(SaveError::Endpoints(count)) if count == endpoints.len()), "{outcome:?}");
    }
    // Cancelled before and while it runs; a deadline.
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    assert!(matches!(run(&config, &cancelled), Err(SaveError::Cancelled)));
    let slow = Proxy::start(seats[0].client, |_| Mischief::Drip(2_000));
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

/// The endpoints of two clusters together are a mistake that must not pass unnoticed.
#[test]
fn two_clusters_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let both = seats(folder.path(), &["a", "b"]);
    let Some(_one) = Servers::start("3.5", &both[..1], folder.path()) else { return };
    let Some(_other) = Servers::start("3.5", &both[1..], folder.path()) else { return };
    let file = folder.path().join("snapshot.db");
    let output = save_from(&both, &[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("different clusters"), "{output:?}");
    assert!(!file.exists());
}

/// Variables count as etcdctl's do, and a flag counts more.
#[test]
fn variables() {
    let folder = tempfile::tempdir().unwrap();
    let seats = seats(folder.path(), &["a"]);
    let Some(_servers) = Servers::start("3.7", &seats, folder.path()) else { return };
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(cli::program());
        command.envs(variables.iter().copied()).args(["save"]).args(arguments).arg(folder.path().join("x.db"));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let url = seats[0].client_url();
    said(&run(&[("ETCDCTL_ENDPOINTS", &url)], &[]));
    said(&run(
        &[
            ("ETCDCTL_ENDPOINTS", &url),
            ("ETCDCTL_CACERT", ""),
            ("ETCDCTL_USER", ""),
            ("ETCDCTL_DIAL_TIMEOUT", ""),
            ("ETCDCTL_INSECURE_TRANSPORT", ""),
        ],
        &[],
    ));
    said(&run(&[("ETCDCTL_ENDPOINTS", "127.0.0.1:1"), ("ETCDCTL_DIAL_TIMEOUT", "5s")], &["--endpoints", &url]));
    let output = run(&[("ETCDCTL_ENDPOINTS", "127.0.0.1:1")], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing listens there"));
}
