//! Chooses the HTTP proxy for a connection, as Go's clients do (golang.org/x/net/http/httpproxy), and opens it with CONNECT.
//!
//! gRPC looks up the proxy for `https://HOST:PORT`, even if the endpoint has another scheme, so `HTTP_PROXY` is not used. It speaks plain HTTP to the proxy.

use std::env;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a proxy's answer at most, up to the empty line.
const MAX_ANSWER_LEN: usize = 16 << 10;
/// Bytes of the proxy's answer that a message quotes.
const MAX_QUOTED_LEN: usize = 200;

/// The proxy for connections: the values of `HTTPS_PROXY` and `NO_PROXY`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// The proxy: `http://[USER:PASSWORD@]HOST:PORT` or `HOST:PORT`.
    pub https_proxy: Option<String>,
    /// Hosts to reach directly, with commas between: names (which include all names below them), `.NAME` (only names below it), addresses, ranges
    /// (`10.0.0.0/8`), each with `:PORT` or without; `*` means all.
    pub no_proxy: String,
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The proxy's URL may contain a password.
        let proxy = self.https_proxy.as_ref().map(|_| "…");
        out.debug_struct("ProxySettings").field("https_proxy", &proxy).field("no_proxy", &self.no_proxy).finish()
    }
}

impl ProxySettings {
    /// Reads the environment: the variables in capitals or, if empty, in lower case.
    #[must_use]
    pub fn from_env() -> Self {
        let value =
            |names: [&str; 2]| names.iter().filter_map(|name| env::var(name).ok()).find(|text| !text.is_empty());
        Self {
            https_proxy: value(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: value(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }

    /// Returns the proxy for a host and port; `None` if it is reached directly.
    ///
    /// # Errors
    /// When `HTTPS_PROXY` is invalid; the text says why.
    pub(super) fn proxy_for(&self, host: &str, port: u16) -> Result<Option<Proxy>, &'static str> {
        match &self.https_proxy {
            Some(proxy) if self.wants_proxy(host, port) => Proxy::parse(proxy).map(Some),
            _ => Ok(None),
        }
    }

    /// Implements `useProxy` of Go's httpproxy. This machine's own addresses are always reached directly.
    fn wants_proxy(&self, host: &str, port: u16) -> bool {
        let host = host.trim().to_ascii_lowercase();
        let host = host.split_once('%').map_or(host.as_str(), |(address, _)| address);
        let address: Option<IpAddr> = host.parse().ok().map(plain);
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        !self.no_proxy.split(',').any(|entry| matches_no_proxy(&entry.trim().to_ascii_lowercase(), host, address, port))
    }
}

/// Whether an entry of `NO_PROXY` matches a host, given as address or name.
fn matches_no_proxy(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Ok(range) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| range.contains(&address));
    }
    let (name, wanted) = match split_port(entry) {
        Some((name, wanted)) => (name, Some(wanted)),
        None => (entry, None),
    };
    if wanted.is_some_and(|wanted| wanted != port.to_string()) {
        return false;
    }
    let name = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(named) = name.parse::<IpAddr>() {
        return address == Some(plain(named));
    }
    match name.strip_prefix("*.").map_or_else(|| name.strip_prefix('.'), Some) {
        _ if name.is_empty() => false,
        Some(above) => host.strip_suffix(above).is_some_and(|below| below.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|below| below.ends_with('.')),
    }
}

/// Splits `host:port` and `[address]:port`; `None` without a port.
fn split_port(entry: &str) -> Option<(&str, &str)> {
    let (host, port) = entry.rsplit_once(':')?;
    let is_bare_address = host.contains(':') && !host.ends_with(']');
    (!is_bare_address).then_some((host, port))
}

/// Converts an IPv4 address in IPv6 notation to IPv4.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// A proxy to connect to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// User and password, if there are any.
    user: Option<String>,
}

impl Proxy {
    /// Parses a URL; the default scheme is `http://`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err("its scheme is not http"),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, authority),
        };
        if user.is_some() && default_port == 443 {
            return Err(
                "its password would not be encrypted, because gRPC clients speak plain HTTP to a proxy: write http:// to allow that",
            );
        }
        let user =
            user.map(|user| percent_decoded(user).ok_or("its user or password has a broken % escape")).transpose()?;
        let (host, port) = match split_port(authority) {
            Some((host, port)) => (host, port.parse().map_err(|_| "its port must be a number up to 65535")?),
            None => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("it names no host");
        }
        Ok(Self { host: host.to_owned(), port, user })
    }

    /// Returns its address, without user and password.
    pub fn text(&self) -> String {
        let Self { host, port, .. } = self;
        if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Lets the proxy connect to a host, which the proxy looks up. Reads nothing after the proxy's answer.
    ///
    /// # Errors
    /// When the system or the proxy reports an error.
    pub async fn connect<S>(&self, stream: &mut S, host: &str, port: u16) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let target = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let version = env!("CARGO_PKG_VERSION");
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: etcdsnap/{version}\r\n");
        if let Some(user) = &self.user {
            request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(user)));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut next = [0];
            if answer.len() >= MAX_ANSWER_LEN || stream.read(&mut next).await? == 0 {
                return Err(io::Error::other(refusal(&answer)));
            }
            answer.extend_from_slice(&next);
        }
        let status = answer.split(|letter| *letter == b'\r').next().unwrap_or_default();
        let code = status.strip_prefix(b"HTTP/1.").and_then(|rest| rest.split(|letter| *letter == b' ').nth(1));
        if code.is_some_and(|code| code.len() == 3 && code.starts_with(b"2")) {
            Ok(())
        } else {
            Err(io::Error::other(refusal(status)))
        }
    }
}

/// Describes the answer of a proxy that refuses to connect.
fn refusal(answer: &[u8]) -> String {
    let line = answer.split(|letter| matches!(letter, b'\r' | b'\n')).next().unwrap_or_default();
    let line: String = String::from_utf8_lossy(line).chars().take(MAX_QUOTED_LEN).collect();
    if line.is_empty() { "it hung up".to_owned() } else { format!("it answered {:?}", crate::printable(&line)) }
}

fn percent_decoded(text: &str) -> Option<String> {
    super::percent_escapes::decoded(text).and_then(|bytes| String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(no_proxy: &str, host: &str, port: u16) -> bool {
        ProxySettings { https_proxy: Some("p:1".into()), no_proxy: no_proxy.into() }.wants_proxy(host, port)
    }

    /// The table of Go's own test (`UseProxyTests` in golang.org/x/net/http/httpproxy), with further cases.
    #[test]
    fn hosts_without_a_proxy_are_those_of_go() {
        let list = "foobar.com, .barbaz.net, *.star.org, 192.168.1.1, 192.168.1.2:81, 192.168.1.3:80, 10.0.0.0/30, 2001:db8::52:0:1, [2001:db8::52:0:2]:443, [2001:db8::52:0:3]:80, 2002:db8:a::45/64";
        for (host, port, proxied) in [
            ("localhost", 80, false),
            ("127.0.0.1", 80, false),
            ("127.0.0.2", 80, false),
            ("::1", 80, false),
            ("::ffff:127.0.0.1", 80, false),
            ("::2", 80, true),
            ("192.168.1.1", 80, false),
            ("192.168.1.2", 80, true),
            ("192.168.1.2", 81, false),
            ("192.168.1.3", 80, false),
            ("192.168.1.4", 80, true),
            ("10.0.0.2", 80, false),
            ("10.0.0.4", 80, true),
            ("2001:db8::52:0:1", 80, false),
            ("2001:db8::52:0:2", 443, false),
            ("2001:db8::52:0:2", 80, true),
            ("2001:db8::52:0:3", 80, false),
            ("2002:db8:a::123", 80, false),
            ("2002:db8:a:1::123", 80, true),
            ("fe80::424b:c8be:1643:a1b6%eth0", 80, true),
            ("barbaz.net", 80, true),
            ("www.barbaz.net", 80, false),
            ("foobar.com", 80, false),
            ("www.foobar.com", 80, false),
            ("FOOBAR.com", 80, false),
            ("foofoobar.com", 80, true),
            ("baz.com", 80, true),
            ("localhost.net", 80, true),
            ("local.localhost", 80, true),
            ("barbarbaz.net", 80, true),
            ("a.star.org", 80, false),
            ("star.org", 80, true),
        ] {
            assert_eq!(wants(list, host, port), proxied, "{host}:{port}");
        }
        assert!(!wants("*", "any.example", 1));
        assert!(wants("", "any.example", 1));
        assert!(wants(" , ,", "any.example", 1));
        assert!(!wants("etcd.example:2379", "etcd.example", 2379));
        assert!(wants("etcd.example:2379", "etcd.example", 2380));
        assert!(!wants("0.0.0.0/0", "10.1.2.3", 1));
        assert!(wants("0.0.0.0/33", "10.1.2.3", 1));
    }

    #[test]
    fn proxies_are_urls_or_hosts() {
        let parse = |text: &str| Proxy::parse(text).map(|proxy| (proxy.text(), proxy.user));
        assert_eq!(parse("http://proxy:3128"), Ok(("proxy:3128".into(), None)));
        assert_eq!(parse("HTTP://proxy:3128/"), Ok(("proxy:3128".into(), None)));
        assert_eq!(parse("proxy:3128"), Ok(("proxy:3128".into(), None)));
        assert_eq!(parse("http://proxy"), Ok(("proxy:80".into(), None)));
        assert_eq!(parse("https://proxy"), Ok(("proxy:443".into(), None)));
        assert_eq!(parse("http://[::1]:3128"), Ok(("[::1]:3128".into(), None)));
        assert_eq!(parse("http://[::1]"), Ok(("[::1]:80".into(), None)));
        assert_eq!(parse("http://me:p%40ss@proxy:1"), Ok(("proxy:1".into(), Some("me:p@ss".into()))));
        assert!(parse("socks5://proxy:1").is_err());
        assert!(parse("https://me:pass@proxy:1").is_err());
        assert!(parse("http://:1").is_err());
        assert!(parse("http://proxy:x").is_err());
        assert!(parse("http://me:%zz@proxy:1").is_err());
    }
}
