//! Why a server could not be reached or did not do what was asked.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use etcdsnap_core::words::printable;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};
use tonic::{Code, Status};

use crate::error::plain;
use crate::printable::printable_path;

/// A server was not reached, or refused. Its text says what is wrong; [`ClientError::advice`] says what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// What stands in `--endpoints` is no endpoint.
    #[error("--endpoints: {endpoint:?} is no endpoint: {reason}")]
    Endpoint {
        /// As it was written, without user and password.
        endpoint: String,
        /// What is the matter with it.
        reason: String,
    },
    /// A certificate, key or password file cannot be used.
    #[error("{flag}: {}: {reason}", printable_path(path))]
    File {
        /// The flag that named it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        reason: String,
    },
    /// TLS cannot be set up on this side.
    #[error("TLS cannot be used: {0}")]
    Tls(String),
    /// DNS has no endpoints.
    #[error("--discovery-srv: no endpoints of {domain:?} were found: {reason}")]
    Discovery {
        /// The domain.
        domain: String,
        /// Why.
        reason: String,
    },
    /// No connection came about.
    #[error("{endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        endpoint: String,
        /// What the system said.
        reason: String,
        /// Whether it was a matter of time.
        timeout: bool,
    },
    /// The two sides did not agree on a TLS connection.
    #[error("no TLS connection to {endpoint}: {reason}")]
    Handshake {
        /// The server.
        endpoint: String,
        /// What is the matter.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// The connection broke while the server was asked.
    #[error("the connection to {endpoint} broke: {reason}")]
    Broken {
        /// The server.
        endpoint: String,
        /// What the system said.
        reason: String,
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
            Self::Handshake { advice, .. } => (*advice).into(),
            Self::Broken { endpoint, .. } if endpoint.starts_with("http:") || !endpoint.contains("://") => {
                "See the server's log. If it speaks TLS, write https:// before the address and give --cacert (and --cert and --key, if it asks for them).".into()
            }
            Self::Broken { endpoint, .. } if endpoint.starts_with("https:") => {
                "See the server's log. If it asks for certificates of its clients, give --cert and --key.".into()
            }
            Self::Broken { .. } => "See the server's log.".into(),
            Self::Refused { code, message, .. } => refused(*code, message).into(),
            Self::File { .. } | Self::Tls(_) | Self::Discovery { .. } => String::new(),
        }
    }

    /// Whether the same server may well do it another time, or another server now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Handshake { .. } => true,
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

    /// No connection within `limit`.
    pub(super) fn late(endpoint: &str, limit: Duration) -> Self {
        let reason = format!("no answer within {}", humantime::format_duration(limit));
        Self::Unreachable { endpoint: endpoint.to_owned(), reason, timeout: true }
    }

    /// What came of a failed handshake.
    pub(super) fn handshake(endpoint: &str, cause: &io::Error) -> Self {
        let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let Some(error) = inner else {
            let what =
                if cause.kind() == io::ErrorKind::UnexpectedEof { "the server hung up".into() } else { plain(cause) };
            let reason = format!("{what} before both sides had agreed on TLS");
            return Self::Handshake {
                endpoint: endpoint.to_owned(),
                reason,
                advice: "Does it speak TLS? If not, write http:// before the address.",
            };
        };
        let (reason, advice) = tls_words(error);
        Self::Handshake { endpoint: endpoint.to_owned(), reason, advice }
    }

    /// What a call came back with.
    pub(super) fn of_status(endpoint: &str, status: &Status) -> Self {
        let endpoint = endpoint.to_owned();
        match status.source() {
            Some(cause) => Self::Broken { endpoint, reason: cause.to_string() },
            None => Self::Refused { endpoint, code: status.code(), message: status.message().to_owned() },
        }
    }

    /// A connection that broke because of `cause`.
    pub(super) fn broken(endpoint: &str, cause: &io::Error) -> Self {
        let endpoint = endpoint.to_owned();
        // A server that does not take our certificate says so only when it is asked something (TLS 1.3).
        if let Some(error) = cause.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
            let (reason, advice) = tls_words(error);
            return Self::Handshake { endpoint, reason, advice };
        }
        Self::Broken { endpoint, reason: plain(cause) }
    }
}

/// A TLS error in plain words, and what to do.
fn tls_words(error: &TlsError) -> (String, &'static str) {
    const WHOSE: &str = "Give the certificate of the authority that signed the server's with --cacert.";
    const OURS: &str = "Give a certificate and key that the server takes, with --cert and --key.";
    match error {
        TlsError::InvalidCertificate(cause) => match cause {
            CertificateError::UnknownIssuer => {
                ("the server's certificate is signed by nobody whom we trust".into(), WHOSE)
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                "the server's certificate has expired".into(),
                "Renew it on the server, and check this machine's clock.",
            ),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                ("the server's certificate is not valid yet".into(), "Check this machine's clock.")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                format!("the server's certificate is for another name: {error}"),
                "Use a name or address that stands in the certificate.",
            ),
            CertificateError::BadSignature => {
                ("the server's certificate is not signed by the authority of --cacert".into(), WHOSE)
            }
            _ => (format!("the server's certificate cannot be taken: {error}"), WHOSE),
        },
        TlsError::InvalidMessage(_) => {
            ("what answers there does not speak TLS".into(), "Write http:// before the address if that is right.")
        }
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::HandshakeFailure
            | AlertDescription::AccessDenied,
        ) => (format!("the server does not take our certificate: {error}"), OURS),
        _ => (error.to_string(), ""),
    }
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
