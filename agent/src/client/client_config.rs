//! With what a server is reached: etcdctl's flags, as values.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use super::http_proxy::ProxySettings;

/// How servers are reached; etcdctl's flags and defaults.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `host:port`, `http://…`, `https://…`, `unix://path` or `unixs://path`.
    pub endpoints: Vec<String>,
    /// Certificates.
    pub tls: Tls,
    /// Whether an endpoint without a scheme is spoken to in plain text, unless there are certificates.
    pub insecure_transport: bool,
    /// Who the caller is.
    pub auth: Option<Auth>,
    /// How long a connection may take until the server has said its first word of HTTP/2: name look-up, proxy, TLS and all.
    pub dial_timeout: Duration,
    /// After how much silence a server is asked whether it is still there; at least ten seconds, as in Go's clients.
    pub keepalive_time: Duration,
    /// How long it may take to answer that.
    pub keepalive_timeout: Duration,
    /// Endpoints by DNS instead of those above.
    pub discovery: Option<Discovery>,
    /// The HTTP proxy that connections go through; none by default.
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

/// Certificates, in PEM files.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The authorities that servers are checked against; none: those of the system.
    pub cacert: Option<PathBuf>,
    /// The client's own certificate, with its chain.
    pub cert: Option<PathBuf>,
    /// Its key: PKCS#8, PKCS#1 or SEC1; in the file of the certificate when left out.
    pub key: Option<PathBuf>,
    /// Takes any certificate of a server.
    pub insecure_skip_verify: bool,
    /// The name that a server's certificate must have, instead of the endpoint's.
    pub server_name: Option<String>,
}

impl Tls {
    /// Whether anything asks for TLS.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.cacert.is_some() || self.cert.is_some() || self.key.is_some() || self.insecure_skip_verify
    }
}

/// Who the caller is.
#[derive(Clone)]
pub enum Auth {
    /// A user, for whom a token is fetched and renewed.
    User {
        /// Its name.
        name: String,
        /// Its password.
        password: String,
    },
    /// A token that the caller has from elsewhere.
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

/// Endpoints from SRV records, `_etcd-client-ssl._tcp` and `_etcd-client._tcp`.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The domain that has the records.
    pub domain: String,
    /// What stands behind `etcd-client` and a dash in the name of the records.
    pub service: Option<String>,
    /// Whether servers without TLS may be among them, and certificates are checked against the servers' own names only. If not, a server outside the domain must
    /// have a certificate for the domain, and one below it may.
    pub insecure: bool,
}
