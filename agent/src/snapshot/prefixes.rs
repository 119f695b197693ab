//! Where API servers keep their objects.

use etcdsnap_core::kubernetes::registry_keys::{Object, PREFIXES, object_below};
use etcdsnap_core::store::KeyRange;

/// The prefixes below which objects are looked for.
#[derive(Debug, Clone)]
pub struct KubernetesPrefixes(Vec<Vec<u8>>);

impl KubernetesPrefixes {
    /// The one that was given, or those that API servers have.
    #[must_use]
    pub fn of(given: Option<&[u8]>) -> Self {
        match given {
            Some(prefix) => Self(vec![prefix.to_vec()]),
            None => Self(PREFIXES.iter().map(|prefix| prefix.to_vec()).collect()),
        }
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Keys among which all objects are.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        match self.0.as_slice() {
            [one] => KeyRange::prefix(one),
            _ => KeyRange::all(),
        }
    }

    /// The object under a key.
    #[must_use]
    pub fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        object_below(key, &self.0)
    }
}
