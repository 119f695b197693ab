//! `etcdsnap save` with TLS, client certificates, users and tokens; and its messages if something about them is wrong.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use etcdsnap_tests::certificates::{Authority, CertificateUse, Key};
use etcdsnap_tests::cli;
use etcdsnap_tests::server::{MemberConfig, Servers, member_configs, stdout_of};
use etcdsnap_tests::tls_etcd::{NAMES, TlsServer, assert_refused, client_flags as flags};

#[test]
fn tls_works_with_every_version() {
    for (version, key) in [("3.4", Key::EcPkcs8), ("3.5", Key::RsaPkcs1), ("3.6", Key::EcSec1), ("3.7", Key::RsaPkcs8)]
    {
        let Some(server) = TlsServer::start(version, CertificateUse::Server(NAMES), key, false, &[]) else { return };
        stdout_of(&server.save(&[&server.cacert()]));
        stdout_of(&server.save(&["--insecure-skip-tls-verify"]));
        // Without a scheme, certificates imply TLS, as does this flag.
        let bare = format!("127.0.0.1:{}", server.port);
        stdout_of(&server.save_at(&bare, &[&server.cacert()]));
        stdout_of(&server.save_at(&bare, &["--insecure-transport=false", "--insecure-skip-tls-verify"]));
        stdout_of(&server.save_at(&format!("https://localhost:{}", server.port), &[&server.cacert()]));
    }
}

#[test]
fn client_certificates_work_with_every_key_encoding() {
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::EcPkcs8, true, &[]) else { return };
    let cacert = server.cacert();
    for (number, key) in [Key::EcPkcs8, Key::EcSec1, Key::RsaPkcs8, Key::RsaPkcs1].into_iter().enumerate() {
        let pair = server.authority.sign(&format!("client-{number}"), CertificateUse::Client("someone"), key);
        let [cert, key] = flags(&pair);
        stdout_of(&server.save(&[&cacert, &cert, &key]));
    }
    assert_refused(&server.save(&[&cacert]), &["requires a client certificate, but none was given", "--cert"]);
    let stranger = Authority::new(server.folder.path(), "stranger");
    let [cert, key] = flags(&stranger.sign("strange", CertificateUse::Client("someone"), Key::EcPkcs8));
    assert_refused(&server.save(&[&cacert, &cert, &key]), &["rejects our certificate \"someone\" (P-256"]);
}

#[test]
fn certificates_that_do_not_match_are_explained() {
    let Some(server) = TlsServer::start("3.6", CertificateUse::Server(&["other.example"]), Key::EcPkcs8, false, &[])
    else {
        return;
    };
    let cacert = server.cacert();
    assert_refused(&server.save(&[&cacert]), &["another name", "127.0.0.1"]);
    let stranger = Authority::new(server.folder.path(), "stranger");
    assert_refused(&server.save(&[&format!("--cacert={}", stranger.cert.display())]), &["--cacert"]);
    stdout_of(&server.save(&["--insecure-skip-tls-verify"]));
    // Protocols swapped: plain text to TLS, and TLS to plain text.
    assert_refused(&server.save_at(&format!("http://127.0.0.1:{}", server.port), &[]), &["https://"]);
    let plain = stdout_of(&server.servers.etcdctl(None, &["member", "list", "-w", "fields"]));
    let plain =
        plain.lines().find_map(|line| line.strip_prefix("\"ClientURL\" : ")).unwrap().trim_matches('"').to_owned();
    assert_refused(&server.save_at(&plain.replace("http:", "https:"), &[&cacert]), &["hung up", "http://"]);
    // Files with unexpected contents.
    let key = server.folder.path().join("server.key");
    let cert = server.folder.path().join("server.crt");
    let named = |flag: &str, path: &Path| format!("--{flag}={}", path.display());
    assert_refused(&server.save(&["--cacert=nowhere.pem"]), &["--cacert", "nowhere.pem", "no such file"]);
    assert_refused(&server.save(&[&named("cacert", &key)]), &["--cacert", "no certificate"]);
    assert_refused(&server.save(&[&cacert, &named("key", &key)]), &["--key", "without --cert"]);
    assert_refused(&server.save(&[&cacert, &named("cert", &cert), &named("key", &cert)]), &["--key", "no key"]);
    let other = server.authority.sign("other", CertificateUse::Client("x"), Key::EcPkcs8);
    assert_refused(
        &server.save(&[&cacert, &named("cert", &cert), &named("key", &other.key)]),
        &["--key", "not the key"],
    );
}

#[test]
fn an_expired_certificate_is_explained() {
    let Some(server) = TlsServer::start("3.5", CertificateUse::Expired(NAMES), Key::EcPkcs8, false, &[]) else {
        return;
    };
    assert_refused(&server.save(&[&server.cacert()]), &["expired", "clock"]);
}

/// Creates the user root, and one without rights, and enables authentication.
fn with_users(server: &TlsServer) {
    for arguments in [
        &["user", "add", "root:rootpw"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "guest:guestpw"],
        &["user", "add", "certified", "--no-password"],
        &["user", "grant-role", "certified", "root"],
        &["auth", "enable"],
    ] {
        stdout_of(&server.servers.etcdctl(None, arguments));
    }
}

#[test]
fn users_and_passwords_work_as_in_etcdctl() {
    for version in ["3.4", "3.5", "3.6", "3.7"] {
        let Some(server) = TlsServer::start(version, CertificateUse::Server(NAMES), Key::EcPkcs8, true, &[]) else {
            return;
        };
        let certified = server.authority.sign("certified", CertificateUse::Client("certified"), Key::EcPkcs8);
        // If no user has the name in the certificate, the password decides.
        let nobody = server.authority.sign("nobody", CertificateUse::Client("nobody"), Key::EcPkcs8);
        let (cacert, [cert, key]) = (server.cacert(), flags(&nobody));
        let run = |more: &[&str]| server.save(&[&[cacert.as_str(), &cert, &key][..], more].concat());
        // A user is given although authentication is off: as in etcdctl, that is not an error.
        stdout_of(&run(&["--user=root:rootpw"]));
        with_users(&server);
        stdout_of(&run(&["--user=root:rootpw"]));
        stdout_of(&run(&["--user=root", "--password=rootpw"]));
        let file = server.folder.path().join("password");
        std::fs::write(&file, "rootpw\n").unwrap();
        stdout_of(&run(&["--user=root", "--password-file", file.to_str().unwrap()]));
        let named = Command::new(cli::program())
            .args(["save", &format!("--endpoints={}", server.url), &cacert, &cert, &key, "--user=root"])
            .args(["--password-file", file.to_str().unwrap()])
            .arg(server.file())
            // The command line takes precedence.
            .env("ETCDCTL_PASSWORD", "another")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        stdout_of(&named);
        std::fs::remove_file(server.file()).unwrap();
        assert_refused(&run(&["--user=root:wrong"]), &["--user and the password"]);
        assert_refused(&run(&["--user=nobody:x"]), &["--user and the password"]);
        assert_refused(&run(&["--user=guest:guestpw"]), &["root role"]);
        assert_refused(&run(&["--user=root"]), &["No password", "ETCDCTL_PASSWORD"]);
        assert_refused(&run(&["--password=x"]), &["--user"]);
        // The certificate's name is the user.
        let [cert, key] = flags(&certified);
        stdout_of(&server.save(&[&cacert, &cert, &key]));
        let plain = Command::new(cli::program())
            .args(["save", &format!("--endpoints={}", server.url), &cacert])
            .args(flags(&nobody))
            .arg(server.file())
            .env("ETCDCTL_USER", "root")
            .env("ETCDCTL_PASSWORD", "rootpw")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        stdout_of(&plain);
    }
}

#[test]
fn a_missing_user_is_explained() {
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::EcPkcs8, false, &[]) else { return };
    with_users(&server);
    assert_refused(&server.save(&[&server.cacert()]), &["--user and --password"]);
}

/// Signed tokens, which the server creates with a key of the test.
#[test]
fn signed_tokens_work() {
    let keys = tempfile::tempdir().unwrap();
    let authority = Authority::new(keys.path(), "tokens");
    let pair = authority.sign("token", CertificateUse::Server(NAMES), Key::RsaPkcs1);
    let ttl = "--auth-token=jwt,sign-method=RS256,ttl=2s";
    let flag = format!("{ttl},priv-key={}", pair.key.display());
    for version in ["3.4", "3.7"] {
        let Some(server) = TlsServer::start(version, CertificateUse::Server(NAMES), Key::EcPkcs8, false, &[&flag])
        else {
            return;
        };
        with_users(&server);
        stdout_of(&server.save(&[&server.cacert(), "--user=root:rootpw"]));
        assert_refused(&server.save(&[&server.cacert(), "--user=guest:guestpw"]), &["root role"]);
        assert_refused(&server.save(&[&server.cacert(), "--auth-jwt-token=nonsense"]), &["token"]);
    }
}

/// A token that expires between the first request and the snapshot is renewed.
#[test]
fn a_token_that_expires_is_renewed() {
    let keys = tempfile::tempdir().unwrap();
    let authority = Authority::new(keys.path(), "tokens");
    let pair = authority.sign("token", CertificateUse::Server(NAMES), Key::RsaPkcs1);
    let jwt = format!("--auth-token=jwt,sign-method=RS256,ttl=1s,priv-key={}", pair.key.display());
    let simple = "--auth-token-ttl=1".to_owned();
    for flag in [jwt, simple] {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let Some(servers) = Servers::start_with("3.7", &member_configs, folder.path(), &[flag]) else { return };
        for arguments in
            [&["user", "add", "root:rootpw"][..], &["user", "grant-role", "root", "root"], &["auth", "enable"]]
        {
            stdout_of(&servers.etcdctl(None, arguments));
        }
        let outcome = expired(&member_configs[0], folder.path());
        outcome.unwrap();
    }
}

/// Connects, waits until the token has expired, and saves over the same connection.
fn expired(member_config: &MemberConfig, folder: &Path) -> Result<(), etcdsnap::save::SaveError> {
    use etcdsnap::client::{Auth, Client, ClientConfig};
    let auth = Some(Auth::User { name: "root".into(), password: "rootpw".into() });
    let client = ClientConfig { endpoints: vec![member_config.client_url()], auth, ..ClientConfig::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = etcdsnap::save::SaveConfig { client, ..etcdsnap::save::SaveConfig::default() };
    runtime.block_on(async {
        let client = Client::connect(&member_config.client_url(), &config.client).await?;
        sleep(Duration::from_secs(3));
        let progress = std::sync::Arc::new(etcdsnap::NoProgress);
        let cancel = tokio_util::sync::CancellationToken::new();
        etcdsnap::save::save_with(client, &config, &folder.join("snapshot.db"), progress, &cancel).await.map(drop)
    })
}
