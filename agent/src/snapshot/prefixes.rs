//! The prefixes under which API servers store their objects.

use etcdsnap_core::kubernetes::registry_keys::{Object, PREFIXES, object_below};
use etcdsnap_core::store::KeyRange;

/// The prefixes to search for objects.
#[derive(Debug, Clone)]
pub struct KubernetesPrefixes(Vec<Vec<u8>>);

impl KubernetesPrefixes {
    /// Uses the given prefix, or the known ones of API servers.
    #[must_use]
    pub fn of(given: Option<&[u8]>) -> Self {
        match given {
            Some(prefix) => Self(vec![prefix.to_vec()]),
            None => Self(PREFIXES.iter().map(|prefix| prefix.to_vec()).collect()),
        }
    }

    /// Returns all prefixes.
    #[must_use]
    pub fn list(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Returns a range that contains all objects.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        match self.0.as_slice() {
            [one] => KeyRange::prefix(one),
            _ => KeyRange::all(),
        }
    }

    /// Parses a key as an object's.
    #[must_use]
    pub fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        object_below(key, &self.0)
    }
}
