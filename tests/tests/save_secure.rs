//! `etcdsnap save` with TLS, client certificates, users and tokens; and what it says when something about them is wrong.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use etcdsnap_tests::cli;
use etcdsnap_tests::server::{Seat, Servers, said, seats};
use etcdsnap_tests::tls::{Authority, Key, Whose};
use etcdsnap_tests::tls_etcd::{NAMES, Secured, client_flags as flags, refused};

#[test]
fn tls_of_every_version() {
    for (version, key) in [("3.4", Key::EcPkcs8), ("3.5", Key::RsaPkcs1), ("3.6", Key::EcSec1), ("3.7", Key::RsaPkcs8)]
    {
        let Some(server) = Secured::start(version, Whose::Server(NAMES), key, false, &[]) else { return };
        said(&server.save(&[&server.cacert()]));
        said(&server.save(&["--insecure-skip-tls-verify"]));
        // Without a scheme, certificates ask for TLS, as does this flag.
        let bare = format!("127.0.0.1:{}", server.port);
        said(&server.save_at(&bare, &[&server.cacert()]));
        said(&server.save_at(&bare, &["--insecure-transport=false", "--insecure-skip-tls-verify"]));
        said(&server.save_at(&format!("https://localhost:{}", server.port), &[&server.cacert()]));
    }
}

#[test]
fn client_certificates_with_keys_of_every_form() {
    let Some(server) = Secured::start("3.7", Whose::Server(NAMES), Key::EcPkcs8, true, &[]) else { return };
    let cacert = server.cacert();
    for (number, key) in [Key::EcPkcs8, Key::EcSec1, Key::RsaPkcs8, Key::RsaPkcs1].into_iter().enumerate() {
        let pair = server.authority.sign(&format!("client-{number}"), Whose::Client("someone"), key);
        let [cert, key] = flags(&pair);
        said(&server.save(&[&cacert, &cert, &key]));
    }
    refused(&server.save(&[&cacert]), &["wants a certificate of its clients, and none was given", "--cert"]);
    let stranger = Authority::new(server.folder.path(), "stranger");
    let [cert, key] = flags(&stranger.sign("strange", Whose::Client("someone"), Key::EcPkcs8));
    refused(&server.save(&[&cacert, &cert, &key]), &["does not take our certificate \"someone\" (P-256"]);
}

#[test]
fn certificates_that_do_not_match() {
    let Some(server) = Secured::start("3.6", Whose::Server(&["other.example"]), Key::EcPkcs8, false, &[]) else {
        return;
    };
    let cacert = server.cacert();
    refused(&server.save(&[&cacert]), &["another name", "127.0.0.1"]);
    let stranger = Authority::new(server.folder.path(), "stranger");
    refused(&server.save(&[&format!("--cacert={}", stranger.cert.display())]), &["--cacert"]);
    said(&server.save(&["--insecure-skip-tls-verify"]));
    // The wrong way round: plain text to TLS, and TLS to plain text.
    refused(&server.save_at(&format!("http://127.0.0.1:{}", server.port), &[]), &["https://"]);
    let plain = said(&server.servers.etcdctl(None, &["member", "list", "-w", "fields"]));
    let plain =
        plain.lines().find_map(|line| line.strip_prefix("\"ClientURL\" : ")).unwrap().trim_matches('"').to_owned();
    refused(&server.save_at(&plain.replace("http:", "https:"), &[&cacert]), &["hung up", "http://"]);
    // Files that are not what they should be.
    let key = server.folder.path().join("server.key");
    let cert = server.folder.path().join("server.crt");
    let named = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    refused(&server.save(&["--cacert=nowhere.pem"]), &["--cacert", "nowhere.pem", "no such file"]);
    refused(&server.save(&[&named("cacert", &key)]), &["--cacert", "no certificate"]);
    refused(&server.save(&[&cacert, &named("key", &key)]), &["--key", "without --cert"]);
    refused(&server.save(&[&cacert, &named("cert", &cert), &named("key", &cert)]), &["--key", "no key"]);
    let other = server.authority.sign("other", Whose::Client("x"), Key::EcPkcs8);
    refused(&server.save(&[&cacert, &named("cert", &cert), &named("key", &other.key)]), &["--key", "not the key"]);
}

#[test]
fn an_expired_certificate() {
    let Some(server) = Secured::start("3.5", Whose::Expired(NAMES), Key::EcPkcs8, false, &[]) else { return };
    refused(&server.save(&[&server.cacert()]), &["expired", "clock"]);
}

/// Makes the user root, and one who may do nothing, and switches users on.
fn with_users(server: &Secured) {
    for arguments in [
        &["user", "add", "root:rootpw"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "guest:guestpw"],
        &["user", "add", "certified", "--no-password"],
        &["user", "grant-role", "certified", "root"],
        &["auth", "enable"],
    ] {
        said(&server.servers.etcdctl(None, arguments));
    }
}

#[test]
fn users_and_passwords() {
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let Some(server) = Secured::start(version, Whose::Server(NAMES), Key::EcPkcs8, true, &[]) else { return };
        let certified = server.authority.sign("certified", Whose::Client("certified"), Key::EcPkcs8);
        // A certificate whose name is no user's: the password decides then.
        let nobody = server.authority.sign("nobody", Whose::Client("nobody"), Key::EcPkcs8);
        let (cacert, [cert, key]) = (server.cacert(), flags(&nobody));
        let run = |more: &[&str]| server.save(&[&[cacert.as_str(), &cert, &key][..], more].concat());
        // Users are given and the server knows none: as etcdctl, that is no error.
        said(&run(&["--user=root:rootpw"]));
        with_users(&server);
        said(&run(&["--user=root:rootpw"]));
        said(&run(&["--user=root", "--password=rootpw"]));
        let file = server.folder.path().join("password");
        std::fs::write(&file, "rootpw\n").unwrap();
        said(&run(&["--user=root", "--password-file", file.to_str().unwrap()]));
        let named = Command::new(cli::program())
            .args(["save", &format!("--endpoints={}", server.url), &cacert, &cert, &key, "--user=root"])
            .args(["--password-file", file.to_str().unwrap()])
            .arg(server.file())
            // What is said on the command line counts more.
            .env("ETCDCTL_PASSWORD", "another")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        said(&named);
        std::fs::remove_file(server.file()).unwrap();
        refused(&run(&["--user=root:wrong"]), &["--user and the password"]);
        refused(&run(&["--user=nobody:x"]), &["--user and the password"]);
        refused(&run(&["--user=guest:guestpw"]), &["root role"]);
        refused(&run(&["--user=root"]), &["no password", "ETCDCTL_PASSWORD"]);
        refused(&run(&["--password=x"]), &["--user"]);
        // Who the certificate names is the user.
        let [cert, key] = flags(&certified);
        said(&server.save(&[&cacert, &cert, &key]));
        let plain = Command::new(cli::program())
            .args(["save", &format!("--endpoints={}", server.url), &cacert])
            .args(flags(&nobody))
            .arg(server.file())
            .env("ETCDCTL_USER", "root")
            .env("ETCDCTL_PASSWORD", "rootpw")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        said(&plain);
    }
}

#[test]
fn no_user_where_users_are_known() {
    let Some(server) = Secured::start("3.7", Whose::Server(NAMES), Key::EcPkcs8, false, &[]) else { return };
    with_users(&server);
    refused(&server.save(&[&server.cacert()]), &["--user and --password"]);
}

/// Signed tokens, which the server makes with a key of ours.
#[test]
fn signed_tokens() {
    let keys = tempfile::tempdir().unwrap();
    let authority = Authority::new(keys.path(), "tokens");
    let pair = authority.sign("token", Whose::Server(NAMES), Key::RsaPkcs1);
    let ttl = "--auth-token=jwt,sign-method=RS256,ttl=2s";
    let flag = format!("{ttl},priv-key={}", pair.key.display());
    for version in ["3.4", "3.7"] {
        let Some(server) = Secured::start(version, Whose::Server(NAMES), Key::EcPkcs8, false, &[&flag]) else { return };
        with_users(&server);
        said(&server.save(&[&server.cacert(), "--user=root:rootpw"]));
        refused(&server.save(&[&server.cacert(), "--user=guest:guestpw"]), &["root role"]);
        refused(&server.save(&[&server.cacert(), "--auth-jwt-token=nonsense"]), &["token"]);
    }
}

/// A token that runs out between the first word with the server and the snapshot is renewed.
#[test]
fn a_token_that_expires_is_renewed() {
    let keys = tempfile::tempdir().unwrap();
    let authority = Authority::new(keys.path(), "tokens");
    let pair = authority.sign("token", Whose::Server(NAMES), Key::RsaPkcs1);
    let jwt = format!("--auth-token=jwt,sign-method=RS256,ttl=1s,priv-key={}", pair.key.display());
    let simple = "--auth-token-ttl=1".to_owned();
    for flag in [jwt, simple] {
        let folder = tempfile::tempdir().unwrap();
        let seats = seats(folder.path(), &["one"]);
        let Some(servers) = Servers::start_with("3.7", &seats, folder.path(), &[flag]) else { return };
        for arguments in
            [&["user", "add", "root:rootpw"][..], &["user", "grant-role", "root", "root"], &["auth", "enable"]]
        {
            said(&servers.etcdctl(None, arguments));
        }
        let outcome = expired(&seats[0], folder.path());
        outcome.unwrap();
    }
}

/// Connects, waits until the token is too old, and saves with the same connection.
fn expired(seat: &Seat, folder: &Path) -> Result<(), etcdsnap::save::SaveError> {
    use etcdsnap::client::{Auth, Client, ClientConfig};
    let auth = Some(Auth::User { name: "root".into(), password: "rootpw".into() });
    let client = ClientConfig { endpoints: vec![seat.client_url()], auth, ..ClientConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = etcdsnap::save::SaveConfig { client, ..etcdsnap::save::SaveConfig::default() };
    runtime.block_on(async {
        let client = Client::connect(&seat.client_url(), &config.client).await?;
        sleep(Duration::from_secs(3));
        let progress = std::sync::Arc::new(etcdsnap::NoProgress);
        let cancel = tokio_util::sync::CancellationToken::new();
        etcdsnap::save::save_with(client, &config, &folder.join("snapshot.db"), progress, &cancel).await.map(drop)
    })
}
