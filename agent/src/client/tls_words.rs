//! What went wrong with TLS, in words for a person: which certificate, whose, and what to do.

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::handshake_facts::Facts;

const WHOSE: &str = "Give the certificate of the authority that signed the server's with --cacert.";
const OURS: &str =
    "Give a certificate and key that the server takes, with --cert and --key. The server's log says more.";
const OFFERED: &str = "This program speaks TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20-Poly1305, and takes RSA keys from 1024 bits, P-256, P-384, P-521 and Ed25519. See the server's log and its --cipher-suites, --tls-min-version and --tls-max-version.";

/// A TLS error in plain words, and what to do.
pub(super) fn explain(error: &Error, facts: &Facts) -> (String, String) {
    match error {
        Error::InvalidCertificate(cause) => {
            let (reason, advice) = certificate(cause, facts);
            (
                format!("the server's certificate {} {reason}", facts.server.as_deref().unwrap_or_default()),
                advice.into(),
            )
        }
        Error::InvalidMessage(_) => (
            "what answers there does not speak TLS".into(),
            "Write http:// before the address if that is right.".into(),
        ),
        Error::AlertReceived(alert) => self::alert(*alert, facts),
        Error::PeerIncompatible(cause) => {
            (format!("the server wants something that is not supported here ({cause:?})"), OFFERED.into())
        }
        _ => (error.to_string(), String::new()),
    }
}

/// What is wrong with the server's certificate, as the rest of a sentence.
fn certificate(cause: &CertificateError, facts: &Facts) -> (String, &'static str) {
    if let Some(unsupported) = &facts.unsupported {
        const RENEW: &str = "Have it signed anew with SHA-256 or more; etcdctl does not take it either. --insecure-skip-tls-verify takes any certificate.";
        return (format!("cannot be checked: {unsupported}, which is not supported"), RENEW);
    }
    match cause {
        CertificateError::UnknownIssuer => ("is signed by nobody whom we trust".into(), WHOSE),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired".into(), "Renew it on the server, and check this machine's clock.")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet".into(), "Check this machine's clock.")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "names no host: it has no subject alternative names, and a common name alone does not count".into(),
            "Make it anew with the server's names and addresses (subjectAltName).",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => (
            format!("is for another name: not for {}, but for {}", expected.to_str(), names(presented)),
            "Use a name or address that stands in the certificate.",
        ),
        CertificateError::NotValidForName => {
            ("is for another name".into(), "Use a name or address that stands in the certificate.")
        }
        CertificateError::BadSignature => ("is not signed by the authority of --cacert".into(), WHOSE),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "is not for servers: its extended key usage lacks serverAuth".into(),
            "Make it anew with the extended key usages serverAuth and clientAuth, which etcd needs.",
        ),
        CertificateError::BadEncoding => ("cannot be read as X.509".into(), "Make it anew on the server."),
        CertificateError::Other(cause) if cause.to_string() == "UnsupportedCertVersion" => (
            "is of X.509 version 1, which has no names of hosts".into(),
            "Make it anew as version 3 with the server's names and addresses (subjectAltName).",
        ),
        cause => (format!("cannot be taken: {cause}"), "--insecure-skip-tls-verify takes any certificate."),
    }
}

/// The names in a certificate, of which rustls writes `DnsName("x")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(plain).collect::<Vec<_>>().join(", ")
}

/// What the server says of the handshake, and whose fault it is.
fn alert(alert: AlertDescription, facts: &Facts) -> (String, String) {
    use AlertDescription as A;
    match (alert, facts) {
        (A::CertificateRequired, _)
        | (A::HandshakeFailure | A::BadCertificate, Facts { asked: true, sent: None, .. }) => {
            ("the server wants a certificate of its clients, and none was given".into(), OURS.into())
        }
        (A::CertificateExpired, Facts { sent: Some(sent), .. }) => {
            (format!("the server does not take our certificate {sent}: it has expired"), OURS.into())
        }
        (A::UnknownCA, Facts { sent: Some(sent), .. }) => (
            format!(
                "the server does not take our certificate {sent}: it is signed by none of the server's authorities (--trusted-ca-file)"
            ),
            OURS.into(),
        ),
        (
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateUnknown
            | A::HandshakeFailure
            | A::AccessDenied
            | A::DecryptError,
            Facts { sent: Some(sent), .. },
        ) => {
            (format!("the server does not take our certificate {sent}, and does not say why ({alert:?})"), OURS.into())
        }
        (A::HandshakeFailure | A::InsufficientSecurity, _) => {
            ("the server and this program have no cipher suite or kind of key in common".into(), OFFERED.into())
        }
        (A::ProtocolVersion, _) => {
            ("the server speaks no version of TLS that is supported here".into(), OFFERED.into())
        }
        (A::InternalError, _) => (
            "the server failed at its side of the handshake".into(),
            "See the server's log: its key and certificate may not fit each other.".into(),
        ),
        _ => (format!("the server ended the handshake ({alert:?})"), "See the server's log.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_are_written_as_people_write_them() {
        let presented =
            [r#"DnsName("etcd.example")"#, "IpAddress(127.0.0.1)", "IpAddress(::1)", "odd"].map(str::to_owned);
        assert_eq!(names(&presented), "etcd.example, 127.0.0.1, ::1, odd");
    }
}
