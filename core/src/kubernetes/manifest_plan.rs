//! Plans the manifests: which objects are written, and in which order.

use super::apply_order::rank;
use super::manifest_report::MISPLACED;
use super::manifest_selection::{LeftOutReason, contradicts_key, is_deleting, is_finished, is_token, left_out};
use super::object_tree::Node;
use super::registry_keys::Object;
use super::resources::Resource;
use crate::key_syntax::printable;

/// An object to write.
#[derive(Debug, Clone, Copy)]
pub struct PlannedObject<'c> {
    /// Its key.
    pub object: Object<'c>,
    /// Its type.
    pub resource: &'c Resource,
    /// Whether it is a CustomResourceDefinition.
    pub is_definition: bool,
    /// Whether it is written only because other objects need it.
    pub is_needed: bool,
}

/// The caller's choice for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Whether the object was named; then it is written even if a controller owns it.
    pub is_named: bool,
    /// Whether objects with a controller as owner are written, too.
    pub with_owned: bool,
    /// Whether the last states of deleted objects are written.
    pub deleted: bool,
}

impl<'c> PlannedObject<'c> {
    /// Plans to write an object; `is_needed` tells that it is written only because other objects need it.
    #[must_use]
    pub fn new(object: Object<'c>, resource: &'c Resource, is_needed: bool) -> Self {
        let is_definition = !resource.custom && resource.plural == "customresourcedefinitions";
        Self { object, resource, is_definition, is_needed }
    }

    /// Returns the sort key that puts every object after those it needs.
    #[must_use]
    pub fn place(&self) -> impl Ord + use<'c> {
        let Resource { plural, group, custom, .. } = self.resource;
        (!self.is_definition, rank(plural, *custom), plural, group, self.object.namespace, self.object.name)
    }

    /// Returns why the object is not written; `None` if it is. `is_there` tells, by kind and name, whether an owner exists that can create the object again.
    #[must_use]
    pub fn left_out(
        &self,
        node: &Node<'_>,
        choice: Choice,
        is_there: impl Fn(&str, &str) -> bool,
    ) -> Option<&'static str> {
        let namespace = self.resource.namespaced.then_some(self.object.namespace);
        if contradicts_key(node, &self.resource.kind, namespace, self.object.name).is_some() {
            return Some(MISPLACED);
        }
        // Custom resources need their definition even if an operator owns it.
        let is_made = |kind: &str, name: &str| !choice.with_owned && !self.is_needed && is_there(kind, name);
        // A named object is written even if a controller owns it, except for tokens, which are of no use to anyone.
        let is_wanted = choice.is_named && !is_token(node);
        let why = left_out(node, is_made).filter(|_| !is_wanted);
        // The last state of a deleted object often has a deletionTimestamp.
        why.filter(|why| *why != LeftOutReason::Deleting || !choice.deleted).map(LeftOutReason::reason)
    }

    /// Returns the warnings about an object that is written.
    #[must_use]
    pub fn warnings(&self, node: &Node<'_>, choice: Choice) -> Vec<String> {
        let name = || printable(&self.resource.full_name(&String::from_utf8_lossy(self.object.name)));
        let mut out = Vec::new();
        if is_deleting(node) && !choice.deleted {
            out.push(format!("{} was being deleted, and is written as if it were not.", name()));
        }
        if is_finished(node) {
            out.push(format!("{} has finished, and runs again when it is applied.", name()));
        }
        out
    }
}

/// Returns the name of the definition of a custom type.
#[must_use]
pub fn definition_of(resource: &Resource) -> Option<String> {
    resource.custom.then(|| format!("{}.{}", resource.plural, resource.group))
}

/// Returns the custom types among the objects whose definitions are not written.
#[must_use]
pub fn undefined<'p>(planned: impl Iterator<Item = &'p PlannedObject<'p>> + Clone) -> Vec<String> {
    let is_there = |name: &str| planned.clone().any(|one| one.is_definition && one.object.name == name.as_bytes());
    let mut names: Vec<String> = planned.clone().filter_map(|one| definition_of(one.resource)).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !is_there(name));
    names
}

/// Returns the name of the volume to which a claim is bound.
#[must_use]
pub fn volume_of<'n>(object: &'n Node<'_>) -> Option<&'n str> {
    let is_claim = object.get("kind").and_then(Node::text) == Some("PersistentVolumeClaim");
    object.at(&["spec", "volumeName"]).and_then(Node::text).filter(|volume| is_claim && !volume.is_empty())
}
