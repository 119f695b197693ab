//! Sets the defaults that an API server sets when it reads an object, but does not store. Only these are set:
//!
//! - The `status.phase` of a PersistentVolumeClaim that has none is `Pending` (`SetDefaults_PersistentVolumeClaim`).
//! - The `volumeClaimTemplates` of a StatefulSet have their kind and version (`SetDefaults_StatefulSet`, from 1.17 on).

use std::borrow::Cow;

use super::object_tree::Node;

/// Whether objects of a kind have such defaults.
pub(super) fn has_defaults(kind: &str) -> bool {
    matches!(kind, "PersistentVolumeClaim" | "StatefulSet")
}

/// Sets the defaults of an object.
pub(super) fn set_defaults(object: &mut Node<'_>) {
    match object.get("kind").and_then(Node::text) {
        Some("PersistentVolumeClaim") => {
            if let Some(Node::Object(status)) = object.get_mut("status")
                && !status.iter().any(|(name, _)| name == "phase")
            {
                status.insert(0, member("phase", "Pending"));
            }
        }
        Some("StatefulSet") => {
            let templates = object.get_mut("spec").and_then(|spec| spec.get_mut("volumeClaimTemplates"));
            let Some(Node::Array(templates)) = templates else { return };
            for template in templates {
                if let Node::Object(members) = template
                    && !members.iter().any(|(name, _)| name == "kind" || name == "apiVersion")
                {
                    members.splice(0..0, [member("kind", "PersistentVolumeClaim"), member("apiVersion", "v1")]);
                }
            }
        }
        _ => {}
    }
}

fn member<'a>(name: &'static str, value: &'static str) -> (Cow<'a, str>, Node<'a>) {
    (Cow::Borrowed(name), Node::Text(Cow::Borrowed(value)))
}
