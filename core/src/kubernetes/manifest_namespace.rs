//! Moves manifests to another namespace.

use std::borrow::Cow;

use super::object_tree::Node;

/// The label with the name of a namespace, which every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The annotation in which `kubectl apply` stores the manifest, with the old namespace in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Members whose own members have names that users choose; a `namespace` among these is not a reference.
const CHOSEN: [&str; 7] = ["annotations", "labels", "matchLabels", "data", "stringData", "binaryData", "nodeSelector"];
/// The part of a service's domain name that follows the namespace.
const SERVICE_DOMAIN: &str = ".svc";

/// Moves an object, and its references into its own namespace, from one namespace to another. Returns whether a text still names a service of the old namespace; such texts stay unchanged.
pub fn move_namespace(object: &mut Node<'_>, from: &str, to: &str) -> bool {
    let is_namespace = object.get("kind").and_then(Node::text) == Some("Namespace");
    if let Some(metadata) = object.get_mut("metadata") {
        if let Some(Node::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.retain(|(name, _)| name != LAST_APPLIED);
        }
        if is_namespace {
            rename(metadata, "name", from, to);
        }
    }
    walk(object, from, to)
}

/// Replaces the text of a member if it is `from`.
fn rename(node: &mut Node<'_>, name: &str, from: &str, to: &str) {
    if let Some(value) = node.get_mut(name)
        && value.text() == Some(from)
    {
        *value = Node::Text(Cow::Owned(to.to_owned()));
    }
}

fn walk(node: &mut Node<'_>, from: &str, to: &str) -> bool {
    match node {
        Node::Text(text) => names_service(text, from),
        Node::Array(items) => items.iter_mut().fold(false, |found, item| walk(item, from, to) | found),
        Node::Object(_) => {
            rename(node, "namespace", from, to);
            let Node::Object(members) = node else { return false };
            let mut found = false;
            for (name, value) in members {
                if CHOSEN.contains(&name.as_ref()) {
                    rename(value, NAME_LABEL, from, to);
                    found |= mentions(value, from);
                } else if name == "namespaces" {
                    each_text(value, from, to);
                } else {
                    found |= walk(value, from, to);
                }
            }
            found
        }
        _ => false,
    }
}

/// Replaces elements of a list of namespaces, such as that of an affinity.
fn each_text(list: &mut Node<'_>, from: &str, to: &str) {
    if let Node::Array(items) = list {
        for item in items.iter_mut().filter(|item| item.text() == Some(from)) {
            *item = Node::Text(Cow::Owned(to.to_owned()));
        }
    }
}

fn mentions(node: &Node<'_>, from: &str) -> bool {
    match node {
        Node::Text(text) => names_service(text, from),
        Node::Array(items) => items.iter().any(|item| mentions(item, from)),
        Node::Object(members) => members.iter().any(|(_, value)| mentions(value, from)),
        _ => false,
    }
}

/// Whether a text contains a name such as `web.shop.svc`.
fn names_service(text: &str, namespace: &str) -> bool {
    let name = [".", namespace, SERVICE_DOMAIN].concat();
    text.match_indices(&name).any(|(at, found)| {
        let behind = text.get(at.saturating_add(found.len())..).and_then(|rest| rest.chars().next());
        !behind.is_some_and(|sign| sign.is_alphanumeric() || sign == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::super::json::JsonText;
    use super::super::object_tree::Builder;
    use super::super::raw_json;
    use super::*;

    fn moved(json: &str) -> (String, bool) {
        let mut builder = Builder::default();
        raw_json::read(json.as_bytes(), &mut builder).unwrap();
        let mut node = builder.finish();
        let still = move_namespace(&mut node, "shop", "shop-2");
        let mut text = JsonText::default();
        node.print(&mut text);
        (String::from_utf8(text.finish()).unwrap(), still)
    }

    #[test]
    fn references_into_the_old_namespace_move_along() {
        for (json, want) in [
            (
                r#"{"kind":"Namespace","metadata":{"name":"shop","labels":{"kubernetes.io/metadata.name":"shop","namespace":"shop"}}}"#,
                r#"{"kind":"Namespace","metadata":{"name":"shop-2","labels":{"kubernetes.io/metadata.name":"shop-2","namespace":"shop"}}}"#,
            ),
            (
                r#"{"kind":"RoleBinding","metadata":{"name":"shop","namespace":"shop","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","a":"b"}},"subjects":[{"kind":"ServiceAccount","name":"shop","namespace":"shop"},{"kind":"ServiceAccount","name":"a","namespace":"other"}]}"#,
                r#"{"kind":"RoleBinding","metadata":{"name":"shop","namespace":"shop-2","annotations":{"a":"b"}},"subjects":[{"kind":"ServiceAccount","name":"shop","namespace":"shop-2"},{"kind":"ServiceAccount","name":"a","namespace":"other"}]}"#,
            ),
            (
                r#"{"kind":"NetworkPolicy","spec":{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"shop"}}}]}]}}"#,
                r#"{"kind":"NetworkPolicy","spec":{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"shop-2"}}}]}]}}"#,
            ),
            (
                r#"{"kind":"Pod","spec":{"affinity":{"terms":[{"namespaces":["shop","a"]}]}}}"#,
                r#"{"kind":"Pod","spec":{"affinity":{"terms":[{"namespaces":["shop-2","a"]}]}}}"#,
            ),
            (
                r#"{"kind":"ConfigMap","metadata":{"namespace":"shop"},"data":{"namespace":"shop"}}"#,
                r#"{"kind":"ConfigMap","metadata":{"namespace":"shop-2"},"data":{"namespace":"shop"}}"#,
            ),
        ] {
            assert_eq!(moved(json), (want.to_owned(), false));
        }
    }

    #[test]
    fn texts_that_name_services_are_reported() {
        for (text, want) in [
            ("http://db.shop.svc:80", true),
            ("db.shop.svc.cluster.local", true),
            ("db.shop.svcs", false),
            ("db.shop", false),
        ] {
            assert_eq!(moved(&format!(r#"{{"spec":{{"env":[{{"value":"{text}"}}]}}}}"#)).1, want, "{text}");
            assert_eq!(moved(&format!(r#"{{"data":{{"url":"{text}"}}}}"#)).1, want, "{text}");
        }
    }
}
