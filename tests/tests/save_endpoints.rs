//! Endpoints, proxies, SRV records and timeouts work as in etcdctl: it runs with the same flags each time.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use etcdsnap_tests::certificates::{CertificateUse, Key};
use etcdsnap_tests::cli;
use etcdsnap_tests::connect_proxy::{ConnectProxy, ProxyReply};
use etcdsnap_tests::name_server::{self, Record};
use etcdsnap_tests::server::{Servers, member_configs, program, stdout_of};
use etcdsnap_tests::tls_etcd::{TlsServer, assert_refused};

/// A server that speaks plain text.
struct PlainServer {
    folder: tempfile::TempDir,
    _servers: Servers,
    port: u16,
}

impl PlainServer {
    /// Starts a server at `127.0.0.1`, and at the address that `more` returns for the port and the folder.
    fn start(more: impl FnOnce(u16, &Path) -> String) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let member_configs = member_configs(folder.path(), &["one"]);
        let port = member_configs[0].client;
        let listen = format!("--listen-client-urls={},{}", member_configs[0].client_url(), more(port, folder.path()));
        let servers = Servers::start_with("3.7", &member_configs, folder.path(), &[listen])?;
        Some(Self { folder, _servers: servers, port })
    }
}

/// Reads a key with etcdctl, then saves from the same endpoint with these variables in a directory: both must succeed, or both fail. Returns our output.
fn save_as_etcdctl(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Output {
    let output = |command: &mut Command| {
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.envs(variables.iter().copied()).current_dir(folder).stdin(Stdio::null()).output().unwrap()
    };
    let mut etcdctl = program("3.7", "etcdctl").expect("etcdctl is built with etcd");
    let theirs = output(etcdctl.args(flags).args(["--command-timeout=2s", "get", "x"]));
    let ours = output(Command::new(cli::program()).arg("save").args(flags).arg("snapshot.db"));
    let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let (printed, they_said) = (text(&ours), text(&theirs));
    assert_eq!(ours.status.success(), theirs.status.success(), "{flags:?}\nours: {printed}\netcdctl: {they_said}");
    ours
}

#[test]
fn endpoints_work_in_every_form() {
    let Some(server) = PlainServer::start(|port, _| format!("http://[::1]:{port}")) else { return };
    let port = server.port;
    for endpoint in [
        format!("HTTP://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{port}/some/path?and=more"),
        format!("http://me:secret@127.0.0.1:{port}"),
        format!("http://[::1]:{port}"),
        // A zone is the name of an interface, and %25 encodes the percent sign (RFC 6874).
        format!("http://[::1%25lo]:{port}"),
        format!("[127.0.0.1]:{port}"),
    ] {
        stdout_of(&save_as_etcdctl(server.folder.path(), &[&format!("--endpoints={endpoint}")], &[]));
    }
    for (endpoint, words) in [
        ("http://127.0.0.1".to_owned(), "it has no port"),
        (format!("::1:{port}"), "an IPv6 address needs brackets"),
        (format!("https://127.0.0.1:{port}"), "write http:// before the address"),
    ] {
        assert_refused(&save_as_etcdctl(server.folder.path(), &[&format!("--endpoints={endpoint}")], &[]), &[words]);
    }
}

/// The client's part of etcd#10287: a link-local address needs its zone, which is not part of a certificate's name.
#[test]
fn a_zone_is_not_part_of_a_certificates_name() {
    let whose = CertificateUse::Server(&["::1", "127.0.0.1"]);
    let Some(server) = TlsServer::start("3.7", whose, Key::EcPkcs8, false, &[]) else { return };
    let cacert = server.cacert();
    let url = format!("https://[::1%25lo]:{}", server.port);
    stdout_of(&server.save_at_as_etcdctl(&url, &["--insecure-skip-tls-verify"]));
    // etcdctl compares the certificate with address and zone, and fails; without a scheme it accepts no zone at all.
    for endpoint in [url, format!("[::1%lo]:{}", server.port), format!("[::1%1]:{}", server.port)] {
        stdout_of(&server.save_at(&endpoint, &[&cacert]));
    }
    let output = server.save_at_as_etcdctl("https://[fe80::1]:2379", &[&cacert, "--dial-timeout=2s"]);
    assert_refused(&output, &["a link-local address needs its network interface: [fe80::1%25INTERFACE]"]);
    let link_local = member_configs(server.folder.path(), &["x"])[0].client;
    let output = server.save_at(&format!("https://[fe80::1%25nowhere]:{link_local}"), &[&cacert, "--dial-timeout=5s"]);
    assert_refused(
        &output,
        &["https://[fe80::1%25nowhere]", "cannot be reached: there is no network interface \"nowhere\""],
    );
}

#[test]
fn unix_sockets_work() {
    let Some(server) = PlainServer::start(|_, folder| format!("unix://{}/etcd:2", folder.display())) else { return };
    let folder = server.folder.path();
    std::fs::create_dir(folder.join("a b")).unwrap();
    std::os::unix::fs::symlink(folder.join("etcd:2"), folder.join("a b/etcd:2")).unwrap();
    let root = folder.display();
    for endpoint in [
        format!("unix://{root}/etcd:2"),
        format!("unix:{root}/etcd:2"),
        format!("unix://{root}/a%20b/etcd:2"),
        format!("unix://{root}/a b/etcd:2"),
        format!("unix://{root}/etcd:2?x"),
        "unix://etcd:2".into(),
        "unix:etcd:2".into(),
        "unix://./etcd:2".into(),
        "unix:a b/etcd:2".into(),
    ] {
        stdout_of(&save_as_etcdctl(folder, &[&format!("--endpoints={endpoint}")], &[]));
    }
    let none = save_as_etcdctl(folder, &["--endpoints=unix://etcd:3"], &[]);
    assert_refused(&none, &["unix://etcd:3 cannot be reached: there is no such socket"]);
}

/// etcd#12174: through the proxy of HTTPS_PROXY, whatever the endpoint's scheme; the proxy resolves the name.
#[test]
fn saves_through_a_proxy() {
    let Some(server) =
        TlsServer::start("3.7", CertificateUse::Server(&["etcd.example", "127.0.0.1"]), Key::EcPkcs8, false, &[])
    else {
        return;
    };
    let folder = server.folder.path();
    let cacert = server.cacert();
    let proxy = ConnectProxy::start(ProxyReply::Connect(server.port));
    let url = format!("http://{}", proxy.address());
    let https = format!("--endpoints=https://etcd.example:{}", server.port);
    stdout_of(&save_as_etcdctl(folder, &[&https, &cacert], &[("HTTPS_PROXY", &url)]));
    stdout_of(&save_as_etcdctl(folder, &[&https, &cacert], &[("https_proxy", &proxy.address())]));
    let secret = url.replace("http://", "http://me:p%40ss@");
    stdout_of(&save_as_etcdctl(folder, &[&https, &cacert], &[("HTTPS_PROXY", &secret)]));
    let requests = proxy.requests();
    assert_eq!(requests.len(), 6);
    let line = format!("CONNECT etcd.example:{} HTTP/1.1\r\n", server.port);
    assert!(requests.iter().all(|request| request.starts_with(&line)), "{requests:?}");
    let user = |request: &&String| request.contains("Proxy-Authorization: Basic bWU6cEBzcw==\r\n");
    assert_eq!(requests.iter().filter(user).count(), 2, "{requests:?}");

    // In plain text, through the same variable. HTTP_PROXY has no effect.
    let plain = server.servers.etcdctl(None, &["member", "list", "-w", "fields"]);
    let plain = stdout_of(&plain);
    let port = plain.lines().find_map(|line| line.strip_prefix("\"ClientURL\" : ")).unwrap().trim_matches('"');
    let port: u16 = port.rsplit(':').next().unwrap().parse().unwrap();
    let proxy = ConnectProxy::start(ProxyReply::Connect(port));
    let url = format!("http://{}", proxy.address());
    for endpoint in ["http://etcd.example:1", "etcd.example:1"] {
        stdout_of(&save_as_etcdctl(folder, &[&format!("--endpoints={endpoint}")], &[("HTTPS_PROXY", &url)]));
    }
    stdout_of(&save_as_etcdctl(
        folder,
        &["--endpoints=http://etcd.example:1"],
        &[("HTTPS_PROXY", &url.replace("http:", "https:"))],
    ));
    assert_eq!(proxy.requests().len(), 6);
    let unreached = [("HTTP_PROXY", url.as_str())];
    assert_refused(
        &save_as_etcdctl(folder, &["--endpoints=http://etcd.example:1", "--dial-timeout=1s"], &unreached),
        &["etcd.example"],
    );
    // The loopback addresses bypass the proxy, and so do hosts in NO_PROXY.
    let here = format!("--endpoints=http://127.0.0.1:{port}");
    stdout_of(&save_as_etcdctl(folder, &[&here], &[("HTTPS_PROXY", "http://127.0.0.1:1")]));
    stdout_of(&save_as_etcdctl(
        folder,
        &[&format!("--endpoints=http://localhost:{port}")],
        &[("HTTPS_PROXY", "http://127.0.0.1:1")],
    ));
    let without = [("HTTPS_PROXY", url.as_str()), ("NO_PROXY", "other.example, .example")];
    assert_refused(
        &save_as_etcdctl(folder, &["--endpoints=http://etcd.example:1", "--dial-timeout=1s"], &without),
        &["cannot be reached"],
    );
    assert_eq!(proxy.requests().len(), 6);
}

#[test]
fn a_proxy_that_does_not_connect_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = ["--endpoints=http://etcd.example:2379"];
    let proxy = ConnectProxy::start(ProxyReply::Refuse("HTTP/1.1 403 Forbidden by policy"));
    let url = format!("http://me:secret@{}", proxy.address());
    let output = save_as_etcdctl(folder.path(), &endpoint, &[("HTTPS_PROXY", &url)]);
    let words = [proxy.address(), "HTTPS_PROXY".into(), "403 Forbidden by policy".into(), "NO_PROXY".into()];
    assert_refused(&output, &words.each_ref().map(String::as_str));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret"));
    let output = save_as_etcdctl(folder.path(), &endpoint, &[("HTTPS_PROXY", "http://127.0.0.1:1")]);
    assert_refused(&output, &["The proxy 127.0.0.1:1 (HTTPS_PROXY)", "nothing listens there"]);
    let output = save_as_etcdctl(folder.path(), &endpoint, &[("HTTPS_PROXY", "socks5://127.0.0.1:1")]);
    assert_refused(&output, &["HTTPS_PROXY cannot be used", "scheme"]);
}

/// A server that accepts connections and stays silent, as a hanging one does.
#[test]
fn the_dial_timeout_is_respected() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    for scheme in ["http", "https"] {
        let endpoint = format!("--endpoints={scheme}://{}", silent.local_addr().unwrap());
        for seconds in [1, 3, 7] {
            let since = Instant::now();
            let output = Command::new(cli::program())
                .args(["save", &endpoint, "--insecure-skip-tls-verify", &format!("--dial-timeout={seconds}s")])
                .arg(folder.path().join("x.db"))
                .output()
                .unwrap();
            let took = since.elapsed();
            assert_refused(&output, &[&format!("within {seconds}s"), "--dial-timeout"]);
            let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(seconds + 5));
            assert!(took >= least && took < most, "{seconds} s took {took:?}");
        }
    }
}

/// The timeout for the whole command, with a silent server, and an unreachable one.
#[test]
fn the_command_timeout_covers_the_whole_command() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("--endpoints=http://{}", silent.local_addr().unwrap());
    let since = Instant::now();
    let output = Command::new(cli::program())
        .args(["save", &endpoint, "--dial-timeout=30s", "--command-timeout=1s"])
        .arg(folder.path().join("x.db"))
        .output()
        .unwrap();
    assert_refused(&output, &["longer than 1s", "--command-timeout"]);
    assert!(since.elapsed() < Duration::from_secs(10));
}

/// Runs a command that uses the test's own DNS server; `None` where that is impossible.
fn run_with_name_server(server: &str, folder: &Path, command: &mut Command) -> Option<Output> {
    let mut command = name_server::with_name_server(server, folder, command)?;
    Some(command.current_dir(folder).stdin(Stdio::null()).output().unwrap())
}

/// etcd#13691 (records whose names have an underscore for a hyphen), invalid targets, and certificates of the domain.
#[test]
fn endpoints_come_from_srv_records() {
    let whose = CertificateUse::Server(&["secure.test", "one.test", "one.own.test", "elsewhere.invalid"]);
    let Some(server) = TlsServer::start("3.7", whose, Key::EcPkcs8, false, &[]) else { return };
    let plain = stdout_of(&server.servers.etcdctl(None, &["member", "list", "-w", "fields"]));
    let plain = plain.lines().find_map(|line| line.strip_prefix("\"ClientURL\" : ")).unwrap().trim_matches('"');
    let plain: u16 = plain.rsplit(':').next().unwrap().parse().unwrap();
    let records = vec![
        Record::Here("one.test"),
        Record::Here("one.own.test"),
        Record::Here("one.secure.test"),
        Record::Here("elsewhere.invalid"),
        Record::Srv("_etcd-client._tcp.plain.test", plain, "one.test."),
        Record::Srv("_etcd-client-ssl._tcp.own.test", server.port, "one.own.test."),
        Record::Srv("_etcd-client-ssl._tcp.secure.test", server.port, "one.secure.test."),
        Record::Srv("_etcd-client-ssl._tcp.forged.test", server.port, "elsewhere.invalid."),
        Record::Srv("_etcd-client._tcp.secure.test", plain, "one.test."),
        Record::Srv("_etcd-client-ssl-blue._tcp.plain.test", server.port, "one.test."),
        Record::Srv("_etcd_client._tcp.underscore.test", plain, "one.test."),
        Record::Srv("_etcd_client-ssl._tcp.underscore.test", server.port, "one.test."),
        Record::Srv("_etcd-client-ssl._tcp.nothing.test", 0, "."),
        Record::Srv("_etcd-client._tcp.nothing.test", 0, "."),
    ];
    let Some(address) = name_server::start(records) else { return };
    let folder = server.folder.path();
    let cacert = server.cacert();
    let run_beside = |version: &str, flags: &[&str]| {
        let mut etcdctl = program(version, "etcdctl").expect("etcdctl is built with etcd");
        let theirs =
            run_with_name_server(&address, folder, etcdctl.args(flags).args(["--command-timeout=2s", "get", "x"]))?;
        let mut ours = Command::new(cli::program());
        let ours = run_with_name_server(&address, folder, ours.arg("save").args(flags).arg("srv.db"))?;
        let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
        let (printed, they_said) = (text(&ours), text(&theirs));
        assert_eq!(ours.status.success(), theirs.status.success(), "{flags:?}\nours: {printed}\netcdctl: {they_said}");
        Some(ours)
    };
    let run = |flags: &[&str]| run_beside("3.7", flags);
    let Some(output) = run(&["--discovery-srv=plain.test"]) else { return };
    stdout_of(&output);
    // A certificate for the host in the record, and one for the domain, as etcdctl checked it until 3.4. Later versions accept any host's, forged or not.
    let strict = "--insecure-discovery=false";
    stdout_of(&run(&["--discovery-srv=own.test", strict, &cacert]).unwrap());
    stdout_of(&run_beside("3.4", &["--discovery-srv=secure.test", strict, &cacert]).unwrap());
    let forged = run_beside("3.4", &["--discovery-srv=forged.test", strict, &cacert]).unwrap();
    assert_refused(&forged, &["is for another name: not for forged.test"]);
    stdout_of(&run(&["--discovery-srv=forged.test", &cacert]).unwrap());
    stdout_of(&run(&["--discovery-srv=plain.test", "--discovery-srv-name=blue", &cacert]).unwrap());
    let output = run(&["--discovery-srv=plain.test", "--insecure-discovery=false"]).unwrap();
    assert_refused(
        &output,
        &[
            "_etcd-client-ssl._tcp.plain.test: there is no such record",
            "_etcd-client._tcp.plain.test was not looked up, because of --insecure-discovery=false",
        ],
    );
    assert_refused(
        &run(&["--discovery-srv=underscore.test"]).unwrap(),
        &["_etcd-client-ssl._tcp.underscore.test: there is no such", "_etcd-client._tcp.underscore.test:", "hyphens"],
    );
    assert_refused(
        &run(&["--discovery-srv=nothing.test"]).unwrap(),
        &["there is no such service (its target is a dot)"],
    );
    let output = run(&["--discovery-srv=plain.test", "--discovery-srv-name=red"]).unwrap();
    assert_refused(&output, &["_etcd-client-ssl-red._tcp.plain.test: there is no such record"]);
}
