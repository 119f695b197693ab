//! Hides secrets in decoded objects.

use std::borrow::Cow;

use super::object_tree::Node;

/// The text in place of a secret.
pub const HIDDEN: &str = "(hidden: --show-secrets)";

/// Hides the secret parts of an object under a key of [`is_secret`](crate::key_syntax::is_secret) with [`HIDDEN`]: of a Secret the values of `data` and `stringData`, which may be a Helm release,
/// and annotations, which may hold a copy of them; of other kinds everything except metadata.
pub fn conceal(object: &mut Node<'_>) {
    let is_secret = is_of_kind(object, "Secret");
    let Node::Object(members) = object else { return *object = hidden() };
    for (name, value) in members {
        match &**name {
            "kind" | "apiVersion" => {}
            "type" | "immutable" if is_secret => {}
            "metadata" => {
                if let Node::Object(metadata) = value {
                    let annotations = metadata.iter_mut().filter(|(name, _)| name == "annotations");
                    annotations.for_each(|(_, annotations)| conceal_members(annotations));
                }
            }
            "data" | "stringData" if is_secret => conceal_members(value),
            _ => *value = hidden(),
        }
    }
}

/// Does the same to an object under any other key if its kind is a secret one, or if it is a list with such objects. API servers do not store secrets under such keys, but other clients of etcd
/// can, and so do API servers with another prefix.
pub fn conceal_by_kind(object: &mut Node<'_>) {
    if is_secret_kind(object) {
        return conceal(object);
    }
    let is_list_of_secrets = texts(object, "kind")
        .filter_map(|kind| kind.strip_suffix("List"))
        .any(|item| SECRET_KINDS.iter().any(|(kind, _)| *kind == item));
    let Node::Object(members) = object else { return };
    for (_, items) in members.iter_mut().filter(|(name, _)| name == "items") {
        let Node::Array(items) = items else { continue };
        for item in items {
            if is_list_of_secrets {
                *item = hidden();
            } else if is_secret_kind(item) {
                conceal(item);
            }
        }
    }
}

/// Whether [`conceal_by_kind`] may hide something of an object.
#[must_use]
pub fn may_be_concealed(object: &Node<'_>) -> bool {
    is_secret_kind(object) || object.get("items").is_some()
}

/// Kinds whose objects are secrets, with the end of their group; empty for the core group.
const SECRET_KINDS: &[(&str, &str)] = &[
    ("Secret", ""),
    ("OAuthAccessToken", "openshift.io"),
    ("OAuthAuthorizeToken", "openshift.io"),
    ("OAuthClient", "openshift.io"),
    ("Token", "cattle.io"),
    ("SamlToken", "cattle.io"),
    ("AuthToken", "cattle.io"),
    ("User", "cattle.io"),
    ("AuthConfig", "cattle.io"),
    ("ClusterRegistrationToken", "cattle.io"),
    ("ClusterAuthToken", "cattle.io"),
];

/// Whether objects of a type are secrets.
#[must_use]
pub fn is_secret_type(api_version: &str, kind: &str) -> bool {
    SECRET_KINDS.iter().any(|(secret, group)| *secret == kind && has_group(api_version, group))
}

fn is_secret_kind(object: &Node<'_>) -> bool {
    SECRET_KINDS.iter().any(|(kind, group)| is_of_kind(object, kind) && is_of_group(object, group))
}

/// Whether an object has this kind. If its JSON has several members `kind`, one of them is enough.
fn is_of_kind(object: &Node<'_>, kind: &str) -> bool {
    texts(object, "kind").any(|text| text == kind)
}

/// Whether the group of an object ends with `end`. An object without apiVersion may be of any group.
fn is_of_group(object: &Node<'_>, end: &str) -> bool {
    let mut versions = texts(object, "apiVersion").peekable();
    versions.peek().is_none() || versions.any(|version| has_group(version, end))
}

/// Whether the group in an apiVersion ends with `end`. OpenShift's types once had no group.
fn has_group(api_version: &str, end: &str) -> bool {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    end.is_empty() || group.is_empty() || group.ends_with(end)
}

fn texts<'n>(object: &'n Node<'_>, member: &'static str) -> impl Iterator<Item = &'n str> {
    let members = match object {
        Node::Object(members) => members.as_slice(),
        _ => &[],
    };
    members.iter().filter(move |(name, _)| name == member).filter_map(|(_, value)| value.text())
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
    use super::super::{json::JsonText, object_tree::Builder, raw_json};
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
            // The same name twice: a reader may take either.
            r#"{"kind":"ConfigMap","kind":"Secret","data":{"p":"S3CRET"}}"#,
            r#"{"kind":"Secret","data":{"p":"a"},"data":{"p":"S3CRET"}}"#,
            r#"{"kind":"Secret","metadata":{"annotations":{"a":"a"},"annotations":{"a":"S3CRET"}},"data":{"p":"a"}}"#,
            r#"{"kind":"List","items":[{"kind":"Secret"}],"items":[{"kind":"Secret","data":{"p":"S3CRET"}}]}"#,
            r#"{"apiVersion":"management.cattle.io/v3","kind":"User","password":"S3CRET"}"#,
            r#"{"apiVersion":"oauth.openshift.io/v1","kind":"OAuthClient","secret":"S3CRET"}"#,
            r#"{"apiVersion":"v1","kind":"OAuthAccessToken","refreshToken":"S3CRET"}"#,
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
        let mut builder = Builder::default();
        let user = br#"{"apiVersion":"user.openshift.io/v1","kind":"User","fullName":"A"}"#;
        raw_json::read(user, &mut builder).unwrap();
        assert!(!may_be_concealed(&builder.finish()));
    }
}
