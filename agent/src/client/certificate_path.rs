//! Finds the chain from a server's certificate to an authority, for certificates that webpki refuses and Go accepts: those of an authority itself (`CA:TRUE`), and those that are
//! in `--cacert` themselves.
//!
//! The rules are those of Go's crypto/x509 (`Certificate.Verify`), with one difference: name constraints are not supported, so a chain with such an
//! authority is refused.

use std::cell::Cell;

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, OtherError};
use webpki::RawPublicKeyEntity;
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_NAME_CONSTRAINTS, OID_X509_EXT_SUBJECT_ALT_NAME,
};
use x509_parser::x509::X509Version;

use super::algorithms::ALGORITHMS;
use super::certificate_text::{describe, parse, signature_algorithm};

/// Certificates from a server that are considered at most; a chain has two or three.
const MAX_SENT_CERTIFICATES: usize = 16;
/// Intermediate authorities between a server's certificate and a trusted one at most.
const MAX_INTERMEDIATES: u32 = 8;
/// Signatures that are checked for one server at most, as in Go, so that a server cannot keep the client busy.
const MAX_SIGNATURES: u32 = 100;

/// The trusted certificates.
#[derive(Debug)]
pub(super) struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    /// Takes the certificates of `--cacert`, or of the system.
    pub fn new(given: Vec<CertificateDer<'static>>) -> Self {
        Self(given)
    }

    /// Whether this module, not webpki, must verify a server's certificate.
    pub fn must_verify(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|given| given == certificate) || parse(certificate).is_some_and(|parsed| parsed.is_ca())
    }
}

/// Verifies a server's certificate; `others` are the certificates that the server sent with it.
///
/// # Errors
/// When it is expired or not yet valid, not for servers, not for this name, or has no chain to an anchor.
pub(super) fn verify(
    certificate: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    anchors: &Anchors,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<(), Error> {
    let leaf = Candidate::read(certificate).ok_or(CertificateError::BadEncoding)?;
    leaf.check_time(now)?;
    leaf.check_usage()?;
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
    if anchors.0.iter().any(|given| given == certificate) {
        return Ok(());
    }
    let anchors = anchors.0.iter().filter_map(Candidate::read).collect();
    let others = others.iter().take(MAX_SENT_CERTIFICATES).filter_map(Candidate::read).collect();
    let search = Search { anchors, others, now, signatures: Cell::new(0) };
    search.find_chain(&leaf, 0).map_err(Error::from)
}

/// Describes the first certificate that is signed with an unsupported algorithm; a self-signed certificate needs no supported signature.
pub(super) fn unsupported_signature(certificate: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Option<String> {
    let chain = std::iter::once(certificate).chain(others.iter().take(MAX_SENT_CERTIFICATES));
    chain.filter_map(|der| Some((der, Candidate::read(der)?))).find_map(|(der, candidate)| {
        let is_self_issued = candidate.certificate.subject().as_raw() == candidate.certificate.issuer().as_raw();
        let is_known = ALGORITHMS.all.iter().any(|known| known.signature_alg_id().as_ref() == candidate.algorithm);
        let algorithm = signature_algorithm(&candidate.certificate.signature_algorithm.algorithm);
        (!is_known && !is_self_issued).then(|| format!("{} is signed with {algorithm}", describe(der)))
    })
}

/// A certificate that may be part of the chain.
struct Candidate<'c> {
    certificate: X509Certificate<'c>,
    /// The identifier of its signature algorithm in webpki's form: without the tag of the sequence.
    algorithm: &'c [u8],
}

impl<'c> Candidate<'c> {
    fn read(der: &'c CertificateDer<'_>) -> Option<Self> {
        let certificate = parse(der)?;
        let (_, whole) = Any::from_der(der).ok()?;
        let (rest, _) = Any::from_der(whole.data).ok()?;
        let (_, algorithm) = Any::from_der(rest).ok()?;
        // The same identifier is also in the signed part, where it cannot be forged.
        let within = certificate.tbs_certificate.signature == certificate.signature_algorithm;
        within.then_some(Self { certificate, algorithm: algorithm.data })
    }

    fn check_time(&self, now: UnixTime) -> Result<(), CertificateError> {
        let validity = self.certificate.validity();
        let time = |time: x509_parser::time::ASN1Time| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(time.timestamp()).unwrap_or(0)))
        };
        let (not_before, not_after) = (time(validity.not_before), time(validity.not_after));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before });
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after });
        }
        Ok(())
    }

    /// Checks that it may belong to a server or sign servers' certificates, and that all its critical extensions are supported.
    fn check_usage(&self) -> Result<(), CertificateError> {
        let known = [
            OID_X509_EXT_BASIC_CONSTRAINTS,
            OID_X509_EXT_EXTENDED_KEY_USAGE,
            OID_X509_EXT_KEY_USAGE,
            OID_X509_EXT_NAME_CONSTRAINTS,
            OID_X509_EXT_SUBJECT_ALT_NAME,
        ];
        if let Some(unknown) =
            self.certificate.iter_extensions().find(|extension| extension.critical && !known.contains(&extension.oid))
        {
            return Err(refused(format!("it has a critical extension that is not supported, {}", unknown.oid)));
        }
        let usage = self.certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
        match usage.map(|usage| usage.value) {
            Some(usage) if !usage.any && !usage.server_auth => Err(CertificateError::InvalidPurpose),
            _ => Ok(()),
        }
    }

    /// Checks that it may sign a certificate with this many intermediate authorities below it.
    fn check_authority(&self, intermediates: u32) -> Result<(), CertificateError> {
        let bad = |_| CertificateError::BadEncoding;
        let basic = self.certificate.basic_constraints().map_err(bad)?.map(|basic| basic.value);
        // A certificate of version 1 has no extensions, so it cannot declare itself an authority.
        let is_authority = basic.map_or(self.certificate.version() != X509Version::V3, |basic| basic.ca);
        let usage = self.certificate.key_usage().map_err(bad)?;
        if !is_authority || usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(refused(format!(
                "its issuer {:?} is not an authority",
                self.certificate.subject().to_string()
            )));
        }
        if basic.and_then(|basic| basic.path_len_constraint).is_some_and(|most| intermediates > most) {
            return Err(refused("its chain has more authorities than one of them allows"));
        }
        if self.certificate.name_constraints().map_err(bad)?.is_some() {
            return Err(refused(
                "an authority in its chain has name constraints, which are not supported for a certificate of an authority",
            ));
        }
        Ok(())
    }
}

struct Search<'c> {
    anchors: Vec<Candidate<'c>>,
    others: Vec<Candidate<'c>>,
    now: UnixTime,
    signatures: Cell<u32>,
}

impl Search<'_> {
    /// Searches for a chain from the certificate `issued`, which has this many intermediate authorities below it, to an anchor. The error is that of the longest chain that was tried.
    fn find_chain(&self, issued: &Candidate<'_>, intermediates: u32) -> Result<(), CertificateError> {
        let is_named_as_issuer =
            |issuer: &&Candidate<'_>| issuer.certificate.subject().as_raw() == issued.certificate.issuer().as_raw();
        let mut error = CertificateError::UnknownIssuer;
        for anchor in self.anchors.iter().filter(is_named_as_issuer) {
            match self.check_issuer(issued, anchor, intermediates) {
                Ok(()) => return Ok(()),
                Err(cause) => error = cause,
            }
        }
        if intermediates >= MAX_INTERMEDIATES {
            return Err(error);
        }
        for issuer in self.others.iter().filter(is_named_as_issuer) {
            // An intermediate authority cannot be of version 1.
            let is_authority = if issuer.certificate.is_ca() { Ok(()) } else { Err(CertificateError::UnknownIssuer) };
            let checked = is_authority
                .and_then(|()| self.check_issuer(issued, issuer, intermediates))
                .and_then(|()| self.find_chain(issuer, intermediates.saturating_add(1)));
            match checked {
                Ok(()) => return Ok(()),
                Err(CertificateError::UnknownIssuer) => {}
                Err(cause) => error = cause,
            }
        }
        Err(error)
    }

    fn check_issuer(
        &self,
        issued: &Candidate<'_>,
        issuer: &Candidate<'_>,
        intermediates: u32,
    ) -> Result<(), CertificateError> {
        issuer.check_time(self.now)?;
        issuer.check_usage()?;
        issuer.check_authority(intermediates)?;
        self.check_signature(issued, issuer)
    }

    fn check_signature(&self, signed: &Candidate<'_>, issuer: &Candidate<'_>) -> Result<(), CertificateError> {
        self.signatures.set(self.signatures.get().saturating_add(1));
        if self.signatures.get() > MAX_SIGNATURES {
            return Err(refused("its chain needs more signature checks than any real chain"));
        }
        let key = SubjectPublicKeyInfoDer::from(issuer.certificate.public_key().raw);
        let entity = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let matching = ALGORITHMS.all.iter().filter(|known| known.signature_alg_id().as_ref() == signed.algorithm);
        let mut error = None;
        for algorithm in matching {
            let message = signed.certificate.tbs_certificate.as_ref();
            match entity.verify_signature(*algorithm, message, &signed.certificate.signature_value.data) {
                Ok(()) => return Ok(()),
                Err(webpki::Error::InvalidSignatureForPublicKey) => error = Some(CertificateError::BadSignature),
                Err(_) => {}
            }
        }
        let algorithm = signature_algorithm(&signed.certificate.signature_algorithm.algorithm);
        Err(error.unwrap_or_else(|| refused(format!("it is signed with {algorithm}, which is not supported"))))
    }
}

/// The reason for a refusal, as text.
#[derive(Debug)]
pub(super) struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn refused(reason: impl Into<String>) -> CertificateError {
    CertificateError::Other(OtherError(std::sync::Arc::new(Refused(reason.into()))))
}
