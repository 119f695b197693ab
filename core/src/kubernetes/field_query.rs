//! Selects objects by fields, as `kubectl get --field-selector` does: `status.phase=Running,spec.nodeName!=node-1`.
//!
//! An API server supports only a few fields of a few types. Source: `AddFieldLabelConversionFunc` and `SelectableFields` in `k8s.io/kubernetes` 1.37;
//! for custom resources `selectableFields` of the definition.

use std::borrow::Cow;

use super::object_tree::Node;
use super::resources::Resource;

/// Requirements, all of which an object must meet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldQuery {
    all: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    field: String,
    value: String,
    is_equal: bool,
}

/// The selectable fields of built-in types, by plural name and group, in addition to name and namespace.
const FIELDS: &[(&str, &str, &[&str])] = &[
    (
        "pods",
        "",
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
    ),
    ("nodes", "", &["spec.unschedulable"]),
    ("replicationcontrollers", "", &["status.replicas"]),
    (
        "events",
        "",
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
    ),
    ("namespaces", "", &["status.phase"]),
    ("secrets", "", &["type"]),
    ("services", "", &["spec.clusterIP", "spec.type"]),
    ("jobs", "batch", &["status.successful"]),
    ("certificatesigningrequests", "certificates.k8s.io", &["spec.signerName"]),
    ("clustertrustbundles", "certificates.k8s.io", &["spec.signerName"]),
    ("podcertificaterequests", "certificates.k8s.io", &["spec.signerName", "spec.podName", "spec.nodeName"]),
    ("resourceslices", "resource.k8s.io", &["spec.nodeName", "spec.driver", "spec.pool.name"]),
];

/// Returns the fields by which objects of a type can be selected; `defined` are those of its definition, if it has one.
#[must_use]
pub fn selectable<'f>(resource: &Resource, defined: &'f [String]) -> Vec<&'f str> {
    let mut fields = vec!["metadata.name"];
    if resource.namespaced {
        fields.push("metadata.namespace");
    }
    let of_type = FIELDS.iter().find(|(plural, group, _)| *plural == resource.plural && *group == resource.group);
    fields.extend(of_type.filter(|_| !resource.custom).map_or(&[][..], |(.., fields)| fields));
    fields.extend(defined.iter().map(String::as_str));
    fields
}

impl FieldQuery {
    /// Parses a selector.
    ///
    /// # Errors
    /// The part that has no `=` or `!=`, or no field before it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let operators = [("!=", false), ("==", true), ("=", true)];
            let mut split = operators.iter().filter_map(|(word, is_equal)| Some((part.split_once(word)?, *is_equal)));
            match split.next() {
                Some(((field, value), is_equal)) if !field.trim().is_empty() => {
                    all.push(FieldRequirement { field: field.trim().into(), value: value.trim().into(), is_equal });
                }
                _ => return Err(part.to_owned()),
            }
        }
        Ok(Self { all })
    }

    /// Whether there are no requirements, so that every object meets them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the fields of the requirements.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|requirement| requirement.field.as_str())
    }

    /// Whether an object meets all requirements.
    #[must_use]
    pub fn matches(&self, object: &Node<'_>) -> bool {
        self.all
            .iter()
            .all(|requirement| (value(object, &requirement.field) == requirement.value) == requirement.is_equal)
    }
}

/// Returns the value of a field as the API server compares it: a missing field is empty, false or zero.
fn value<'n>(object: &'n Node<'n>, field: &str) -> Cow<'n, str> {
    let at = |field: &str| field.split('.').try_fold(object, |node, name| node.get(name));
    let text = |field: &str| at(field).and_then(Node::text).unwrap_or_default();
    match field {
        "source" => match text("source.component") {
            "" => text("reportingComponent").into(),
            component => component.into(),
        },
        "status.successful" => number(at("status.succeeded")),
        "status.replicas" => number(at(field)),
        "spec.hostNetwork" | "spec.unschedulable" => matches!(at(field), Some(Node::Bool(true))).to_string().into(),
        _ => match at(field) {
            Some(Node::Text(text)) => text.as_ref().into(),
            Some(Node::Bool(value)) => value.to_string().into(),
            Some(Node::Int(value)) => value.to_string().into(),
            _ => "".into(),
        },
    }
}

fn number(node: Option<&Node<'_>>) -> Cow<'static, str> {
    match node {
        Some(Node::Int(value)) => value.to_string().into(),
        _ => "0".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::object_tree::Builder;
    use super::super::raw_json;
    use super::super::resources::Resources;
    use super::*;

    #[test]
    fn fields_are_selected_as_a_server_does() {
        let json = br#"{"metadata":{"name":"a"},"spec":{"unschedulable":true,"size":3},"status":{"phase":"Running","succeeded":2},"reportingComponent":"kubelet"}"#;
        let mut builder = Builder::default();
        raw_json::read(json, &mut builder).unwrap();
        let object = builder.finish();
        for (text, want) in [
            ("", true),
            ("metadata.name=a,status.phase!=Pending", true),
            ("metadata.name == a", true),
            ("status.phase=Pending", false),
            ("spec.unschedulable=true", true),
            ("spec.hostNetwork=false", true),
            ("status.successful=2", true),
            ("status.replicas=0", true),
            ("source=kubelet", true),
            ("spec.nodeName=", true),
            ("spec.size=3", true),
        ] {
            assert_eq!(FieldQuery::parse(text).unwrap().matches(&object), want, "{text}");
        }
        for text in ["status.phase", "=x", "a=b,c"] {
            assert!(FieldQuery::parse(text).is_err(), "{text}");
        }
        let resources = Resources::builtin();
        let pods = selectable(resources.called("po")[0], &[]);
        assert!(pods.contains(&"spec.nodeName") && pods.contains(&"metadata.namespace"));
        assert_eq!(selectable(resources.called("clusterroles")[0], &[]), ["metadata.name"]);
        // Every type in the table exists.
        for (plural, group, _) in FIELDS {
            let dot = if group.is_empty() { "" } else { "." };
            assert_eq!(resources.called(&format!("{plural}{dot}{group}")).len(), 1, "{plural}");
        }
    }
}
