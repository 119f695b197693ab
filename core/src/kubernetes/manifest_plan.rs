//! Which manifests come in which order, and which objects are none.

use super::apply_order::rank;
use super::manifest_report::MISPLACED;
use super::manifest_selection::{LeftOut, contradicts_key, is_deleting, is_finished, is_token, left_out};
use super::object_tree::Node;
use super::registry_keys::Object;
use super::resources::Resource;
use crate::key_syntax::printable;

/// An object that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct PlannedObject<'c> {
    /// Its key.
    pub object: Object<'c>,
    /// Its type.
    pub resource: &'c Resource,
    /// Whether it is a CustomResourceDefinition.
    pub is_definition: bool,
    /// Whether it is written because others need it.
    pub is_needed: bool,
}

/// What is wanted of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// It is named, so it is written whoever makes it.
    pub is_named: bool,
    /// Objects that a controller makes are written, too.
    pub with_owned: bool,
    /// The last states of what was deleted are written.
    pub deleted: bool,
}

impl<'c> PlannedObject<'c> {
    /// An object of a type; `is_needed` says that it is written because others need it.
    #[must_use]
    pub fn new(object: Object<'c>, resource: &'c Resource, is_needed: bool) -> Self {
        let is_definition = !resource.custom && resource.plural == "customresourcedefinitions";
        Self { object, resource, is_definition, is_needed }
    }

    /// What they are sorted by, so that nothing comes before what it needs.
    #[must_use]
    pub fn place(&self) -> impl Ord + use<'c> {
        let Resource { plural, group, custom, .. } = self.resource;
        (!self.is_definition, rank(plural, *custom), plural, group, self.object.namespace, self.object.name)
    }

    /// Why it is not written; none for one that is. `is_there` says of an owner, by kind and name, whether it is there to make the object again.
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
        // A definition that an operator owns is needed all the same by what it defines.
        let is_made = |kind: &str, name: &str| !choice.with_owned && !self.is_needed && is_there(kind, name);
        // What is named is wanted, whoever makes it, but for a token that nobody can use.
        let is_wanted = choice.is_named && !is_token(node);
        let why = left_out(node, is_made).filter(|_| !is_wanted);
        // The last state of what was deleted is that of its deletion.
        why.filter(|why| *why != LeftOut::Deleting || !choice.deleted).map(LeftOut::reason)
    }

    /// What is to be said of one that is written.
    #[must_use]
    pub fn warnings(&self, node: &Node<'_>, choice: Choice) -> Vec<String> {
        let name = || printable(&self.resource.full_name(&String::from_utf8_lossy(self.object.name)));
        let mut out = Vec::new();
        if is_deleting(node) && !choice.deleted {
            out.push(format!("{} was being deleted, and is written as if it were not.", name()));
        }
        if is_finished(node) {
            out.push(format!("{} has run to its end, and runs again when it is applied.", name()));
        }
        out
    }
}

/// The name of the definition of a custom type.
#[must_use]
pub fn definition_of(resource: &Resource) -> Option<String> {
    resource.custom.then(|| format!("{}.{}", resource.plural, resource.group))
}

/// The custom types among the objects whose definitions are not there.
#[must_use]
pub fn undefined<'p>(planned: impl Iterator<Item = &'p PlannedObject<'p>> + Clone) -> Vec<String> {
    let is_there = |name: &str| planned.clone().any(|one| one.is_definition && one.object.name == name.as_bytes());
    let mut names: Vec<String> = planned.clone().filter_map(|one| definition_of(one.resource)).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !is_there(name));
    names
}

/// The volume that a claim names.
#[must_use]
pub fn volume_of<'n>(object: &'n Node<'_>) -> Option<&'n str> {
    let is_claim = object.get("kind").and_then(Node::text) == Some("PersistentVolumeClaim");
    object.at(&["spec", "volumeName"]).and_then(Node::text).filter(|volume| is_claim && !volume.is_empty())
}
