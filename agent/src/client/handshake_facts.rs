//! Records facts about a TLS handshake, to explain its failure: rustls's errors name no certificate, and an alert does not say which side was wrong.

use std::sync::{Arc, Mutex, MutexGuard};

/// The facts about one handshake, shared between the parts that collect and read them.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeFacts(Arc<Mutex<HandshakeRecord>>);

/// The facts collected so far.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeRecord {
    /// A description of the server's certificate.
    pub server: Option<String>,
    /// A description of the certificate with an unsupported signature: the server's, or an authority's above it.
    pub unsupported: Option<String>,
    /// Whether the server asked for a client certificate.
    pub asked: bool,
    /// A description of the client certificate that was sent.
    pub sent: Option<String>,
}

impl HandshakeFacts {
    /// Changes the facts.
    pub fn note(&self, change: impl FnOnce(&mut HandshakeRecord)) {
        change(&mut self.lock());
    }

    /// Returns a copy of the facts.
    pub fn get(&self) -> HandshakeRecord {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HandshakeRecord> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
