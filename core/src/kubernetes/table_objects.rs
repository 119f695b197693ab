//! Functions on objects for the tables of `kubectl get`.

use std::cmp::Reverse;

use super::age;
use super::object_tree::Node;
use super::registry_keys::Object;

/// Sets the name and namespace of an object from its key, if the name could not be decoded.
pub fn name_by_key<'n>(node: &mut Node<'n>, object: &Object<'_>) {
    let is_named = node.at(&["metadata", "name"]).and_then(Node::text).is_some_and(|name| !name.is_empty());
    if is_named {
        return;
    }
    let text = |bytes: &[u8]| Node::Text(String::from_utf8_lossy(bytes).into_owned().into());
    let metadata = node.take("metadata").filter(|metadata| matches!(metadata, Node::Object(_)));
    let mut metadata = metadata.unwrap_or_else(|| Node::Object(Vec::new()));
    metadata.set("name", text(object.name));
    if !object.namespace.is_empty() {
        metadata.set("namespace", text(object.namespace));
    }
    node.set("metadata", metadata);
}

/// Returns the rank of a default StorageClass, `None` for another class: the greatest is the default of the cluster, which is the newest and, of equally old ones, the first by name.
#[must_use]
pub fn default_class(class: &Node<'_>) -> Option<(i64, Reverse<String>)> {
    let annotations = class.at(&["metadata", "annotations"])?;
    let is_default = |name: &str| annotations.get(name).and_then(Node::text) == Some("true");
    let name = class.at(&["metadata", "name"])?.text()?.to_owned();
    (is_default("storageclass.kubernetes.io/is-default-class")
        || is_default("storageclass.beta.kubernetes.io/is-default-class"))
    .then(|| (age::created(class).unwrap_or_default(), Reverse(name)))
}

/// Removes managedFields from an object and returns them.
pub fn take_managed_fields<'a>(node: &mut Node<'a>) -> Option<Node<'a>> {
    node.get_mut("metadata")?.take("managedFields")
}

/// Cuts a cell at its first line break, as kubectl does.
#[must_use]
pub fn one_line(cell: &str) -> String {
    match cell.split_once(['\n', '\r', '\u{c}']) {
        Some((first, _)) => format!("{first}..."),
        None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_take_one_line() {
        assert_eq!((one_line("a\nb"), one_line("a b")), ("a...".into(), "a b".into()));
    }

    #[test]
    fn an_object_without_a_name_has_that_of_its_key() {
        let object = Object { group: b"", resource: b"pods", namespace: b"shop", name: b"web" };
        for mut node in [Node::Object(Vec::new()), Node::Object(vec![("metadata".into(), Node::Null)])] {
            name_by_key(&mut node, &object);
            assert_eq!(node.at(&["metadata", "name"]).and_then(Node::text), Some("web"));
            assert_eq!(node.at(&["metadata", "namespace"]).and_then(Node::text), Some("shop"));
        }
    }
}
