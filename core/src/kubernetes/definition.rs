//! Converts CustomResourceDefinitions to the form that servers accept.
//!
//! Up to 1.37 servers store them as `apiextensions.k8s.io/v1beta1`, in which properties that all versions share are not repeated in each version:
//! `validation`, `subresources`, `additionalPrinterColumns`
//! with `JSONPath`, and `version`, the first version's name. Servers since 1.22 do not accept that form, so the v1 form is shown. Source:
//! `apiextensions-apiserver/pkg/apis/apiextensions/v1/conversion.go` and `v1beta1`.

use std::borrow::Cow;

use super::object_tree::Node;

/// The group version in which definitions are stored.
pub const STORED: &str = "apiextensions.k8s.io/v1beta1";
/// The group version in which definitions are shown.
pub const SHOWN: &str = "apiextensions.k8s.io/v1";

/// Converts a definition from v1beta1 to v1; leaves every other object unchanged.
pub fn to_v1(object: &mut Node<'_>) {
    let is_definition = object.get("kind").and_then(Node::text) == Some("CustomResourceDefinition");
    if !is_definition || object.get("apiVersion").and_then(Node::text) != Some(STORED) {
        return;
    }
    object.set("apiVersion", Node::Text(Cow::Borrowed(SHOWN)));
    let Some(spec) = object.get_mut("spec") else { return };
    let version = spec.take("version");
    let schema = spec.take("validation");
    let subresources = spec.take("subresources");
    let columns = spec.take("additionalPrinterColumns");
    if spec.get("versions").is_none_or(|versions| versions.items().is_empty())
        && let Some(name) = version
    {
        let member = |name: &'static str, value| (Cow::Borrowed(name), value);
        let only = vec![member("name", name), member("served", Node::Bool(true)), member("storage", Node::Bool(true))];
        spec.set("versions", Node::Array(vec![Node::Object(only)]));
    }
    if let Some(Node::Array(versions)) = spec.get_mut("versions") {
        for version in versions {
            for (name, shared) in
                [("schema", &schema), ("subresources", &subresources), ("additionalPrinterColumns", &columns)]
            {
                if let (None, Some(shared)) = (version.get(name), shared) {
                    version.set(name, shared.clone());
                }
            }
            if let Some(Node::Array(columns)) = version.get_mut("additionalPrinterColumns") {
                for column in columns {
                    if let Some(path) = column.take("JSONPath") {
                        column.set("jsonPath", path);
                    }
                }
            }
        }
    }
    // v1beta1 preserved unknown fields by default; v1 names this only if it applies.
    match spec.get("preserveUnknownFields") {
        Some(Node::Bool(false)) => {
            spec.take("preserveUnknownFields");
        }
        Some(_) => {}
        None => spec.set("preserveUnknownFields", Node::Bool(true)),
    }
    conversion(spec);
}

/// Converts `conversion.webhookClientConfig` and `conversionReviewVersions` to `conversion.webhook`.
fn conversion(spec: &mut Node<'_>) {
    let Some(conversion) = spec.get_mut("conversion") else { return };
    let client = conversion.take("webhookClientConfig");
    let reviews = conversion.take("conversionReviewVersions");
    if client.is_none() && reviews.is_none() {
        return;
    }
    let mut webhook = Vec::new();
    webhook.extend(client.map(|client| (Cow::Borrowed("clientConfig"), client)));
    let reviews = reviews.unwrap_or_else(|| Node::Array(vec![Node::Text(Cow::Borrowed("v1beta1"))]));
    webhook.push((Cow::Borrowed("conversionReviewVersions"), reviews));
    conversion.set("webhook", Node::Object(webhook));
}
