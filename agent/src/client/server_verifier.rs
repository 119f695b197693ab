//! Verifies a server's certificate: as webpki does, and additionally the certificates that Go's verifier accepts but webpki does not.
//!
//! webpki refuses a server's certificate that is an authority's (`CA:TRUE`), as `etcd --auto-tls` and `openssl req -x509` create it, and one that is in `--cacert`
//! itself without being self-signed. Those are passed to [`certificate_path`](super::certificate_path).

use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use webpki::RawPublicKeyEntity;

use super::algorithms::ALGORITHMS;
use super::certificate_path::{self, Anchors};
use super::certificate_text::{describe, public_key};
use super::handshake_facts::HandshakeFacts;

/// Verifies servers' certificates.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    trust: Trust,
    facts: HandshakeFacts,
}

#[derive(Debug)]
enum Trust {
    /// Accepts any certificate; the server must still have its key.
    Anyone,
    /// Accepts certificates with a chain to one of the authorities.
    Authorities {
        webpki: Arc<WebPkiServerVerifier>,
        anchors: Anchors,
        /// A name that is accepted instead of the endpoint's.
        other_name: Option<ServerName<'static>>,
    },
}

impl ServerVerifier {
    /// Accepts any certificate.
    pub fn anyone(facts: HandshakeFacts) -> Self {
        Self { trust: Trust::Anyone, facts }
    }

    /// Accepts the certificates in `given` and those that they signed, for the endpoint's name or `other_name`. Certificates that cannot be used as authorities are skipped.
    ///
    /// # Errors
    /// When none can be used.
    pub fn of(
        given: Vec<CertificateDer<'static>>,
        other_name: Option<ServerName<'static>>,
        facts: HandshakeFacts,
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(given.iter().cloned());
        let webpki =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(super::algorithms::provider()));
        let webpki = webpki.build().map_err(|cause| cause.to_string())?;
        Ok(Self { trust: Trust::Authorities { webpki, anchors: Anchors::new(given), other_name }, facts })
    }

    fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        match &self.trust {
            Trust::Anyone => Ok(()),
            Trust::Authorities { anchors, .. } if anchors.must_verify(certificate) => {
                certificate_path::verify(certificate, others, anchors, name, now)
            }
            Trust::Authorities { webpki, .. } => {
                webpki.verify_server_cert(certificate, others, name, &[], now).map(drop).inspect_err(|_| {
                    let unsupported = certificate_path::unsupported_signature(certificate, others);
                    self.facts.note(|facts| facts.unsupported = unsupported);
                })
            }
        }
    }

    /// Checks a signature with the key of a certificate that webpki may be unable to parse, such as one of version 1.
    fn signed_by_key(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        is_tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if is_tls13 {
            return verify_tls13_signature_with_raw_key(message, &key, signed, &ALGORITHMS);
        }
        let entity = RawPublicKeyEntity::try_from(&key).map_err(other)?;
        let offered = ALGORITHMS.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) = offered.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let mut last = webpki::Error::InvalidSignatureForPublicKey;
        for algorithm in *algorithms {
            match entity.verify_signature(*algorithm, message, signed.signature()) {
                Ok(()) => return Ok(HandshakeSignatureValid::assertion()),
                Err(cause) => last = cause,
            }
        }
        Err(other(last))
    }
}

fn other(cause: webpki::Error) -> Error {
    match cause {
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature.into(),
        cause => CertificateError::Other(OtherError(Arc::new(cause))).into(),
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.facts.note(|facts| facts.server = Some(describe(certificate)));
        let judged = match (self.verify(certificate, others, name, now), &self.trust) {
            (
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )),
                Trust::Authorities { other_name: Some(other), .. },
            ) => self.verify(certificate, others, other, now),
            (judged, _) => judged,
        };
        judged.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trust {
            Trust::Anyone => self.signed_by_key(message, certificate, signed, false),
            Trust::Authorities { .. } => verify_tls12_signature(message, certificate, signed, &ALGORITHMS),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self.trust {
            Trust::Anyone => self.signed_by_key(message, certificate, signed, true),
            Trust::Authorities { .. } => verify_tls13_signature(message, certificate, signed, &ALGORITHMS),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ALGORITHMS.supported_schemes()
    }
}
