//! `save` accepts the certificates that etcdctl accepts, and refuses those that etcdctl refuses, with a reason: etcdctl runs with the same flags each time.

use std::fs;

use etcdsnap_tests::certificates::{Authority, CertificateUse, Key, self_signed};
use etcdsnap_tests::server::stdout_of;
use etcdsnap_tests::tls_etcd::{NAMES, TlsServer, assert_refused, certificate_flags, client_flags};

/// A key in PKCS#8, and one in OpenSSL's older form, both encrypted with the passphrase "secret".
const ENCRYPTED: [&str; 2] = [
    "\
-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhmj0BCLYzb4gICCAAw\n\
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEENimMdrvcy5TCEqM4vgEVIEgZAe\n\
cytXJhMQhxNwHkXmSNtK2hBpiJDCSH1poNOAvg8BCuOCIkpVua+PMqqnn8XmX1yH\n\
rk2QMcIA2B6VWsK5mIKBOnRkfR10zQNWT8X0Vl++z8q4g3cDpanJI7qg4F3rGeL6\n\
mTe7GmLnW0TJ/Hp6vHkrblpZUN+EtP4ALECSYk5wRwE5Fl1WC8Zp7LGmG2d7qoU=\n\
-----END ENCRYPTED PRIVATE KEY-----\n",
    "\
-----BEGIN EC PRIVATE KEY-----\n\
Proc-Type: 4,ENCRYPTED\n\
DEK-Info: AES-128-CBC,A1845F5E6E1ABF02BD73AE93B1AA3EF0\n\
\n\
YFnFBTaBkeLZlY88AKnEWntdtnCAzZp5qcm/FAgZBG0aKxXOHt46Tm6nhaiBUCXe\n\
ZwGli5JsuUqCw80M7F0cyYR5oRDn2khHvEVU4HfI7Y2Npjmvt5ue7gkoSkKAnpo5\n\
Z8bjgj7dmCcBWMrhmnD7BTRuW3CRkxF78rpokVZ/bjQ=\n\
-----END EC PRIVATE KEY-----\n",
];

fn flag(name: &str, path: &std::path::Path) -> String {
    format!("--{name}={}", path.display())
}

/// `--auto-tls` creates a P-521 certificate that is marked as an authority, and is its own authority.
#[test]
fn certificates_of_auto_tls_are_accepted() {
    for version in ["3.3", "3.4", "3.5", "3.6", "3.7"] {
        let Some(server) = TlsServer::with(version, |_, _| vec!["--auto-tls".into()]) else { return };
        let fixtures = server.folder.path().join("one/fixtures/client");
        let cacert = flag("cacert", &fixtures.join("cert.pem"));
        stdout_of(&server.save_as_etcdctl(&[&cacert]));
        stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
        // The server's own certificate as a client's, which the server does not request.
        let own = [flag("cert", &fixtures.join("cert.pem")), flag("key", &fixtures.join("key.pem"))];
        stdout_of(&server.save_as_etcdctl(&[&cacert, &own[0], &own[1]]));
        assert_refused(
            &server.save_as_etcdctl(&[&server.cacert()]),
            &["(P-521, self-signed)", "is not signed by a trusted authority", "--cacert"],
        );
    }
}

#[test]
fn server_keys_of_every_kind_are_accepted() {
    for (key, authority, extra) in [
        (Key::P521, Key::P521, ""),
        (Key::P521, Key::EcPkcs8, "--tls-max-version=TLS1.2"),
        (Key::P521Sec1, Key::P384, ""),
        (Key::P384, Key::Ed25519, ""),
        (Key::Ed25519, Key::RsaPkcs8, ""),
        (Key::SmallRsa, Key::SmallRsa, ""),
        (Key::SmallRsaPkcs1, Key::P521, "--tls-max-version=TLS1.2"),
    ] {
        let mut cacert = String::new();
        let server = TlsServer::with("3.7", |_, folder| {
            let authority = Authority::with_key(folder, "other", authority);
            cacert = flag("cacert", &authority.cert);
            let mut flags = certificate_flags(&authority.sign("server", CertificateUse::Server(NAMES), key)).to_vec();
            flags.extend((!extra.is_empty()).then(|| extra.to_owned()));
            flags
        });
        let Some(server) = server else { return };
        stdout_of(&server.save_as_etcdctl(&[&cacert]));
        stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
        assert_refused(&server.save_as_etcdctl(&[&server.cacert()]), &["is not signed by a trusted authority"]);
    }
}

#[test]
fn client_keys_of_every_kind_are_accepted() {
    for extra in [&[][..], &["--tls-max-version=TLS1.2"]] {
        let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::P521, true, extra) else {
            return;
        };
        let cacert = server.cacert();
        for (number, key) in [Key::P384, Key::P521, Key::P521Sec1, Key::Ed25519, Key::SmallRsa, Key::SmallRsaPkcs1]
            .into_iter()
            .enumerate()
        {
            let pair = server.authority.sign(&format!("client-{number}"), CertificateUse::Client("someone"), key);
            let [cert, key] = client_flags(&pair);
            stdout_of(&server.save_as_etcdctl(&[&cacert, &cert, &key]));
            stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify", &cert, &key]));
        }
        for (number, key) in [Key::EcPkcs8, Key::RsaPkcs8, Key::SmallRsa].into_iter().enumerate() {
            let pair = server.authority.sign(&format!("old-{number}"), CertificateUse::ClientV1("someone"), key);
            let [cert, key] = client_flags(&pair);
            stdout_of(&server.save_as_etcdctl(&[&cacert, &cert, &key]));
        }
        // The key of another certificate of version 1.
        let [one, two] =
            ["one", "two"].map(|name| server.authority.sign(name, CertificateUse::ClientV1(name), Key::EcPkcs8));
        let mixed = [flag("cert", &one.cert), flag("key", &two.key)];
        assert_refused(
            &server.save_as_etcdctl(&[&cacert, &mixed[0], &mixed[1]]),
            &["--key", "not the key of the certificate"],
        );
        // A server that rejects the certificate does not say why, but etcdsnap names the certificate.
        let stranger = Authority::with_key(server.folder.path(), "stranger", Key::P521);
        let [cert, key] = client_flags(&stranger.sign("strange", CertificateUse::Client("someone"), Key::P521));
        let words = ["rejects our certificate \"someone\" (P-521, issued by \"stranger\")", "--cert and --key"];
        assert_refused(&server.save_as_etcdctl(&[&cacert, &cert, &key]), &words);
        assert_refused(&server.save_as_etcdctl(&[&cacert]), &["requires a client certificate, but none was given"]);
    }
}

/// A server certificate that is also an authority's: what `openssl req -x509` creates, and scripts that sign with an authority's extensions.
#[test]
fn server_certificates_marked_as_authority_are_accepted() {
    type Flags = fn(&Authority, &std::path::Path) -> Vec<String>;
    let cases: [(&str, Flags); 3] = [
        ("self-signed", |_, folder| {
            certificate_flags(&self_signed(folder, "server", CertificateUse::ServerAndAuthority(NAMES), Key::RsaPkcs8))
                .to_vec()
        }),
        ("signed", |authority, _| {
            certificate_flags(&authority.sign("server", CertificateUse::ServerAndAuthority(NAMES), Key::EcPkcs8))
                .to_vec()
        }),
        ("below another", |authority, _| {
            let between = authority.below("between");
            let pair = between.sign("server", CertificateUse::ServerAndAuthority(NAMES), Key::EcPkcs8);
            let chain = [&pair.cert, &between.cert].map(|path| fs::read_to_string(path).unwrap()).concat();
            fs::write(&pair.cert, chain).unwrap();
            certificate_flags(&pair).to_vec()
        }),
    ];
    for (case, flags) in cases {
        let Some(server) = TlsServer::with("3.6", flags) else { return };
        let own = flag("cacert", &server.folder.path().join("server.crt"));
        stdout_of(&server.save_as_etcdctl(&[&own]));
        stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
        let by_authority = server.save_as_etcdctl(&[&server.cacert()]);
        assert_eq!(by_authority.status.success(), case != "self-signed", "{case}");
        let stranger = Authority::new(server.folder.path(), "stranger");
        let strange = flag("cacert", &stranger.cert);
        assert_refused(
            &server.save_as_etcdctl(&[&strange]),
            &["the server's certificate \"server\"", "is not signed by a trusted authority"],
        );
    }
}

/// The names in a certificate count, even if it is in `--cacert` itself.
#[test]
fn an_authority_certificate_for_another_name_is_refused() {
    let flags = |_: &Authority, folder: &std::path::Path| {
        let whose = CertificateUse::ServerAndAuthority(&["other.example"]);
        certificate_flags(&self_signed(folder, "server", whose, Key::EcPkcs8)).to_vec()
    };
    let Some(server) = TlsServer::with("3.7", flags) else { return };
    let own = flag("cacert", &server.folder.path().join("server.crt"));
    assert_refused(&server.save_as_etcdctl(&[&own]), &["is for another name", "127.0.0.1", "other.example"]);
    stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
}

/// `--cacert server.crt`, as some instructions have it, although an authority signed that certificate.
#[test]
fn a_server_certificate_given_as_authority_is_trusted() {
    let Some(server) = TlsServer::start("3.5", CertificateUse::Server(NAMES), Key::EcPkcs8, false, &[]) else { return };
    let own = flag("cacert", &server.folder.path().join("server.crt"));
    stdout_of(&server.save_as_etcdctl(&[&own]));
    let other = server.authority.sign("other", CertificateUse::Server(NAMES), Key::EcPkcs8);
    assert_refused(&server.save_as_etcdctl(&[&flag("cacert", &other.cert)]), &["is not signed by a trusted authority"]);
}

/// Certificates that etcdctl refuses too are refused with the reason, and accepted without verification.
#[test]
fn invalid_certificates_are_refused_with_a_reason() {
    let cases: [(CertificateUse<'_>, &[&str]); 4] = [
        (CertificateUse::NotForServers(NAMES), &["\"server\"", "not for servers", "serverAuth"]),
        (CertificateUse::Server(&[]), &["names no host", "subjectAltName"]),
        (CertificateUse::ClientV1("old"), &["\"old\" (X.509 v1, P-256", "version 1"]),
        (CertificateUse::Expired(NAMES), &["has expired", "clock"]),
    ];
    for (whose, words) in cases {
        let Some(server) = TlsServer::start("3.7", whose, Key::EcPkcs8, false, &[]) else { return };
        assert_refused(&server.save_as_etcdctl(&[&server.cacert()]), words);
        stdout_of(&server.save_as_etcdctl(&["--insecure-skip-tls-verify"]));
    }
}

/// A server without a cipher suite for its own key: the message does not blame our certificate.
#[test]
fn a_missing_common_cipher_suite_is_reported() {
    let suites = ["--tls-max-version=TLS1.2", "--cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"];
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::EcPkcs8, false, &suites) else {
        return;
    };
    let [cert, key] = client_flags(&server.authority.sign("client", CertificateUse::Client("someone"), Key::EcPkcs8));
    let output = server.save_as_etcdctl(&[&server.cacert(), &cert, &key]);
    assert_refused(&output, &["no cipher suite or kind of key in common", "--cipher-suites"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("our certificate"));
}

/// etcd#14015: an encrypted key. etcdctl says that it cannot parse it; etcdsnap says that it is encrypted, and what to do.
#[test]
fn an_encrypted_key_is_named() {
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::EcPkcs8, true, &[]) else { return };
    let [cert, _] = client_flags(&server.authority.sign("client", CertificateUse::Client("someone"), Key::EcPkcs8));
    for (number, pem) in ENCRYPTED.into_iter().enumerate() {
        let path = server.folder.path().join(format!("encrypted-{number}.key"));
        fs::write(&path, pem).unwrap();
        let output = server.save_as_etcdctl(&[&server.cacert(), &cert, &flag("key", &path)]);
        assert_refused(&output, &["--key", "the key is encrypted", "openssl pkey -in"]);
    }
}

/// An invalid token has nothing to do with TLS.
#[test]
fn a_token_with_several_lines_is_refused() {
    let Some(server) = TlsServer::start("3.7", CertificateUse::Server(NAMES), Key::EcPkcs8, false, &[]) else { return };
    let output = server.save(&[&server.cacert(), "--auth-jwt-token=one\ntwo"]);
    assert_refused(&output, &["The token has characters that cannot be sent", "--auth-jwt-token"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("TLS"));
}
