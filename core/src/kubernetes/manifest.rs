//! Cleans objects, so that they can be applied again as manifests, to this cluster or another one.
//!
//! Removes the fields that servers and controllers set, and those that have a meaning only in the old cluster. A server refuses an object that already has a `resourceVersion` or a `uid`, and
//! server-side apply refuses one with `managedFields`. The uid of an owner belongs to an object that no longer exists, so the garbage collector would remove the objects that name it.
//! `manifest_kinds` removes the fields of single kinds.

use super::manifest_fields::{Keep, METADATA, take_empty};
use super::manifest_kinds;
use super::object_tree::Node;

/// Removes the fields that keep an object from being applied again.
pub fn clean(object: &mut Node<'_>, keep: &Keep) {
    // These steps read metadata that is removed afterwards.
    manifest_kinds::clean(object, keep);
    if !keep.has("status") {
        object.take("status");
    }
    let Some(metadata) = object.get_mut("metadata") else { return };
    for field in METADATA {
        if !keep.has(field) {
            metadata.take(field);
        }
    }
    if !keep.has("deletionTimestamp") {
        metadata.take("deletionGracePeriodSeconds");
        // These finalizers belong to a deletion that had begun; those of controllers stay.
        if let Some(Node::Array(finalizers)) = metadata.get_mut("finalizers") {
            finalizers.retain(|name| !matches!(name.text(), Some("foregroundDeletion" | "orphan")));
        }
        take_empty(metadata, "finalizers");
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::manifest_fields::fields;
    use super::super::{json::JsonText, object_tree::Builder, raw_json};
    use super::*;

    pub fn parsed(json: &str) -> Node<'_> {
        let mut builder = Builder::default();
        raw_json::read(json.as_bytes(), &mut builder).unwrap();
        builder.finish()
    }

    pub fn cleaned(json: &str, keep: &[&str]) -> String {
        let mut node = parsed(json);
        let keep: Vec<String> = keep.iter().map(|&name| name.to_owned()).collect();
        clean(&mut node, &Keep::these(&keep));
        let mut text = JsonText::default();
        node.print(&mut text);
        String::from_utf8(text.finish()).unwrap()
    }

    const DEPLOYMENT: &str = r#"{"kind":"Deployment","metadata":{"name":"web","uid":"u","resourceVersion":"7","managedFields":[{}],"generation":3,"creationTimestamp":"2024-01-01T00:00:00Z","deletionTimestamp":"2024-01-01T00:00:00Z","deletionGracePeriodSeconds":0,"selfLink":"/x","ownerReferences":[{}],"finalizers":["foregroundDeletion"],"labels":{"uid":"stays"}},"spec":{"replicas":2},"status":{"replicas":2}}"#;

    #[test]
    fn fields_that_servers_set_are_removed() {
        let want = r#"{"kind":"Deployment","metadata":{"name":"web","labels":{"uid":"stays"}},"spec":{"replicas":2}}"#;
        assert_eq!(cleaned(DEPLOYMENT, &[]), want);
    }

    #[test]
    fn fields_to_keep_stay() {
        let kept = cleaned(DEPLOYMENT, &fields().collect::<Vec<_>>());
        assert_eq!(kept, DEPLOYMENT);
        let kept = cleaned(DEPLOYMENT, &["uid", "status"]);
        assert!(kept.contains(r#""uid":"u""#) && kept.contains(r#""status""#) && !kept.contains("managedFields"));
    }

    #[test]
    fn finalizers_of_controllers_stay() {
        let text = cleaned(r#"{"metadata":{"finalizers":["orphan","example.com/a"]}}"#, &[]);
        assert_eq!(text, r#"{"metadata":{"finalizers":["example.com/a"]}}"#);
    }
}
