//! Chooses keys by prefix or by Kubernetes type.

use crate::kubernetes::registry_keys::{Object, object_below};
use crate::kubernetes::resources::Resource;

/// A condition that chooses keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChoice {
    /// Keys that begin with these bytes.
    Prefix(Vec<u8>),
    /// Keys of Kubernetes objects of a type.
    Type {
        /// The type.
        resource: Box<Resource>,
        /// The prefixes below which API servers store objects.
        prefixes: Vec<Vec<u8>>,
    },
}

impl KeyChoice {
    /// Returns whether a key is chosen.
    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Type { resource, prefixes } => {
                object_below(key, prefixes).is_some_and(|object: Object<'_>| resource.stores(&object))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::registry_keys::PREFIXES;
    use crate::kubernetes::resources::Resources;

    #[test]
    fn keys_are_found_by_their_prefix_and_by_the_type_of_their_object() {
        let prefix = KeyChoice::Prefix(b"/registry/events/".to_vec());
        assert!(prefix.has(b"/registry/events/shop/a") && !prefix.has(b"/registry/events"));
        assert!(KeyChoice::Prefix(Vec::new()).has(b"") && KeyChoice::Prefix(Vec::new()).has(b"\xff"));
        let resources = Resources::builtin();
        let prefixes: Vec<Vec<u8>> = PREFIXES.iter().map(|prefix| prefix.to_vec()).collect();
        for word in ["events", "ev", "events.events.k8s.io"] {
            let resource = Box::new(resources.called(word).first().copied().unwrap().clone());
            let events = KeyChoice::Type { resource, prefixes: prefixes.clone() };
            assert!(events.has(b"/registry/events/shop/a") && events.has(b"/kubernetes.io/events/shop/a"), "{word}");
            assert!(!events.has(b"/registry/pods/events/a") && !events.has(b"events"), "{word}");
        }
    }
}
