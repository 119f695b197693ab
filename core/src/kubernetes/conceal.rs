//! Secrets in decoded objects, to be shown only on request.

use std::borrow::Cow;

use super::tree::Node;

/// What stands in place of a secret.
pub const HIDDEN: &str = "(hidden: --show-secrets)";

/// Puts [`HIDDEN`] in place of all that an object under a key of [`is_secret`](crate::words::is_secret) could tell: the values of a Secret's `data` and `stringData`, which are a Helm release, too;
/// annotations, which hold a copy of them; of other kinds all but their metadata.
pub fn conceal(object: &mut Node<'_>) {
    let is_secret = object.get("kind").and_then(Node::text) == Some("Secret");
    let Node::Object(members) = object else { return *object = hidden() };
    for (name, value) in members {
        match &**name {
            "kind" | "apiVersion" => {}
            "type" | "immutable" if is_secret => {}
            "metadata" => {
                if let Some(annotations) = value.get_mut("annotations") {
                    conceal_members(annotations);
                }
            }
            "data" | "stringData" if is_secret => conceal_members(value),
            _ => *value = hidden(),
        }
    }
}

/// The same for an object under any key, where its own kind says that it is a Secret, or a list with Secrets in it. An API server leaves none there; whoever writes to etcd can.
pub fn conceal_by_kind(object: &mut Node<'_>) {
    match object.get("kind").and_then(Node::text) {
        Some("Secret") => return conceal(object),
        Some("SecretList") => {
            if let Some(Node::Array(items)) = object.get_mut("items") {
                items.iter_mut().for_each(|item| *item = hidden());
            }
        }
        _ => {}
    }
    if let Some(Node::Array(items)) = object.get_mut("items") {
        let secrets = items.iter_mut().filter(|item| item.get("kind").and_then(Node::text) == Some("Secret"));
        secrets.for_each(conceal);
    }
}

fn conceal_members(node: &mut Node<'_>) {
    match node {
        Node::Object(members) => members.iter_mut().for_each(|(_, value)| *value = hidden()),
        Node::Null => {}
        other => *other = hidden(),
    }
}

fn hidden<'a>() -> Node<'a> {
    Node::Text(Cow::Borrowed(HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::super::{json::JsonText, raw_json, tree::Builder};
    use super::*;

    fn concealed(json: &str) -> String {
        let mut builder = Builder::default();
        raw_json::read(json.as_bytes(), &mut builder).unwrap();
        let mut node = builder.finish();
        conceal(&mut node);
        let mut text = JsonText::default();
        node.print(&mut text);
        String::from_utf8(text.finish()).unwrap()
    }

    #[test]
    fn nothing_of_a_secret_is_left() {
        let secret = r#"{"kind":"Secret","metadata":{"name":"a","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"S3CRET"}},"data":{"p":"S3CRET"},"stringData":{"q":"S3CRET"},"type":"Opaque","field 9 (unknown)":"S3CRET"}"#;
        let token = r#"{"kind":"OAuthAccessToken","metadata":{"name":"a"},"token":"S3CRET","data":{"x":["S3CRET"]}}"#;
        for json in [secret, token, "\"S3CRET\"", "[\"S3CRET\"]"] {
            let text = concealed(json);
            assert!(!text.contains("S3CRET") && text.contains("hidden"), "{text}");
        }
        assert!(concealed(secret).contains(r#""data":{"p":"(hidden: --show-secrets)"}"#));
    }

    #[test]
    fn a_secret_under_another_key_is_hidden_by_its_kind() {
        for json in [
            r#"{"kind":"Secret","data":{"p":"S3CRET"}}"#,
            r#"{"kind":"SecretList","items":[{"data":{"p":"S3CRET"}}]}"#,
            r#"{"kind":"List","items":[{"kind":"Secret","data":{"p":"S3CRET"}}]}"#,
        ] {
            let mut builder = Builder::default();
            raw_json::read(json.as_bytes(), &mut builder).unwrap();
            let mut node = builder.finish();
            conceal_by_kind(&mut node);
            let mut text = JsonText::default();
            node.print(&mut text);
            let text = String::from_utf8(text.finish()).unwrap();
            assert!(!text.contains("S3CRET") && text.contains("hidden"), "{text}");
        }
    }
}
