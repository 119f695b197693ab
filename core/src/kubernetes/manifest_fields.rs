//! The fields that are removed from manifests, and the choice of those to keep.

use super::object_tree::Node;

/// Fields of an object's metadata that are removed unless the caller keeps them.
pub(super) const METADATA: [&str; 8] = [
    "uid",
    "resourceVersion",
    "managedFields",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
    "ownerReferences",
];

/// Other fields that are removed unless the caller keeps them, by the names that [`Keep`] accepts.
const OTHERS: [&str; 9] =
    ["status", "clusterIP", "nodePort", "nodeName", "priority", "tokenVolumes", "bindings", "claimRef", "jobSelector"];

/// Returns the names of all fields that are removed unless the caller keeps them.
pub fn fields() -> impl Iterator<Item = &'static str> {
    METADATA.into_iter().chain(OTHERS)
}

/// The [`fields`] that stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    names: Vec<String>,
}

impl Keep {
    /// Keeps the fields with these names; ignores names that are not among the [`fields`].
    #[must_use]
    pub fn these(names: &[String]) -> Self {
        Self { names: names.to_vec() }
    }

    /// Whether a field stays.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|kept| kept == name)
    }
}

/// Removes a member if it is an empty list, an empty object or null.
pub(super) fn take_empty(node: &mut Node<'_>, name: &str) {
    let is_empty = match node.get(name) {
        Some(Node::Array(items)) => items.is_empty(),
        Some(Node::Object(members)) => members.is_empty(),
        Some(Node::Null) => true,
        _ => false,
    };
    if is_empty {
        node.take(name);
    }
}

/// Returns the member at the end of a path, mutably.
pub(super) fn at_mut<'n, 'a>(node: &'n mut Node<'a>, path: &[&str]) -> Option<&'n mut Node<'a>> {
    path.iter().try_fold(node, |node, name| node.get_mut(name))
}
