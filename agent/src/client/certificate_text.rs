//! Describes certificates briefly, so that messages can say which one they are about.

use etcdsnap_core::key_syntax::printable;
use tokio_rustls::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519, Oid};
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name, X509Version};

/// Parses a certificate; `None` if it is not one.
pub(super) fn parse<'c>(der: &'c CertificateDer<'_>) -> Option<X509Certificate<'c>> {
    parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

/// Returns the public key of a certificate; `None` if it is not a certificate.
pub(super) fn public_key(der: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    parse(der).map(|certificate| SubjectPublicKeyInfoDer::from(certificate.public_key().raw.to_vec()))
}

/// Returns subject, kind of key and issuer: `"server" (P-521, issued by "etcd-ca")`.
pub(super) fn describe(der: &CertificateDer<'_>) -> String {
    let Some(certificate) = parse(der) else { return "that is not an X.509 certificate".into() };
    let issuer = if certificate.subject().as_raw() == certificate.issuer().as_raw() {
        "self-signed".to_owned()
    } else {
        format!("issued by {}", name(certificate.issuer()))
    };
    let version = if certificate.version() == X509Version::V3 { "" } else { "X.509 v1, " };
    format!("{} ({version}{}, {issuer})", name(certificate.subject()), key(certificate.public_key()))
}

/// Returns the common name in quotes, or the whole name if it has none.
fn name(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|common| common.as_str().ok());
    let text = common.map_or_else(|| name.to_string(), ToOwned::to_owned);
    if text.is_empty() { "without a name".into() } else { format!("\"{}\"", printable(&text)) }
}

/// Returns the usual name of the kind of key.
fn key(key: &SubjectPublicKeyInfo<'_>) -> String {
    let curve = |oid: &Oid<'_>| match oid {
        oid if *oid == OID_EC_P256 => "P-256".to_owned(),
        oid if *oid == OID_NIST_EC_P384 => "P-384".to_owned(),
        oid if *oid == OID_NIST_EC_P521 => "P-521".to_owned(),
        oid => format!("elliptic curve {oid}"),
    };
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(_)) => {
            let parameters = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            parameters.map_or_else(|| "elliptic curve without a name".to_owned(), |oid| curve(&oid))
        }
        _ if key.algorithm.algorithm == OID_SIG_ED25519 => "Ed25519".into(),
        _ => format!("key of algorithm {}", key.algorithm.algorithm),
    }
}

/// Returns the name of an outdated signature algorithm, or the identifier of any other.
pub(super) fn signature_algorithm(oid: &Oid<'_>) -> String {
    let known = match oid.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => "MD5 with RSA",
        "1.2.840.113549.1.1.5" => "SHA-1 with RSA",
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA",
        "1.2.840.113549.1.1.11" => "SHA-256 with RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.3.101.113" => "Ed448",
        other => return format!("algorithm {other}"),
    };
    known.to_owned()
}
