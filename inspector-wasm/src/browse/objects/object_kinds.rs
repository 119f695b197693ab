//! The types and namespaces of objects.

use std::collections::BTreeMap;

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::key_text;
use etcdsnap_core::kubernetes::decode::Skip;
use etcdsnap_core::kubernetes::definitions::Definitions;
use etcdsnap_core::kubernetes::object_groups::{ObjectGroup, ObjectGroups};
use etcdsnap_core::kubernetes::registry_keys::Object;
use etcdsnap_core::kubernetes::resources::{Resource, Resources};

use super::Types;
use super::object_answers::{ObjectKind, ObjectKinds, ObjectNamespace};
use crate::browse::answers::narrow;
use crate::browse::view::View;

/// Most types and namespaces in the answer. Large clusters have some hundred types and some thousand namespaces.
const MOST: usize = 5000;

/// Numbers of live and deleted objects of a group.
fn counts(group: &ObjectGroup) -> (u32, u32) {
    (group.live, group.to.saturating_sub(group.from).saturating_sub(group.live))
}

fn add((live, deleted): &mut (u32, u32), group: &ObjectGroup) {
    let (of_live, of_deleted) = counts(group);
    *live = live.saturating_add(of_live);
    *deleted = deleted.saturating_add(of_deleted);
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Returns the types; finds them at the first call.
    pub(super) fn types(&mut self) -> &Types {
        let types = self.objects.types.take().unwrap_or_else(|| self.find_types());
        self.objects.types.insert(types)
    }

    fn find_types(&self) -> Types {
        let groups = ObjectGroups::of(&self.index, &self.all, &self.prefixes);
        let (mut resources, mut definitions) = (Resources::builtin(), Definitions::default());
        for group in groups.list() {
            if self.first_of(group).is_none_or(|object| object.resource != b"customresourcedefinitions") {
                continue;
            }
            for id in group.from..group.to {
                let Some(key) = self.all.get(&self.index, id as usize).filter(|key| !key.deleted) else { continue };
                let state = (key.place, key.revision.main);
                // A definition that cannot be read is ignored. Its objects are then recognized by their keys.
                let _ = self.with_object(key.key, state, Skip::ManagedFields, |definition, _| {
                    resources.define(&definition);
                    definitions.add(&definition);
                });
            }
        }
        for group in groups.list() {
            if let Some(object) = self.first_of(group) {
                resources.see(&object);
            }
        }
        Types { groups, resources, definitions }
    }

    /// Returns the first object of a group.
    pub(super) fn first_of(&self, group: &ObjectGroup) -> Option<Object<'_>> {
        self.object(self.all.name(&self.index, group.from as usize))
    }

    /// Counts objects: the kinds in a namespace (or in all), and the namespaces that contain a kind (or any).
    pub(crate) fn object_kinds(&mut self, kind: Option<&str>, namespace: Option<&str>) -> ObjectKinds {
        self.types();
        let Some(types) = &self.objects.types else {
            return ObjectKinds { kinds: Vec::new(), namespaces: Vec::new(), left_out: 0 };
        };
        let mut kinds: BTreeMap<String, (&Resource, (u32, u32))> = BTreeMap::new();
        let mut namespaces: BTreeMap<&[u8], (u32, u32)> = BTreeMap::new();
        for group in types.groups.list() {
            let Some(object) = self.first_of(group) else { continue };
            let Some(resource) = types.resources.of(&object) else { continue };
            let id = resource.type_name();
            if !object.namespace.is_empty() && kind.is_none_or(|kind| kind == id) {
                add(namespaces.entry(object.namespace).or_default(), group);
            }
            let is_wanted = namespace.is_none_or(|namespace| namespace.as_bytes() == object.namespace);
            let (_, sum) = kinds.entry(id).or_insert((resource, (0, 0)));
            if is_wanted {
                add(sum, group);
            }
        }
        let left_out = kinds.len().saturating_sub(MOST).saturating_add(namespaces.len().saturating_sub(MOST));
        let kinds = kinds.into_iter().take(MOST).map(|(id, (resource, (live, deleted)))| ObjectKind {
            id,
            plural: resource.plural.clone(),
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            namespaced: resource.namespaced,
            live,
            deleted,
        });
        let namespaces = namespaces.into_iter().take(MOST).map(|(name, (live, deleted))| ObjectNamespace {
            name: key_text(name),
            live,
            deleted,
        });
        ObjectKinds { kinds: kinds.collect(), namespaces: namespaces.collect(), left_out: narrow(left_out) }
    }
}
