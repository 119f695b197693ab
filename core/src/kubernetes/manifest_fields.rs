//! The fields that a manifest does without, and which of them are to be kept.

use super::object_tree::Node;

/// Fields of an object's metadata that are taken out unless they are to be kept.
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

/// What else is taken out unless it is to be kept, by the names under which [`Keep`] takes it.
const OTHERS: [&str; 9] =
    ["status", "clusterIP", "nodePort", "nodeName", "priority", "tokenVolumes", "bindings", "claimRef", "jobSelector"];

/// The names of all that is taken out unless it is to be kept, as [`Keep`] takes them.
pub fn fields() -> impl Iterator<Item = &'static str> {
    METADATA.into_iter().chain(OTHERS)
}

/// Which of the [`fields`] stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    names: Vec<String>,
}

impl Keep {
    /// Those of these names; names that are none of the [`fields`] mean nothing.
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

/// Takes a member out that is an empty list or object, or null.
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

/// The member at the end of a path, to be changed.
pub(super) fn at_mut<'n, 'a>(node: &'n mut Node<'a>, path: &[&str]) -> Option<&'n mut Node<'a>> {
    path.iter().try_fold(node, |node, name| node.get_mut(name))
}
