//! The configuration for reaching servers: etcdctl's flags as values.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use super::http_proxy::ProxySettings;

/// The configuration for reaching servers, with etcdctl's flags and defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `host:port`, `http://…`, `https://…`, `unix://path` or `unixs://path`.
    pub endpoints: Vec<String>,
    /// Certificates and keys.
    pub tls: Tls,
    /// Whether to use plain text for an endpoint without a scheme if there are no certificates.
    pub insecure_transport: bool,
    /// The identity of the caller.
    pub auth: Option<Auth>,
    /// Time limit for a connection until the server has sent its first HTTP/2 frame, including name look-up, proxy and TLS.
    pub dial_timeout: Duration,
    /// How long a server may be silent before it is pinged; at least ten seconds, as in Go's clients.
    pub keepalive_time: Duration,
    /// Time limit for the answer to a ping.
    pub keepalive_timeout: Duration,
    /// Finds endpoints by DNS instead of using `endpoints`.
    pub discovery: Option<Discovery>,
    /// The HTTP proxy for connections; by default none.
    pub proxy: ProxySettings,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            endpoints: vec!["127.0.0.1:2379".into()],
            tls: Tls::default(),
            insecure_transport: true,
            auth: None,
            dial_timeout: Duration::from_secs(2),
            keepalive_time: Duration::from_secs(2),
            keepalive_timeout: Duration::from_secs(6),
            discovery: None,
            proxy: ProxySettings::default(),
        }
    }
}

/// Certificates and keys, in PEM files.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The authorities that servers' certificates must be signed by; `None` means those of the system.
    pub cacert: Option<PathBuf>,
    /// The client certificate, with its chain.
    pub cert: Option<PathBuf>,
    /// The key of the client certificate: PKCS#8, PKCS#1 or SEC1. `None` means that it is in the file of the certificate.
    pub key: Option<PathBuf>,
    /// Whether to accept any server certificate.
    pub insecure_skip_verify: bool,
    /// The name that a server's certificate must have, instead of the endpoint's host.
    pub server_name: Option<String>,
}

impl Tls {
    /// Whether any setting requires TLS.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.cacert.is_some() || self.cert.is_some() || self.key.is_some() || self.insecure_skip_verify
    }
}

/// The identity of the caller.
#[derive(Clone)]
pub enum Auth {
    /// A user; a token is fetched for it, and renewed when it expires.
    User {
        /// Its name.
        name: String,
        /// Its password.
        password: String,
    },
    /// A token that the caller obtained elsewhere.
    Token(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name, .. } => out.debug_struct("User").field("name", name).finish_non_exhaustive(),
            Self::Token(_) => out.write_str("Token(…)"),
        }
    }
}

/// Finds endpoints by SRV records, `_etcd-client-ssl._tcp` and `_etcd-client._tcp`.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The domain of the records.
    pub domain: String,
    /// The part after `etcd-client-` in the names of the records.
    pub service: Option<String>,
    /// Whether servers without TLS may be among them, and certificates are checked against the servers' own names only. If not, a server outside the domain must
    /// have a certificate for the domain, and one below it may.
    pub insecure: bool,
}
