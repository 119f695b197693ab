//! Parses endpoints as etcd's clients do (`translateEndpoint` in client/v3/internal/endpoint, and Go's `net/url`).

use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use etcdsnap_core::credentials::{quotable, without_credentials};
use tokio_rustls::rustls::pki_types::ServerName;

use super::client_config::ClientConfig;
use super::client_error::ClientError;
use super::percent_escapes::decoded;

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A host, without brackets and with the zone of an IPv6 address (`fe80::1%eth0`), and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A parsed endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The caller's text, without user and password.
    pub text: String,
    /// The address to connect to.
    pub address: Address,
    /// Whether to use TLS.
    pub tls: bool,
    /// The name that the server's certificate must have.
    pub server_name: String,
    /// Another name that is accepted instead.
    pub other_name: Option<String>,
}

impl Endpoint {
    /// Parses `text`. Without a scheme, TLS is used if the configuration has certificates, as in etcd's clients. A path, a query and a user are dropped, because
    /// gRPC does not use them.
    pub fn parse(text: &str, config: &ClientConfig) -> Result<Self, ClientError> {
        let wrong =
            |reason: &str| ClientError::Endpoint { endpoint: quotable(text).into_owned(), reason: reason.to_owned() };
        // etcd's clients also ignore a user in an endpoint.
        let text = &*without_credentials(text);
        let asked_for = config.tls.is_asked_for() || !config.insecure_transport;
        let name = |own: &str| config.tls.server_name.clone().unwrap_or_else(|| own.to_owned());
        // SRV records may be forged: a host outside the domain needs a certificate for the domain, a host below it may have one.
        let domain = config.discovery.as_ref().filter(|discovery| !discovery.insecure);
        let domain = domain.map(|discovery| discovery.domain.trim_end_matches('.').to_ascii_lowercase());
        for (scheme, tls) in [("unixs:", true), ("unix:", asked_for)] {
            if let Some(rest) = without_prefix(text, scheme) {
                let path = socket(rest);
                let file = path.file_name().ok_or_else(|| wrong("it names no socket"))?;
                let server_name = name(file.to_string_lossy().split(':').next().unwrap_or_default());
                let address = Address::Unix(path);
                return Ok(Self { text: text.to_owned(), address, tls, server_name, other_name: None });
            }
        }
        let (rest, tls) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, false),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (rest, true),
            Some(_) => return Err(wrong("the scheme must be http, https, unix or unixs")),
            None => (text, asked_for),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, behind)| behind);
        let (host, port) = host_and_port(authority).map_err(wrong)?;
        let own = name(without_zone(&host));
        let is_below = |domain: &String| {
            own.to_ascii_lowercase().strip_suffix(domain).is_some_and(|below| below.is_empty() || below.ends_with('.'))
        };
        let (server_name, other_name) = match domain {
            Some(domain) if is_below(&domain) => (own, Some(domain)),
            Some(domain) => (domain, None),
            None => (own, None),
        };
        Ok(Self { text: text.to_owned(), address: Address::Tcp(host, port), tls, server_name, other_name })
    }

    /// Parses a name for certificates.
    ///
    /// # Errors
    /// When `name` cannot occur in a certificate.
    pub fn certificate_name(&self, name: &str) -> Result<ServerName<'static>, ClientError> {
        ServerName::try_from(name.to_owned()).map_err(|_| ClientError::Endpoint {
            endpoint: self.text.clone(),
            reason: format!("no certificate can have the name {name:?}"),
        })
    }

    /// Returns the address for the header of each request, without a zone, which matters only on this machine.
    pub fn uri(&self) -> http::Uri {
        let text = match &self.address {
            Address::Tcp(host, port) if host.contains(':') => format!("http://[{}]:{port}", without_zone(host)),
            Address::Tcp(host, port) => format!("http://{host}:{port}"),
            Address::Unix(_) => "http://localhost".to_owned(),
        };
        text.parse().unwrap_or_default()
    }
}

/// Removes an ASCII prefix, ignoring case.
fn without_prefix<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Returns the path of a socket. An absolute one comes from a URL (`///run/etcd.sock`, with `%20` for a space); a relative one is taken literally.
fn socket(rest: &str) -> PathBuf {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') {
        return path.into();
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    decoded(path).map_or_else(|| PathBuf::from(path), |bytes| std::ffi::OsString::from_vec(bytes).into())
}

/// Splits `host:port` or `[address]:port`.
fn host_and_port(authority: &str) -> Result<(String, u16), &'static str> {
    const NO_PORT: &str = "it has no port; etcd's is 2379";
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']').ok_or("a bracket is not closed")?;
            (host, behind.strip_prefix(':').ok_or(if behind.is_empty() { NO_PORT } else { "it must be HOST:PORT" })?)
        }
        None => {
            authority.rsplit_once(':').ok_or(if authority.is_empty() { "it must be HOST:PORT" } else { NO_PORT })?
        }
    };
    if host.is_empty() {
        return Err("it names no host");
    }
    if !authority.starts_with('[') && host.contains(':') {
        return Err("an IPv6 address needs brackets: [ADDRESS]:PORT");
    }
    if host.contains([' ', '[', ']']) {
        return Err("it must be HOST:PORT");
    }
    let port = Some(port).filter(|port| port.bytes().all(|digit| digit.is_ascii_digit()));
    let port = port.and_then(|port| port.parse().ok()).ok_or("its port must be a number up to 65535")?;
    // In a URL the percent sign before a zone is escaped (RFC 6874); without an escape, the digits are the zone.
    let host = match host.split_once("%25") {
        Some((address, zone)) if !zone.is_empty() => format!("{address}%{zone}"),
        _ => host.to_owned(),
    };
    Ok((host, port))
}

fn without_zone(host: &str) -> &str {
    match host.split_once('%') {
        Some((address, _)) if address.contains(':') => address,
        _ => host,
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Discovery, Tls};

    fn parse(text: &str) -> Result<(Address, bool, String), String> {
        let config = ClientConfig::default();
        Endpoint::parse(text, &config)
            .map(|endpoint| (endpoint.address, endpoint.tls, endpoint.server_name))
            .map_err(|error| error.to_string())
    }

    fn tcp(host: &str, port: u16, tls: bool) -> Result<(Address, bool, String), String> {
        Ok((Address::Tcp(host.into(), port), tls, host.into()))
    }

    fn unix(path: &str, tls: bool, name: &str) -> Result<(Address, bool, String), String> {
        Ok((Address::Unix(path.into()), tls, name.into()))
    }

    #[test]
    fn endpoints_parse_as_in_etcds_clients() {
        assert_eq!(parse("127.0.0.1:2379"), tcp("127.0.0.1", 2379, false));
        assert_eq!(parse("http://etcd.example:2379"), tcp("etcd.example", 2379, false));
        assert_eq!(parse("https://etcd.example:2379/"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("HTTPS://etcd.example:2379"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("Http://etcd.example:2379"), tcp("etcd.example", 2379, false));
        assert_eq!(parse("https://etcd.example:2379/v3/kv?x=1#y"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://etcd.example:2379?x=1"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://me:s3:cret@etcd.example:2379"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://etcd.example:2379/?mail=me@other.example"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://me:secret@etcd.example:2379?a@b"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://[::1]:2379"), tcp("::1", 2379, true));
        assert_eq!(parse("[::1]:2379"), tcp("::1", 2379, false));
        assert_eq!(parse("https://[127.0.0.1]:2379"), tcp("127.0.0.1", 2379, true));
    }

    #[test]
    fn zones_of_addresses_are_not_sent() {
        let zoned = |tls| Ok((Address::Tcp("fe80::1%lo".into(), 2379), tls, "fe80::1".into()));
        assert_eq!(parse("https://[fe80::1%25lo]:2379"), zoned(true));
        assert_eq!(parse("http://[fe80::1%25lo]:2379/"), zoned(false));
        assert_eq!(parse("http://[fe80::1%lo]:2379"), zoned(false));
        assert_eq!(parse("[fe80::1%lo]:2379"), zoned(false));
        assert_eq!(parse("[fe80::1%25lo]:2379"), zoned(false));
        assert_eq!(
            parse("[fe80::1%25]:2379").map(|(address, ..)| address),
            Ok(Address::Tcp("fe80::1%25".into(), 2379))
        );
        let endpoint = Endpoint::parse("https://[fe80::1%25lo]:2379", &ClientConfig::default()).unwrap();
        assert_eq!(endpoint.uri().to_string(), "http://[fe80::1]:2379/");
    }

    #[test]
    fn sockets_are_paths() {
        assert_eq!(parse("unix:///run/etcd.sock"), unix("/run/etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix:///run/a%20b/etcd.sock"), unix("/run/a b/etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix:///run/100%/etcd.sock"), unix("/run/100%/etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix:///run/etcd.sock?x"), unix("/run/etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix:etcd.sock"), unix("etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix:a%20b"), unix("a%20b", false, "a%20b"));
        assert_eq!(parse("unix:/run/etcd.sock"), unix("/run/etcd.sock", false, "etcd.sock"));
        assert_eq!(parse("unix://localhost:m1"), unix("localhost:m1", false, "localhost"));
        assert_eq!(parse("unixs://dir/etcd:1"), unix("dir/etcd:1", true, "etcd"));
        assert_eq!(parse("UNIXS:///etcd:1"), unix("/etcd:1", true, "etcd"));
    }

    #[test]
    fn an_endpoint_without_scheme_uses_tls_if_there_are_certificates() {
        let tls = Tls { cacert: Some("ca.pem".into()), ..Tls::default() };
        let config = ClientConfig { tls, ..ClientConfig::default() };
        assert!(Endpoint::parse("a:1", &config).unwrap().tls);
        assert!(!Endpoint::parse("http://a:1", &config).unwrap().tls);
        assert!(Endpoint::parse("unix:a", &config).unwrap().tls);
        let config = ClientConfig { insecure_transport: false, ..ClientConfig::default() };
        assert!(Endpoint::parse("a:1", &config).unwrap().tls);
    }

    #[test]
    fn user_and_password_are_neither_used_nor_kept() {
        let config = ClientConfig::default();
        for url in ["http://root:secret@h:1", "http://root:se/c@r:et@h:1/", "root:secret@h:1"] {
            let endpoint = Endpoint::parse(url, &config).unwrap();
            assert_eq!(endpoint.address, Address::Tcp("h".into(), 1));
            let kept = format!("{endpoint:?}");
            assert!(["root", "secret", "se/c", "r:et"].iter().all(|part| !kept.contains(part)), "{kept}");
        }
        for url in [
            "http://root:secret",
            "root:secret",
            "http://root:secret@h",
            "ftp://root:secret@h:1",
            "http://root:secret@h:x",
        ] {
            let error = parse(url).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn srv_records_do_not_decide_which_certificates_are_accepted() {
        let names = |text: &str, insecure| {
            let discovery = Discovery { domain: "Etcd.example.".into(), service: None, insecure };
            let config = ClientConfig { discovery: Some(discovery), ..ClientConfig::default() };
            let endpoint = Endpoint::parse(text, &config).unwrap();
            (endpoint.server_name, endpoint.other_name)
        };
        let domain = || "etcd.example".to_owned();
        assert_eq!(names("https://One.etcd.example:1", false), ("One.etcd.example".into(), Some(domain())));
        assert_eq!(names("https://etcd.example:1", false), (domain(), Some(domain())));
        assert_eq!(names("https://evil.example:1", false), (domain(), None));
        assert_eq!(names("https://eviletcd.example:1", false), (domain(), None));
        assert_eq!(names("https://evil.example:1", true), ("evil.example".into(), None));
    }

    #[test]
    fn invalid_endpoints_are_explained() {
        for (text, reason) in [
            ("", "HOST:PORT"),
            ("etcd.example", "no port"),
            ("ftp://a:1", "scheme"),
            ("http://:2379", "no host"),
            ("http://a:b", "its port must be a number"),
            ("a:+1", "its port must be a number"),
            ("a:70000", "its port must be a number"),
            ("a:", "its port must be a number"),
            ("http://[::1]", "no port"),
            ("http://[::1]2379", "HOST:PORT"),
            ("http://[::1:2379", "bracket"),
            ("fe80::1:2379", "brackets"),
            ("a b:1", "HOST:PORT"),
            ("unix://", "no socket"),
            ("unix:///", "no socket"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
