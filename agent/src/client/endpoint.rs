//! An endpoint as etcd's clients write it.

use std::fmt;
use std::path::PathBuf;

use etcdsnap_core::credentials::{quotable, without_credentials};

use super::config::ClientConfig;
use super::error::ClientError;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A host, without brackets, and a port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As the caller wrote it, without user and password.
    pub text: String,
    /// Where to connect to.
    pub address: Address,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Whose certificate is expected.
    pub server_name: String,
}

impl Endpoint {
    /// Reads `text`. Without a scheme TLS is spoken when the configuration has certificates, as etcd's clients do.
    pub fn parse(text: &str, config: &ClientConfig) -> Result<Self, ClientError> {
        let wrong =
            |reason: &str| ClientError::Endpoint { endpoint: quotable(text).into_owned(), reason: reason.to_owned() };
        // etcd's clients ignore a user in an endpoint, too.
        let text = &*without_credentials(text);
        let asked_for = config.tls.is_asked_for() || !config.insecure_transport;
        let name = |own: &str| config.tls.server_name.clone().unwrap_or_else(|| own.to_owned());
        for (scheme, tls) in [("unixs:", true), ("unix:", asked_for)] {
            if let Some(path) = text.strip_prefix(scheme) {
                let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
                let file = path.file_name().ok_or_else(|| wrong("it names no socket"))?;
                let server_name = name(file.to_string_lossy().split(':').next().unwrap_or_default());
                return Ok(Self { text: text.to_owned(), server_name, tls, address: Address::Unix(path) });
            }
        }
        let (rest, tls) = match text.split_once("://") {
            Some(("http", rest)) => (rest, false),
            Some(("https", rest)) => (rest, true),
            Some(_) => return Err(wrong("the scheme is none of http, https, unix and unixs")),
            None => (text, asked_for),
        };
        let authority: http::uri::Authority =
            rest.trim_end_matches('/').parse().map_err(|_| wrong("it is no HOST:PORT"))?;
        let has_port = authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':'));
        let reason = if has_port { "its port is no number up to 65535" } else { "it has no port; etcd's is 2379" };
        let port = authority.port_u16().ok_or_else(|| wrong(reason))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        Ok(Self { text: text.to_owned(), server_name: name(&host), tls, address: Address::Tcp(host, port) })
    }

    /// The address that stands in each request.
    pub fn uri(&self) -> http::Uri {
        let text = match &self.address {
            Address::Tcp(host, port) if host.contains(':') => format!("http://[{host}]:{port}"),
            Address::Tcp(host, port) => format!("http://{host}:{port}"),
            Address::Unix(_) => "http://localhost".to_owned(),
        };
        text.parse().unwrap_or_default()
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
    use crate::client::Tls;

    fn parse(text: &str) -> Result<(Address, bool, String), String> {
        let config = ClientConfig::default();
        Endpoint::parse(text, &config)
            .map(|endpoint| (endpoint.address, endpoint.tls, endpoint.server_name))
            .map_err(|error| error.to_string())
    }

    fn tcp(host: &str, port: u16, tls: bool) -> Result<(Address, bool, String), String> {
        Ok((Address::Tcp(host.into(), port), tls, host.into()))
    }

    #[test]
    fn what_etcds_clients_take_is_taken() {
        assert_eq!(parse("127.0.0.1:2379"), tcp("127.0.0.1", 2379, false));
        assert_eq!(parse("http://etcd.example:2379"), tcp("etcd.example", 2379, false));
        assert_eq!(parse("https://etcd.example:2379/"), tcp("etcd.example", 2379, true));
        assert_eq!(parse("https://[::1]:2379"), tcp("::1", 2379, true));
        assert_eq!(
            parse("unix:///run/etcd.sock"),
            Ok((Address::Unix("/run/etcd.sock".into()), false, "etcd.sock".into()))
        );
        assert_eq!(parse("unix:etcd.sock"), Ok((Address::Unix("etcd.sock".into()), false, "etcd.sock".into())));
        assert_eq!(parse("unixs://dir/etcd:1"), Ok((Address::Unix("dir/etcd:1".into()), true, "etcd".into())));
    }

    #[test]
    fn certificates_make_an_endpoint_without_scheme_speak_tls() {
        let tls = Tls { cacert: Some("ca.pem".into()), ..Tls::default() };
        let config = ClientConfig { tls, ..ClientConfig::default() };
        assert!(Endpoint::parse("a:1", &config).unwrap().tls);
        assert!(!Endpoint::parse("http://a:1", &config).unwrap().tls);
        let config = ClientConfig { insecure_transport: false, ..ClientConfig::default() };
        assert!(Endpoint::parse("a:1", &config).unwrap().tls);
    }

    #[test]
    fn user_and_password_are_neither_used_nor_kept() {
        let config = ClientConfig::default();
        for url in ["http://root:secret@h:1", "http://root:se/c@r:et@h:1/", "root:secret@h:1"] {
            let endpoint = Endpoint::parse(url, &config).unwrap();
            assert_eq!(endpoint.address, Address::Tcp("h".into(), 1));
            assert!(!format!("{endpoint:?}").contains("se"), "{endpoint:?}");
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
    fn what_is_no_endpoint_says_why() {
        for (text, reason) in [
            ("", "HOST:PORT"),
            ("etcd.example", "no port"),
            ("ftp://a:1", "scheme"),
            ("http://:2379", "no host"),
            ("http://a:b", "its port is no number"),
            ("a:70000", "its port is no number"),
            ("http://[::1]", "no port"),
            ("unix://", "no socket"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
