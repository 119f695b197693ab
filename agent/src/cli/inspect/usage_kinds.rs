//! Sums up managedFields of Kubernetes objects for `usage --by kind`; these fields record who set which field.

use std::collections::HashMap;

use etcdsnap::core::kubernetes::registry_keys::Objects;
use etcdsnap::grouped_number::percent;
use etcdsnap::{KindUsage, ObjectKind, printable};
use serde_json::{Map, Value};

/// For each resource, the kinds of its objects and the size of their managedFields.
#[derive(Default)]
pub struct Kinds(HashMap<(Vec<u8>, Vec<u8>), KindTotals>);

/// The sums of one resource.
#[derive(Default)]
struct KindTotals {
    /// Such as `Deployment.apps`; several if a version moved between groups.
    names: Vec<String>,
    bytes: u64,
    managed_bytes: u64,
}

impl Kinds {
    /// Sums up kinds by resource.
    pub fn of(kinds: Vec<(ObjectKind, KindUsage)>) -> Self {
        let mut all = Self::default();
        for (kind, usage) in kinds {
            let dot = if kind.group.is_empty() { "" } else { "." };
            let name = format!("{}{dot}{}", kind.kind, kind.group);
            let sums = all.0.entry(kind.stored_under).or_default();
            sums.bytes = sums.bytes.saturating_add(usage.bytes);
            sums.managed_bytes = sums.managed_bytes.saturating_add(usage.managed_bytes);
            if !sums.names.contains(&name) {
                sums.names.push(name);
            }
        }
        all
    }

    fn at(&self, name: &[u8]) -> Option<&KindTotals> {
        let Objects { group, resource, .. } = Objects::of_name(name)?;
        self.0.get(&(group.to_vec(), resource.to_vec()))
    }

    /// Returns the kind of a group of keys; `None` if all its objects are deleted, or it has no kind.
    pub fn name(&self, group: &[u8]) -> Option<String> {
        self.at(group).map(|kind| printable(&kind.names.join(", ")))
    }

    /// Returns the share of managedFields in percent, rounded to a whole number.
    pub fn share(&self, group: &[u8]) -> String {
        let share = |kind: &KindTotals| percent(kind.managed_bytes, kind.bytes);
        self.at(group).and_then(share).map_or_else(|| "-".into(), |percent| format!("{percent} %"))
    }

    /// Adds the sums of a group to a JSON object.
    pub fn put(&self, group: &[u8], object: &mut Map<String, Value>) {
        if let Some(kind) = self.at(group) {
            object.insert("kinds".into(), kind.names.clone().into());
            object.insert("valueBytes".into(), kind.bytes.into());
            object.insert("managedFieldsBytes".into(), kind.managed_bytes.into());
        }
    }
}
