//! Values in an object by a path of names, as columns look for them.

use super::object_tree::Node;

/// The value at a path of names with points between.
pub(super) fn at<'n>(node: &'n Node<'n>, path: &str) -> Option<&'n Node<'n>> {
    path.split('.').try_fold(node, |node, name| node.get(name))
}

/// The text there; empty when there is none.
pub(super) fn text<'n>(node: &'n Node<'n>, path: &str) -> &'n str {
    at(node, path).and_then(Node::text).unwrap_or_default()
}

/// The integer there; 0 when there is none.
pub(super) fn int(node: &Node<'_>, path: &str) -> i64 {
    match at(node, path) {
        Some(Node::Int(value)) => *value,
        _ => 0,
    }
}
