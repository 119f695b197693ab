//! Why a server could not be reached or did not do what was asked.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use etcdsnap_core::key_syntax::printable;
use tokio_rustls::rustls::Error as TlsError;
use tonic::{Code, Status};

use super::handshake_facts::Facts;
use super::tls_words::explain;
use crate::error::plain;
use crate::grouped_number::grouped;
use crate::printable::printable_path;

/// A server was not reached, or refused. Its text says what is wrong; [`ClientError::advice`] says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// What stands in `--endpoints` is no endpoint.
    #[error("--endpoints: {endpoint:?} is no endpoint: {reason}.")]
    Endpoint {
        /// As it was written, without user and password.
        endpoint: String,
        /// What is the matter with it.
        reason: String,
    },
    /// A certificate or key file cannot be used.
    #[error("{flag}: {}: {reason}.", printable_path(path))]
    File {
        /// The flag that named it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// A key can be read with a passphrase only.
    #[error("--key: {}: the key is encrypted.", printable_path(path))]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A token has characters that no header can have.
    #[error("The token has characters that cannot be sent: a token is one line of printable ASCII.")]
    Token,
    /// TLS cannot be set up on this side.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    /// `HTTPS_PROXY` cannot be used.
    #[error("HTTPS_PROXY cannot be used: {0}.")]
    ProxySetting(&'static str),
    /// The proxy was not reached, or did not connect.
    #[error("The proxy {proxy} (HTTPS_PROXY) gives no connection to {endpoint}: {reason}.")]
    Proxy {
        /// The server.
        endpoint: String,
        /// Where the proxy is.
        proxy: String,
        /// What the system or the proxy said.
        reason: String,
    },
    /// DNS has no endpoints.
    #[error("--discovery-srv: no endpoints of {domain:?} were found:{}", asked.iter().map(|line| format!("\n    {line}.")).collect::<String>())]
    Discovery {
        /// The domain.
        domain: String,
        /// Each name that was asked for, and what came of it.
        asked: Vec<String>,
    },
    /// No connection came about.
    #[error("{endpoint} cannot be reached: {reason}.")]
    Unreachable {
        /// The server.
        endpoint: String,
        /// What the system said.
        reason: String,
        /// Whether it was a matter of time.
        timeout: bool,
    },
    /// The server is connected and does not answer a question that takes it no time.
    #[error("{endpoint} is connected and has not answered {question} within {}.", humantime::format_duration(*limit))]
    Unanswered {
        /// The server.
        endpoint: String,
        /// What it was asked.
        question: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The two sides did not agree on a TLS connection.
    #[error("No TLS connection to {endpoint}: {reason}.")]
    Handshake {
        /// The server.
        endpoint: String,
        /// What is the matter.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The connection broke while the server was asked.
    #[error("The connection to {endpoint} broke{}: {reason}.", after(*received))]
    Broken {
        /// The server.
        endpoint: String,
        /// What the system said.
        reason: String,
        /// Bytes of a snapshot that had come.
        received: u64,
    },
    /// The server did not answer a ping.
    #[error("The connection to {endpoint} broke: after {} of silence it was pinged, and did not answer within {} (--keepalive-timeout).", humantime::format_duration(*silence), humantime::format_duration(*limit))]
    Keepalive {
        /// The server.
        endpoint: String,
        /// How long it was silent before the ping.
        silence: Duration,
        /// How long it had to answer.
        limit: Duration,
    },
    /// The server said no.
    #[error("{endpoint} refused: {}", printable(message))]
    Refused {
        /// The server.
        endpoint: String,
        /// gRPC's code.
        code: Code,
        /// Its words.
        message: String,
    },
}

impl ClientError {
    /// What to do about it; empty where nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Endpoint { .. } => "Write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix://PATH.".into(),
            Self::Unreachable { timeout: true, .. } => {
                "Check the address, the network and firewalls; --dial-timeout says how long to wait.".into()
            }
            Self::Unreachable { .. } => "Check the address, and whether etcd runs there.".into(),
            Self::Unanswered { .. } => {
                "The server may be overloaded or hang: see its log, or name another member with --endpoints. --dial-timeout gives it more time than 5s.".into()
            }
            Self::Keepalive { .. } => "See whether the server and the network between still work.".into(),
            Self::EncryptedKey { path } => format!(
                "Neither etcdctl nor etcdsnap asks for a passphrase. Write a decrypted copy that only its owner can read: (umask 077; openssl pkey -in {} -out NEW), and give that.",
                printable_path(path)
            ),
            Self::Token => "Check --auth-jwt-token and the variable ETCDCTL_AUTH_JWT_TOKEN.".into(),
            Self::ProxySetting(_) => "Write HTTPS_PROXY=http://[USER:PASSWORD@]HOST:PORT, or name the server in NO_PROXY to reach it directly.".into(),
            Self::Proxy { .. } => "Name the server in NO_PROXY to reach it directly.".into(),
            Self::Discovery { .. } => {
                "The records are looked up under these very names, with hyphens; --discovery-srv-name changes them.".into()
            }
            Self::Handshake { advice, .. } => advice.clone(),
            Self::Broken { received: 1.., .. } => "See the server's log and the network between. Try again, or name another member with --endpoints.".into(),
            Self::Broken { endpoint, .. } if is_plain(endpoint) => {
                "See the server's log. If it speaks TLS, write https:// before the address and give --cacert (and --cert and --key, if it asks for them).".into()
            }
            Self::Broken { endpoint, .. } if !is_socket(endpoint) => {
                "See the server's log. If it asks for certificates of its clients, give --cert and --key.".into()
            }
            Self::Broken { .. } => "See the server's log.".into(),
            Self::Refused { code, message, .. } => refused(*code, message).into(),
            Self::File { .. } | Self::Tls(_) => String::new(),
        }
    }

    /// Whether the same server may well do it another time, or another server now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Unanswered { .. }
            | Self::Broken { .. }
            | Self::Keepalive { .. }
            | Self::Proxy { .. }
            | Self::Handshake { .. } => true,
            Self::Refused { code, .. } => {
                !matches!(code, Code::PermissionDenied | Code::InvalidArgument | Code::Unauthenticated)
            }
            _ => false,
        }
    }

    /// Whether a new token would help.
    pub(super) fn wants_token(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. }
            if *code == Code::Unauthenticated || message.contains("invalid auth token") || message.contains("auth store is old"))
    }

    /// Whether the server knows no users, so that no token is needed.
    pub(super) fn is_without_auth(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("authentication is not enabled"))
    }

    /// No connection because of `cause`.
    pub(super) fn unreachable(endpoint: &str, cause: &io::Error) -> Self {
        let reason = match cause.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            io::ErrorKind::NotFound => "there is no such socket".into(),
            _ => plain(cause),
        };
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: false }
    }

    /// The proxy did not connect, because of `cause`.
    pub(super) fn proxy(endpoint: &str, proxy: &str, cause: &io::Error) -> Self {
        let reason = match cause.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            _ => plain(cause),
        };
        Self::Proxy { endpoint: endpoint.to_owned(), proxy: proxy.to_owned(), reason }
    }

    /// No connection within `limit`.
    pub(super) fn late(endpoint: &str, limit: Duration) -> Self {
        let reason = format!("no answer within {}", humantime::format_duration(limit));
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: true }
    }

    /// A connection over which nothing came within `limit`.
    pub(super) fn silent(endpoint: &str, limit: Duration) -> Self {
        let reason = format!("it takes connections, but sent nothing within {}", humantime::format_duration(limit));
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: true }
    }

    /// What came of a failed handshake.
    pub(super) fn handshake(endpoint: &str, cause: &io::Error, facts: &Facts) -> Self {
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let (reason, advice) = match inner {
            Some(error) => explain(error, facts),
            None => {
                let hung_up = cause.kind() == io::ErrorKind::UnexpectedEof;
                let what = if hung_up { "the server hung up".into() } else { plain(cause) };
                let reason = format!("{what} before both sides had agreed on TLS");
                (reason, "Does it speak TLS? If not, write http:// before the address.".into())
            }
        };
        Self::Handshake { endpoint: endpoint.to_owned(), reason, advice }
    }

    /// What a call came back with.
    pub(super) fn of_status(endpoint: &str, status: &Status) -> Self {
        let endpoint = endpoint.to_owned();
        match status.source() {
            Some(cause) => Self::Broken { endpoint, reason: cause.to_string(), received: 0 },
            None => Self::Refused { endpoint, code: status.code(), message: status.message().to_owned() },
        }
    }

    /// A connection that broke because of `cause`.
    pub(super) fn broken(endpoint: &str, cause: &io::Error, facts: &Facts) -> Self {
        let endpoint = endpoint.to_owned();
        // A server that does not take our certificate says so only when it is asked something (TLS 1.3).
        if let Some(error) = cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            let (reason, advice) = explain(error, facts);
            return Self::Handshake { endpoint, reason, advice };
        }
        Self::Broken { endpoint, reason: plain(cause), received: 0 }
    }
}

fn after(received: u64) -> String {
    if received == 0 { String::new() } else { format!(" after {} bytes of the snapshot", grouped(received)) }
}

/// Whether an endpoint is spoken to in plain text, as far as its scheme says.
fn is_plain(endpoint: &str) -> bool {
    match endpoint.split_once("://") {
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("http"),
        None => !is_socket(endpoint),
    }
}

fn is_socket(endpoint: &str) -> bool {
    endpoint.to_ascii_lowercase().starts_with("unix")
}

/// What etcd's own words mean for the person.
fn refused(code: Code, message: &str) -> &'static str {
    let says = |words: &str| message.contains(words);
    if says("permission denied") {
        "A snapshot holds everything: the user needs the root role (etcdctl user grant-role NAME root)."
    } else if says("user name is empty") {
        "The server knows users: give --user and --password (or --cert and --key of a user), one with the root role."
    } else if says("invalid user ID or password") {
        "Check --user and the password."
    } else if says("invalid auth token") {
        "The token has expired or is another server's: give --user and --password, so that a new one is fetched."
    } else if says("learner") {
        "The member is a learner, which this version does not let answer: name another one with --endpoints."
    } else if says("no leader") {
        "The cluster has lost its quorum. A member still gives a snapshot of what it has; if not, stop it and copy member/snap/db."
    } else if code == Code::Unimplemented {
        "What answers there is no etcd, or one of version 2."
    } else if says("too many requests") || code == Code::ResourceExhausted {
        "The server is overloaded: try later, or another member."
    } else {
        ""
    }
}
