//! Why a server could not be reached or refused a request.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use etcdsnap_core::key_syntax::printable;
use tokio_rustls::rustls::Error as TlsError;
use tonic::{Code, Status};

use super::handshake_facts::HandshakeRecord;
use super::tls_messages::explain;
use crate::error::plain;
use crate::grouped_number::grouped;
use crate::printable::printable_path;

/// Why a server could not be reached or refused a request. The text says what is wrong; [`ClientError::advice`] says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A text in `--endpoints` is not an endpoint.
    #[error("--endpoints: {endpoint:?} is not an endpoint: {reason}.")]
    Endpoint {
        /// The text without user and password.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key file cannot be used.
    #[error("{flag}: {}: {reason}.", printable_path(path))]
    File {
        /// The flag that named it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is protected by a passphrase.
    #[error("--key: {}: the key is encrypted.", printable_path(path))]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A token contains characters that are not allowed in a header.
    #[error("The token has characters that cannot be sent: a token is one line of printable ASCII.")]
    Token,
    /// TLS cannot be set up on this side.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    /// `HTTPS_PROXY` cannot be used.
    #[error("HTTPS_PROXY cannot be used: {0}.")]
    ProxySetting(&'static str),
    /// The proxy was not reached, or refused to connect.
    #[error("The proxy {proxy} (HTTPS_PROXY) gives no connection to {endpoint}: {reason}.")]
    Proxy {
        /// The server.
        endpoint: String,
        /// Where the proxy is.
        proxy: String,
        /// The error of the system or the proxy.
        reason: String,
    },
    /// DNS has no endpoints.
    #[error("--discovery-srv: no endpoints of {domain:?} were found:{}", asked.iter().map(|line| format!("\n    {line}.")).collect::<String>())]
    Discovery {
        /// The domain.
        domain: String,
        /// Each name that was looked up, and the result.
        asked: Vec<String>,
    },
    /// No connection was established.
    #[error("{endpoint} cannot be reached: {reason}.")]
    Unreachable {
        /// The server.
        endpoint: String,
        /// The error of the system.
        reason: String,
        /// Whether a time limit was exceeded.
        timeout: bool,
    },
    /// The server accepted the connection but does not answer a request that should take no time.
    #[error("{endpoint} is connected and has not answered {request} within {}.", humantime::format_duration(*limit))]
    Unanswered {
        /// The server.
        endpoint: String,
        /// The request.
        request: &'static str,
        /// The time limit.
        limit: Duration,
    },
    /// The two sides did not agree on a TLS connection.
    #[error("No TLS connection to {endpoint}: {reason}.")]
    Handshake {
        /// The server.
        endpoint: String,
        /// What went wrong.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// The connection broke during a request.
    #[error("The connection to {endpoint} broke{}: {reason}.", after(*received))]
    Broken {
        /// The server.
        endpoint: String,
        /// The error of the system.
        reason: String,
        /// Bytes of a snapshot that were received.
        received: u64,
    },
    /// The server did not answer a ping.
    #[error("The connection to {endpoint} broke: after {} of silence it was pinged, and did not answer within {} (--keepalive-timeout).", humantime::format_duration(*silence), humantime::format_duration(*limit))]
    Keepalive {
        /// The server.
        endpoint: String,
        /// How long it was silent before the ping.
        silence: Duration,
        /// The time limit for the answer.
        limit: Duration,
    },
    /// The server refused the request.
    #[error("{endpoint} refused: {}", printable(message))]
    Refused {
        /// The server.
        endpoint: String,
        /// The gRPC code.
        code: Code,
        /// The server's message.
        message: String,
    },
}

impl ClientError {
    /// Says what to do; empty if nothing helps.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Endpoint { .. } => "Write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix://PATH.".into(),
            Self::Unreachable { timeout: true, .. } => {
                "Check the address, the network and firewalls; --dial-timeout says how long to wait.".into()
            }
            Self::Unreachable { .. } => "Check the address, and whether etcd runs there.".into(),
            Self::Unanswered { .. } => {
                "The server may be overloaded or hang: check its log, or name another member with --endpoints. A --dial-timeout above 5s gives it more time.".into()
            }
            Self::Keepalive { .. } => "Check that the server and the network to it still work.".into(),
            Self::EncryptedKey { path } => format!(
                "Neither etcdctl nor etcdsnap asks for a passphrase. Write a decrypted copy that only its owner can read: (umask 077; openssl pkey -in {} -out NEW), and use that.",
                printable_path(path)
            ),
            Self::Token => "Check --auth-jwt-token and the variable ETCDCTL_AUTH_JWT_TOKEN.".into(),
            Self::ProxySetting(_) => "Write HTTPS_PROXY=http://[USER:PASSWORD@]HOST:PORT, or name the server in NO_PROXY to reach it directly.".into(),
            Self::Proxy { .. } => "Name the server in NO_PROXY to reach it directly.".into(),
            Self::Discovery { .. } => {
                "The names must match exactly, with hyphens; --discovery-srv-name changes them.".into()
            }
            Self::Handshake { advice, .. } => advice.clone(),
            Self::Broken { received: 1.., .. } => "Check the server's log and the network to it. Try again, or name another member with --endpoints.".into(),
            Self::Broken { endpoint, .. } if is_plain(endpoint) => {
                "Check the server's log. If it speaks TLS, write https:// before the address and give --cacert (and --cert and --key, if it asks for them).".into()
            }
            Self::Broken { endpoint, .. } if !is_socket(endpoint) => {
                "Check the server's log. If it requires client certificates, give --cert and --key.".into()
            }
            Self::Broken { .. } => "Check the server's log.".into(),
            Self::Refused { code, message, .. } => refused(*code, message).into(),
            Self::File { .. } | Self::Tls(_) => String::new(),
        }
    }

    /// Whether a retry, with this server or another one, may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
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

    /// Whether a new token may help.
    pub(super) fn needs_new_token(&self) -> bool {
        matches!(self, Self::Refused { code, message, .. }
            if *code == Code::Unauthenticated || message.contains("invalid auth token") || message.contains("auth store is old"))
    }

    /// Whether authentication is disabled on the server, so that no token is needed.
    pub(super) fn is_auth_disabled(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("authentication is not enabled"))
    }

    /// Converts an error that occurred while connecting.
    pub(super) fn unreachable(endpoint: &str, cause: &io::Error) -> Self {
        let reason = match cause.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            io::ErrorKind::NotFound => "there is no such socket".into(),
            _ => plain(cause),
        };
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: false }
    }

    /// Converts an error that occurred while connecting through the proxy.
    pub(super) fn proxy(endpoint: &str, proxy: &str, cause: &io::Error) -> Self {
        let reason = match cause.kind() {
            io::ErrorKind::ConnectionRefused => "nothing listens there".into(),
            _ => plain(cause),
        };
        Self::Proxy { endpoint: endpoint.to_owned(), proxy: proxy.to_owned(), reason }
    }

    /// Returns the error for a connection that was not established within `limit`.
    pub(super) fn connect_timeout(endpoint: &str, limit: Duration) -> Self {
        let reason = format!("no answer within {}", humantime::format_duration(limit));
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: true }
    }

    /// Returns the error for a connection on which nothing was received within `limit`.
    pub(super) fn no_answer(endpoint: &str, limit: Duration) -> Self {
        let reason =
            format!("it accepted the connection, but sent nothing within {}", humantime::format_duration(limit));
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: true }
    }

    /// Converts an error of the TLS handshake.
    pub(super) fn handshake(endpoint: &str, cause: &io::Error, facts: &HandshakeRecord) -> Self {
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

    /// Converts the status of a call.
    pub(super) fn of_status(endpoint: &str, status: &Status) -> Self {
        let endpoint = endpoint.to_owned();
        match status.source() {
            Some(cause) => Self::Broken { endpoint, reason: cause.to_string(), received: 0 },
            None => Self::Refused { endpoint, code: status.code(), message: status.message().to_owned() },
        }
    }

    /// Converts an error of an established connection.
    pub(super) fn broken(endpoint: &str, cause: &io::Error, facts: &HandshakeRecord) -> Self {
        let endpoint = endpoint.to_owned();
        // In TLS 1.3 a server reports only in answer to the first request that it rejects our certificate.
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

/// Whether the scheme of an endpoint asks for plain text.
fn is_plain(endpoint: &str) -> bool {
    match endpoint.split_once("://") {
        Some((scheme, _)) => scheme.eq_ignore_ascii_case("http"),
        None => !is_socket(endpoint),
    }
}

fn is_socket(endpoint: &str) -> bool {
    endpoint.to_ascii_lowercase().starts_with("unix")
}

/// Explains etcd's own error messages.
fn refused(code: Code, message: &str) -> &'static str {
    let says = |words: &str| message.contains(words);
    if says("permission denied") {
        "A snapshot contains everything, so the user needs the root role (etcdctl user grant-role NAME root)."
    } else if says("user name is empty") {
        "Authentication is enabled on the server: give --user and --password (or --cert and --key) of a user with the root role."
    } else if says("invalid user ID or password") {
        "Check --user and the password."
    } else if says("invalid auth token") {
        "The token has expired or belongs to another server: give --user and --password to fetch a new one."
    } else if says("learner") {
        "The member is a learner, and learners of this version do not answer: name another member with --endpoints."
    } else if says("no leader") {
        "The cluster has lost its quorum. A member can still send a snapshot of its data; if it does not, stop it and copy member/snap/db."
    } else if code == Code::Unimplemented {
        "The server is not etcd, or etcd of version 2."
    } else if says("too many requests") || code == Code::ResourceExhausted {
        "The server is overloaded: try later, or another member."
    } else {
        ""
    }
}
