//! Objects as manifests that can be applied again, to this cluster or another one.
//!
//! What servers and controllers set, and what only the old cluster could mean, is taken out: a server refuses an object with a `resourceVersion` or a `uid` of its own, server-side apply one with
//! `managedFields`, and an owner's uid is that of an object that is gone, so that the garbage collector would remove what names it. What single kinds have of that kind: `manifest_kinds`.

use super::manifest_kinds;
use super::tree::Node;

/// Fields that are taken out unless they are to be kept, by the names under which [`Keep`] takes them.
pub const FIELDS: &[&str] = &[
    "uid",
    "resourceVersion",
    "managedFields",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
    "ownerReferences",
    "status",
    "clusterIP",
    "nodePort",
    "nodeName",
    "priority",
    "tokenVolumes",
    "bindings",
    "claimRef",
    "jobSelector",
];

/// Which of [`FIELDS`] stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    names: Vec<String>,
}

impl Keep {
    /// Those of these names; names that are none of [`FIELDS`] mean nothing.
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

/// Takes out of an object what keeps it from being applied again.
pub fn clean(object: &mut Node<'_>, keep: &Keep) {
    // They read what is taken out of the metadata afterwards.
    manifest_kinds::clean(object, keep);
    if !keep.has("status") {
        object.take("status");
    }
    let Some(metadata) = object.get_mut("metadata") else { return };
    for field in [
        "uid",
        "resourceVersion",
        "managedFields",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "selfLink",
        "ownerReferences",
    ] {
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::{json::JsonText, raw_json, tree::Builder};
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
        let kept = cleaned(DEPLOYMENT, FIELDS);
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
