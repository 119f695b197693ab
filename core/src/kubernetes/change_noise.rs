//! Differences between two snapshots that say little: they are counted, and listed only on request.

use super::registry_keys::Object;
use super::value_changes::{Showing, ValueChanges, value_changes};

/// Why a difference says little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// The object is a Lease, which its holder renews every few seconds.
    Lease,
    /// The object is an Event, which expires after an hour.
    Event,
    /// Only `managedFields` differ.
    ManagedFields,
    /// All fields are alike, but not the stored bytes: for example, the value was encrypted anew.
    Alike,
}

impl Noise {
    /// Returns the noise of every difference between two objects of this type.
    #[must_use]
    pub fn of_type(object: &Object<'_>) -> Option<Self> {
        match (object.group, object.resource) {
            (b"", b"leases") => Some(Self::Lease),
            (b"", b"events") => Some(Self::Event),
            _ => None,
        }
    }

    /// Returns the noise of the differences between two states of an object; `None` if fields differ, or may differ.
    #[must_use]
    pub fn of_fields(changes: &ValueChanges) -> Option<Self> {
        let is_alike = changes.fields.list.is_empty() && changes.fields.more == 0 && !changes.damaged;
        is_alike.then_some(if changes.folded { Self::ManagedFields } else { Self::Alike })
    }

    /// Returns the noise of the difference between two values of `key`; `None` if fields differ, or one of them cannot be decoded.
    #[must_use]
    pub fn of_values(key: &[u8], old: &[u8], new: &[u8]) -> Option<Self> {
        // Nothing of the values is shown.
        let showing = Showing { secrets: true, managed_fields: false };
        value_changes(key, old, new, showing).ok().and_then(|changes| Self::of_fields(&changes))
    }
}

/// Numbers of differences that are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoiseCounts {
    /// Leases.
    pub leases: u64,
    /// Events.
    pub events: u64,
    /// Objects that differ in `managedFields` alone.
    pub managed_fields: u64,
    /// Objects whose fields are alike.
    pub alike: u64,
}

impl NoiseCounts {
    /// Adds one difference.
    pub fn add(&mut self, noise: Noise) {
        let count = match noise {
            Noise::Lease => &mut self.leases,
            Noise::Event => &mut self.events,
            Noise::ManagedFields => &mut self.managed_fields,
            Noise::Alike => &mut self.alike,
        };
        *count = count.saturating_add(1);
    }

    /// Returns each count with its noun in singular and plural.
    #[must_use]
    pub fn named(&self) -> [(u64, &'static str, &'static str); 4] {
        [
            (self.leases, "Lease", "Leases"),
            (self.events, "Event", "Events"),
            (
                self.managed_fields,
                "object that differs in managedFields alone",
                "objects that differ in managedFields alone",
            ),
            (self.alike, "object whose fields are alike", "objects whose fields are alike"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::registry_keys::object;

    #[test]
    fn leases_and_events_are_noise_by_their_type() {
        for (key, noise) in [
            ("/registry/leases/kube-node-lease/n", Some(Noise::Lease)),
            ("/registry/events/shop/web.1", Some(Noise::Event)),
            ("/registry/pods/shop/web", None),
            // A type of the same name in another group.
            ("/registry/example.com/events/shop/a", None),
        ] {
            assert_eq!(Noise::of_type(&object(key.as_bytes(), b"/registry").unwrap()), noise, "{key}");
        }
    }

    #[test]
    fn objects_are_noise_if_no_field_differs() {
        let noise = |old: &str, new: &str| Noise::of_values(b"/registry/a/b/c", old.as_bytes(), new.as_bytes());
        let widget = |size: u8, manager: &str| {
            format!(
                r#"{{"kind":"Widget","metadata":{{"managedFields":[{{"manager":"{manager}"}}]}},"spec":{{"size":{size}}}}}"#
            )
        };
        assert_eq!(noise(&widget(1, "a"), &widget(1, "b")), Some(Noise::ManagedFields));
        assert_eq!(noise(&widget(1, "a"), &widget(2, "a")), None);
        assert_eq!(noise(&widget(1, "a"), &format!(" {}", widget(1, "a"))), Some(Noise::Alike));
        assert_eq!(noise(&widget(1, "a"), "k8s:enc:aescbc:v1:key1:x"), None);
    }

    #[test]
    fn each_noise_is_counted_apart() {
        let mut counts = NoiseCounts::default();
        for noise in [Noise::Lease, Noise::Event, Noise::Event, Noise::ManagedFields, Noise::Alike] {
            counts.add(noise);
        }
        assert_eq!(counts.named().map(|(count, ..)| count), [1, 2, 1, 1]);
    }
}
