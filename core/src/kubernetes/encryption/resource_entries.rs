//! Chooses the entries of a configuration that apply to a resource, as API servers do.
//!
//! ```yaml
//! resources:
//! - resources: [secrets, deployments.apps, '*.apps', '*.', '*.*']   # resource, resource.group, a group, the core group, all
//!   providers: […]
//! ```
//!
//! If entries name the resource itself, all of them apply together. Otherwise the entry of its group applies, and otherwise the one for all resources. A resource without any entry is stored
//! unencrypted, and an API server refuses its values that begin with `k8s:enc:`.
//!
//! Source: `k8s.io/apiserver/pkg/server/options/encryptionconfig` (`transformerFromOverrides`, `prefixTransformersAndProbes`).

use std::fmt;
use std::ops::Range;

use crate::kubernetes::registry_keys::Object;
use crate::kubernetes::resources::Resources;

/// A resource with its group, as configurations name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupResource {
    /// Its group; empty for the core group.
    pub group: String,
    /// Its plural name.
    pub resource: String,
}

impl GroupResource {
    /// Parses `resource.group`; `*` means all.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Self { group: group.to_owned(), resource: resource.to_owned() }
    }

    /// Returns the resource of an object; `resources` supplies the groups of built-in types, which keys do not contain.
    #[must_use]
    pub fn of(object: &Object<'_>, resources: &Resources) -> Self {
        let of = |group: &str, resource: &str| Self { group: group.to_owned(), resource: resource.to_owned() };
        match (object.group, object.resource) {
            // Records that API servers keep beside objects follow the settings of these resources.
            (b"", b"ranges") => return of("", "services"),
            (b"", b"masterleases") => return of("", "apiServerIPInfo"),
            (b"", b"peerserverleases") => return of("", "peerServerIPInfo"),
            _ => {}
        }
        match resources.of(object) {
            Some(resource) => of(&resource.group, &resource.plural),
            None => of(&String::from_utf8_lossy(object.group), &String::from_utf8_lossy(object.resource)),
        }
    }

    fn is(&self, resource: &str, group: &str) -> bool {
        self.resource == resource && self.group == group
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.resource, self.group)
    }
}

/// An entry of a configuration: resources, and the keys and plugins that read their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConfigEntry {
    pub resources: Vec<GroupResource>,
    /// The indexes of its keys in the configuration.
    pub keys: Range<usize>,
    /// The names of its plugins.
    pub plugins: Vec<String>,
    /// Whether it reads unencrypted values.
    pub has_identity: bool,
}

/// The keys and plugins that read the values of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readers {
    /// Whether an entry applies to the resource.
    pub has_entry: bool,
    /// Whether unencrypted values are read.
    pub reads_plain: bool,
    keys: Vec<Range<usize>>,
    plugins: Vec<String>,
}

impl Readers {
    pub(super) fn of(entries: &[ConfigEntry], wanted: &GroupResource) -> Self {
        let all = [(wanted.resource.as_str(), wanted.group.as_str()), ("*", wanted.group.as_str()), ("*", "*")];
        let found = all.into_iter().find_map(|(resource, group)| {
            let naming = |entry: &&ConfigEntry| entry.resources.iter().any(|named| named.is(resource, group));
            let found: Vec<&ConfigEntry> = entries.iter().filter(naming).collect();
            (!found.is_empty()).then_some(found)
        });
        let Some(found) = found else { return Self { reads_plain: true, ..Self::default() } };
        Self {
            has_entry: true,
            reads_plain: found.iter().any(|entry| entry.has_identity),
            keys: found.iter().map(|entry| entry.keys.clone()).collect(),
            plugins: found.iter().flat_map(|entry| entry.plugins.iter().cloned()).collect(),
        }
    }

    /// Whether the key with this index is among them.
    #[must_use]
    pub fn has_key(&self, number: usize) -> bool {
        self.keys.iter().any(|keys| keys.contains(&number))
    }

    /// Whether the plugin with this name is among them.
    #[must_use]
    pub fn has_plugin(&self, name: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::registry_keys::object;

    fn entry(resources: &[&str], keys: Range<usize>, has_identity: bool) -> ConfigEntry {
        let resources = resources.iter().map(|text| GroupResource::parse(text)).collect();
        ConfigEntry { resources, keys, plugins: Vec::new(), has_identity }
    }

    #[test]
    fn the_nearest_entries_count() {
        let entries = [
            entry(&["secrets", "widgets.example.com"], 0..1, false),
            entry(&["secrets"], 1..2, true),
            entry(&["*.apps", "*."], 2..3, false),
            entry(&["*.*"], 3..4, true),
        ];
        let of = |text: &str| {
            let readers = Readers::of(&entries, &GroupResource::parse(text));
            let keys: Vec<usize> = (0..5).filter(|number| readers.has_key(*number)).collect();
            (readers.has_entry, readers.reads_plain, keys)
        };
        // Both entries that name it apply, as in API servers.
        assert_eq!(of("secrets"), (true, true, vec![0, 1]));
        assert_eq!(of("widgets.example.com"), (true, false, vec![0]));
        assert_eq!(of("configmaps"), (true, false, vec![2]));
        assert_eq!(of("deployments.apps"), (true, false, vec![2]));
        assert_eq!(of("jobs.batch"), (true, true, vec![3]));
        let none = Readers::of(&entries[..1], &GroupResource::parse("configmaps"));
        assert!(!none.has_entry && none.reads_plain && !none.has_key(0));
    }

    #[test]
    fn keys_of_etcd_tell_their_resource() {
        let resources = Resources::builtin();
        for (key, want) in [
            ("/registry/secrets/a/b", "secrets"),
            ("/registry/deployments/a/b", "deployments.apps"),
            ("/registry/ingress/a/b", "ingresses.networking.k8s.io"),
            ("/registry/services/specs/a/b", "services"),
            ("/registry/ranges/serviceips", "services"),
            ("/registry/masterleases/10.0.0.1", "apiServerIPInfo"),
            ("/registry/example.com/widgets/a/b", "widgets.example.com"),
        ] {
            let object = object(key.as_bytes(), b"/registry").unwrap();
            assert_eq!(GroupResource::of(&object, &resources).to_string(), want, "{key}");
        }
    }
}
