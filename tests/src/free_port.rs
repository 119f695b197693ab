//! Finds free ports on the loopback address.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

/// Ports that this process has taken: a server binds its port some time later, and must find it free then.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// Returns a listener at a free port that this process has not taken before, outside the range of ports for outgoing connections: one of these could take the port before
/// its server does.
///
/// # Panics
/// Panics if no port is free.
#[must_use]
pub fn listener() -> TcpListener {
    let mut given = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    let port = || 15_000 + (RandomState::new().hash_one(()) % 17_000) as u16;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok();
    (0..1000).find_map(|_| Some(port()).filter(|port| given.insert(*port)).and_then(free)).expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_returned_twice() {
        let ports: Vec<u16> = (0..2000).map(|_| listener().local_addr().unwrap().port()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| (15_000..32_000).contains(port)));
    }
}
