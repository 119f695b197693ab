//! One read-only server for all tests of a file. It ends with the last test that uses it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::server::{MemberConfig, Servers, member_configs};

/// A server of etcd 3.7 that runs.
pub struct SharedServer {
    /// Its ports and data directory.
    pub member_config: MemberConfig,
    _servers: Servers,
    _folder: tempfile::TempDir,
}

/// Where the tests of a file keep their server: a `static`.
pub type Slot = Mutex<Weak<SharedServer>>;

impl SharedServer {
    /// Returns the server of `slot`, starting it with this many megabytes ([`Servers::put_megabytes`]) if it does not run; `None` without the reference programs.
    ///
    /// # Panics
    /// Panics if it does not start.
    #[must_use]
    pub fn get(slot: &'static Slot, megabytes: usize) -> Option<Arc<Self>> {
        let mut shared = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let member_config = member_configs(folder.path(), &["one"]).remove(0);
        let servers = Servers::start("3.7", std::slice::from_ref(&member_config), folder.path())?;
        servers.put_megabytes(megabytes);
        let started = Arc::new(Self { member_config, _servers: servers, _folder: folder });
        *shared = Arc::downgrade(&started);
        Some(started)
    }
}
