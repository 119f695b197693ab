//! Sends the client certificate when the server asks for one, of any X.509 version and from any issuer, as Go's clients do.

use std::sync::Arc;

use tokio_rustls::rustls::SignatureScheme;
use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::certificate_text::describe;
use super::handshake_facts::HandshakeFacts;

/// Answers a server's request for a client certificate.
#[derive(Debug)]
pub(super) struct ClientCertificate {
    /// The certificate and its key; `None` sends none.
    pub key: Option<Arc<CertifiedKey>>,
    /// Records that the server asked.
    pub facts: HandshakeFacts,
}

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let usable = self.key.as_ref().filter(|key| key.key.choose_scheme(schemes).is_some());
        self.facts.note(|facts| {
            facts.asked = true;
            facts.sent = usable.and_then(|key| key.cert.first()).map(describe);
        });
        usable.cloned()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
