//! Finds values in an object by a path of names, for columns.

use super::object_tree::Node;

/// Returns the value at a path of names, separated by dots.
pub(super) fn at<'n>(node: &'n Node<'n>, path: &str) -> Option<&'n Node<'n>> {
    path.split('.').try_fold(node, |node, name| node.get(name))
}

/// Returns the text at a path; empty if there is none.
pub(super) fn text<'n>(node: &'n Node<'n>, path: &str) -> &'n str {
    at(node, path).and_then(Node::text).unwrap_or_default()
}

/// Returns the integer at a path; 0 if there is none.
pub(super) fn int(node: &Node<'_>, path: &str) -> i64 {
    match at(node, path) {
        Some(Node::Int(value)) => *value,
        _ => 0,
    }
}
