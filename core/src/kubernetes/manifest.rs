//! Objects as manifests that can be applied again, to this cluster or another one.
//!
//! What servers and controllers set, and what only the old cluster could mean, is taken out: a server refuses an object with a `resourceVersion` or a `uid` of its own, server-side apply one with
//! `managedFields`, and an owner's uid is that of an object that is gone, so that the garbage collector would remove what names it. What single kinds have of that kind: `manifest_kinds`.

use super::manifest_fields::{Keep, METADATA, take_empty};
use super::manifest_kinds;
use super::object_tree::Node;

/// Takes out of an object what keeps it from being applied again.
pub fn clean(object: &mut Node<'_>, keep: &Keep) {
    // They read what is taken out of the metadata afterwards.
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
        // They say how a deletion goes on that had begun; those of controllers stay.
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
    fn what_servers_set_is_taken_out() {
        let want = r#"{"kind":"Deployment","metadata":{"name":"web","labels":{"uid":"stays"}},"spec":{"replicas":2}}"#;
        assert_eq!(cleaned(DEPLOYMENT, &[]), want);
    }

    #[test]
    fn what_is_to_be_kept_stays() {
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
