//! What a TLS handshake showed, so that its failure can be explained: rustls's errors name no certificate, and an alert does not say whose fault it was.

use std::sync::{Arc, Mutex, MutexGuard};

/// The facts of one handshake, shared by those who see them.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeFacts(Arc<Mutex<Facts>>);

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The server's certificate, described.
    pub server: Option<String>,
    /// Who signed with what that is not supported: the server's certificate, or one above it.
    pub unsupported: Option<String>,
    /// Whether the server asked for a certificate of ours.
    pub asked: bool,
    /// The certificate that was sent, described.
    pub sent: Option<String>,
}

impl HandshakeFacts {
    /// Changes the facts.
    pub fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.lock());
    }

    /// The facts as they are now.
    pub fn get(&self) -> Facts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
