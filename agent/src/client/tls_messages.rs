//! Explains TLS errors: which certificate of which side is wrong, and what to do.

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

use super::handshake_facts::HandshakeRecord;

const GIVE_AUTHORITY: &str = "Give the certificate of the authority that signed the server's with --cacert.";
const GIVE_CLIENT_CERTIFICATE: &str =
    "Give a certificate and key that the server accepts, with --cert and --key. The server's log says more.";
const SUPPORTED_TLS: &str = "This program supports TLS 1.2 and 1.3 with ECDHE and AES-GCM or ChaCha20-Poly1305, and RSA keys from 1024 bits, P-256, P-384, P-521 and Ed25519. Check the server's log and its --cipher-suites, --tls-min-version and --tls-max-version.";

/// Explains a TLS error, and says what to do.
pub(super) fn explain(error: &Error, facts: &HandshakeRecord) -> (String, String) {
    match error {
        Error::InvalidCertificate(cause) => {
            let (reason, advice) = certificate(cause, facts);
            (
                format!("the server's certificate {} {reason}", facts.server.as_deref().unwrap_or_default()),
                advice.into(),
            )
        }
        Error::InvalidMessage(_) => {
            ("the server does not speak TLS".into(), "Write http:// before the address if that is right.".into())
        }
        Error::AlertReceived(alert) => self::alert(*alert, facts),
        Error::PeerIncompatible(cause) => {
            (format!("the server requires something that is not supported ({cause:?})"), SUPPORTED_TLS.into())
        }
        _ => (error.to_string(), String::new()),
    }
}

/// Says what is wrong with the server's certificate, as the rest of a sentence.
fn certificate(cause: &CertificateError, facts: &HandshakeRecord) -> (String, &'static str) {
    if let Some(unsupported) = &facts.unsupported {
        const RENEW: &str = "Have it signed again with SHA-256 or better; etcdctl does not accept it either. --insecure-skip-tls-verify accepts any certificate.";
        return (format!("cannot be checked: {unsupported}, which is not supported"), RENEW);
    }
    match cause {
        CertificateError::UnknownIssuer => ("is not signed by a trusted authority".into(), GIVE_AUTHORITY),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("has expired".into(), "Renew it on the server, and check this machine's clock.")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("is not valid yet".into(), "Check this machine's clock.")
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => (
            "names no host: it has no subject alternative names, and the common name does not count".into(),
            "Create it again with the server's names and addresses (subjectAltName).",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => (
            format!("is for another name: not for {}, but for {}", expected.to_str(), names(presented)),
            "Use a name or address that is in the certificate.",
        ),
        CertificateError::NotValidForName => {
            ("is for another name".into(), "Use a name or address that is in the certificate.")
        }
        CertificateError::BadSignature => ("is not signed by the authority of --cacert".into(), GIVE_AUTHORITY),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "is not for servers: its extended key usage lacks serverAuth".into(),
            "Create it again with the extended key usages serverAuth and clientAuth, which etcd needs.",
        ),
        CertificateError::BadEncoding => ("cannot be read as X.509".into(), "Create it again on the server."),
        CertificateError::Other(cause) if cause.to_string() == "UnsupportedCertVersion" => (
            "is of X.509 version 1, which cannot contain host names".into(),
            "Create it again as version 3 with the server's names and addresses (subjectAltName).",
        ),
        cause => (format!("is not accepted: {cause}"), "--insecure-skip-tls-verify accepts any certificate."),
    }
}

/// Extracts the names of a certificate from rustls's texts `DnsName("x")` and `IpAddress(127.0.0.1)`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    presented.iter().map(plain).collect::<Vec<_>>().join(", ")
}

/// Explains the server's alert, and which side must be corrected.
fn alert(alert: AlertDescription, facts: &HandshakeRecord) -> (String, String) {
    use AlertDescription as A;
    match (alert, facts) {
        (A::CertificateRequired, _)
        | (A::HandshakeFailure | A::BadCertificate, HandshakeRecord { asked: true, sent: None, .. }) => {
            ("the server requires a client certificate, but none was given".into(), GIVE_CLIENT_CERTIFICATE.into())
        }
        (A::CertificateExpired, HandshakeRecord { sent: Some(sent), .. }) => {
            (format!("the server rejects our certificate {sent}: it has expired"), GIVE_CLIENT_CERTIFICATE.into())
        }
        (A::UnknownCA, HandshakeRecord { sent: Some(sent), .. }) => (
            format!(
                "the server rejects our certificate {sent}: none of the server's authorities (--trusted-ca-file) signed it"
            ),
            GIVE_CLIENT_CERTIFICATE.into(),
        ),
        (
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateUnknown
            | A::HandshakeFailure
            | A::AccessDenied
            | A::DecryptError,
            HandshakeRecord { sent: Some(sent), .. },
        ) => (
            format!("the server rejects our certificate {sent}, and does not say why ({alert:?})"),
            GIVE_CLIENT_CERTIFICATE.into(),
        ),
        (A::HandshakeFailure | A::InsufficientSecurity, _) => {
            ("the server and this program have no cipher suite or kind of key in common".into(), SUPPORTED_TLS.into())
        }
        (A::ProtocolVersion, _) => ("the server offers no supported version of TLS".into(), SUPPORTED_TLS.into()),
        (A::InternalError, _) => (
            "an error occurred in the server during the handshake".into(),
            "Check the server's log: its key and certificate may not fit each other.".into(),
        ),
        _ => (format!("the server ended the handshake ({alert:?})"), "Check the server's log.".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_certificates_are_extracted() {
        let presented =
            [r#"DnsName("etcd.example")"#, "IpAddress(127.0.0.1)", "IpAddress(::1)", "odd"].map(str::to_owned);
        assert_eq!(names(&presented), "etcd.example, 127.0.0.1, ::1, odd");
    }
}
