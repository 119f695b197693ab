//! One server for all tests of a file, which none of them changes. It ends with the last of those that run.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::server::{Seat, Servers, seats};

/// A server of etcd 3.7 that runs.
pub struct SharedServer {
    /// Its ports and data directory.
    pub seat: Seat,
    _servers: Servers,
    _folder: tempfile::TempDir,
}

/// Where the tests of a file find their server: a `static` in it.
pub type Slot = Mutex<Weak<SharedServer>>;

impl SharedServer {
    /// The server of `slot`, started and filled with so many megabytes ([`Servers::fill`]) unless it runs; `None` without the reference programs.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn get(slot: &'static Slot, megabytes: usize) -> Option<Arc<Self>> {
        let mut shared = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let seat = seats(folder.path(), &["one"]).remove(0);
        let servers = Servers::start("3.7", std::slice::from_ref(&seat), folder.path())?;
        servers.fill(megabytes);
        let started = Arc::new(Self { seat, _servers: servers, _folder: folder });
        *shared = Arc::downgrade(&started);
        Some(started)
    }
}
