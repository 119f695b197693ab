//! `save --compact`: the file equals that of a server that compacted at the snapshot's revision, and is marked as different from what the server sent.

use std::fs;
use std::path::Path;

use etcdsnap::{Verdict, VerifyOptions, verify};
use etcdsnap_tests::cli::{self, text};
use etcdsnap_tests::etcd_verdict::{self, Outcome};
use etcdsnap_tests::folder_names::names;
use etcdsnap_tests::server::{Servers, member_configs, stdout_of};

fn of_version(version: &str) {
    let folder = tempfile::tempdir().unwrap();
    let member_configs = member_configs(folder.path(), &["one"]);
    let Some(servers) = Servers::start(version, &member_configs, folder.path()) else { return };
    let ctl = |args: &[&str]| stdout_of(&servers.etcdctl(None, args));
    for number in 0..40 {
        ctl(&["put", &format!("/registry/pods/{}", number % 7), &format!("value {number}")]);
    }
    ctl(&["del", "/registry/pods/3"]);
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let endpoint = format!("--endpoints={}", member_configs[0].client_url());
    let save = |name: &str, more: &[&str]| {
        let file = out.join(name);
        (cli::run(&[&["save", &endpoint, text(&file), "--compact"][..], more].concat()), file)
    };
    let (output, file) = save("small.db", &["-wjson", "--no-compare"]);
    let object = cli::json(&output);
    assert_eq!(output.status.code(), Some(0), "{version}: {object}");
    let report = verify(&file, VerifyOptions::default()).unwrap();
    assert_eq!(report.verdict, Verdict::Sound, "{version}: {:?}", report.findings);
    let status = report.status.unwrap();
    assert_eq!(status.compacted_revision, Some(status.revision), "{version}");
    assert_eq!(status.total_key, 6, "{version}");
    assert_eq!(object["compaction"]["revision"], status.revision.get(), "{version}: {object}");
    assert_eq!((&object["hash"], &object["bytes"]), (&status.hash.into(), &(status.total_size + 32).into()));
    assert_eq!(object["fileBytes"], fs::metadata(&file).unwrap().len());
    assert_eq!((&object["sha256Matches"], &object["verified"]), (&true.into(), &true.into()));
    assert_eq!(object["sha256"], report.trailer.actual.unwrap().0.as_str());
    assert_ne!(object["sha256"], object["compaction"]["serverSha256"]);
    assert!(object["compaction"]["serverBytes"].as_u64() > object["bytes"].as_u64(), "{version}: {object}");

    // Compressed it is the same file, and the output mentions the compaction.
    let (output, packed) = save("small.db.zst", &["--compress=zstd", "--verify=hash", "--no-compare"]);
    let told = stdout_of(&output);
    assert!(told.contains("differ from the server's") && told.contains("compressed to"), "{version}: {told}");
    assert!(told.contains("every page and entry checked"), "{version}: {told}");
    assert_eq!(verify(&packed, VerifyOptions::default()).unwrap().verdict, Verdict::Sound);
    let hash = |path: &Path| cli::json(&cli::run(&["hashkv", text(path), "-wjson"]))["hash"].clone();
    assert_eq!(hash(&packed), hash(&file), "{version}");

    // A stream would be sent before it can be rewritten.
    let refused = cli::run(&["save", &endpoint, "-", "--compact"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stdout.is_empty());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--compact must rewrite a complete file"), "{refused:?}");
    assert_eq!(names(&out), ["small.db", "small.db.zst"], "{version}");

    // A server that compacts there has the same hash. It has kept none from before, because no client requested one.
    ctl(&["compact", "--physical", &status.revision.to_string()]);
    assert_eq!(servers.agreed_hash(None), (status.revision.get() as u64, hash(&file).as_u64().unwrap()), "{version}");

    // Retention treats them as one history.
    for _ in 0..3 {
        ctl(&["put", "more", "and more"]);
        let (output, _) = save("{cluster}-{revision}-{time}.db", &["--keep=2"]);
        assert!(output.status.success(), "{version}: {output:?}");
    }
    assert_eq!(names(&out).iter().filter(|name| name.ends_with(".db")).count(), 3, "{version}: {:?}", names(&out));

    servers.stop();
    let Some(Outcome::Answers(service)) = etcd_verdict::restore_and_start(version, &fs::read(&file).unwrap()) else {
        panic!("{version}: the server does not start");
    };
    assert_eq!(service.keys, Some((6, status.revision.get() as u64)), "{version}");
    assert!(service.writes && service.healthy, "{version}: {service:?}");
}

#[test]
fn a_server_of_3_4() {
    of_version("3.4");
}

#[test]
fn a_server_of_3_5() {
    of_version("3.5");
}

#[test]
fn a_server_of_3_6() {
    of_version("3.6");
}

#[test]
fn a_server_of_3_7() {
    of_version("3.7");
}
