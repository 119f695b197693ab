//! Decides which objects are not written as manifests, because servers and controllers create them, or because they are of no use in another cluster.

use super::object_tree::Node;

/// The reason why an object is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeftOutReason {
    /// A controller owns it, and creates it again.
    Owned,
    /// Each server or namespace creates its own.
    MadeByServer,
    /// A token of a ServiceAccount, which is of no use in another cluster.
    Token,
    /// A short-lived object, or one that describes the old cluster: an event, a lease, a node.
    Passing,
    /// It was being deleted when the snapshot was taken.
    Deleting,
    /// A Job or Pod that has finished; it would run again when applied.
    Finished,
}

impl LeftOutReason {
    /// Returns the reason as the end of a sentence.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Owned => "their owner is in the snapshot and creates them again (--include-owned writes them, too)",
            Self::MadeByServer => "every cluster creates its own",
            Self::Token => "tokens of service accounts are of no use in another cluster",
            Self::Passing => "they are short-lived, or describe the old cluster",
            Self::Deleting => "they were being deleted when the snapshot was taken (name them to write them)",
            Self::Finished => "they have finished, and would run again (name them to write them)",
        }
    }
}

/// Types whose objects are always left out: group and plural.
const PASSING: &[(&str, &str)] = &[
    ("", "events"),
    ("", "nodes"),
    ("", "rangeallocations"),
    ("apps", "controllerrevisions"),
    ("certificates.k8s.io", "certificatesigningrequests"),
    ("coordination.k8s.io", "leasecandidates"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("internal.apiserver.k8s.io", "storageversions"),
    ("networking.k8s.io", "ipaddresses"),
    ("resource.k8s.io", "resourceslices"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csistoragecapacities"),
    ("storage.k8s.io", "volumeattachments"),
];

/// Whether the objects of a type are left out unless the user names the type.
#[must_use]
pub fn is_passing(group: &str, plural: &str) -> bool {
    // Records that API servers keep about themselves; they are not objects.
    matches!(plural, "masterleases" | "peerserverleases" | "ranges") || PASSING.contains(&(group, plural))
}

/// Returns why an object is left out; `None` if it is written. `is_there` tells, by kind and name, whether an owner exists that can create the object again.
#[must_use]
pub fn left_out(object: &Node<'_>, is_there: impl Fn(&str, &str) -> bool) -> Option<LeftOutReason> {
    let text = |path: &[&str]| object.at(path).and_then(Node::text).unwrap_or_default();
    let label = |name: &str| text(&["metadata", "labels", name]);
    let annotation = |name: &str| text(&["metadata", "annotations", name]);
    let (name, namespace) = (text(&["metadata", "name"]), text(&["metadata", "namespace"]));
    let is_server_made = match text(&["kind"]) {
        "Secret" if text(&["type"]) == "kubernetes.io/service-account-token" => return Some(LeftOutReason::Token),
        "ConfigMap" => matches!(name, "kube-root-ca.crt" | "openshift-service-ca.crt"),
        "ServiceAccount" => name == "default" && !is_changed_account(object),
        "Service" => (namespace, name) == ("default", "kubernetes"),
        // A mirror Pod, which a kubelet creates for each static Pod.
        "Pod" => !annotation("kubernetes.io/config.mirror").is_empty(),
        "Endpoints" => is_of_service(object, namespace, name),
        "EndpointSlice" => {
            label("endpointslice.kubernetes.io/managed-by").ends_with(".k8s.io")
                || (namespace, label("kubernetes.io/service-name")) == ("default", "kubernetes")
        }
        "APIService" => !label("kube-aggregator.kubernetes.io/automanaged").is_empty(),
        "PriorityClass" => name.starts_with("system-"),
        "ClusterRole" | "ClusterRoleBinding" | "Role" | "RoleBinding" => {
            label("kubernetes.io/bootstrapping") == "rbac-defaults"
        }
        "FlowSchema" | "PriorityLevelConfiguration" => annotation("apf.kubernetes.io/autoupdate-spec") == "true",
        "ServiceCIDR" => name == "kubernetes",
        _ => false,
    };
    if is_server_made {
        return Some(LeftOutReason::MadeByServer);
    }
    let owners = object.at(&["metadata", "ownerReferences"]).map(Node::items).unwrap_or_default();
    let is_owned = owners.iter().any(|owner| {
        let text = |name: &str| owner.get(name).and_then(Node::text).unwrap_or_default();
        owner.get("controller") == Some(&Node::Bool(true)) && is_there(text("kind"), text("name"))
    });
    if is_owned {
        return Some(LeftOutReason::Owned);
    }
    let finished = is_finished(object).then_some(LeftOutReason::Finished);
    if is_deleting(object) { Some(LeftOutReason::Deleting) } else { finished }
}

/// Whether the object is being deleted and waits for a grace period or a finalizer.
#[must_use]
pub fn is_deleting(object: &Node<'_>) -> bool {
    object.at(&["metadata", "deletionTimestamp"]).and_then(Node::text).is_some_and(|time| !time.is_empty())
}

/// Whether the object is a Job or a Pod that has finished.
#[must_use]
pub fn is_finished(object: &Node<'_>) -> bool {
    let text = |node: &Node<'_>, path: &[&str]| node.at(path).and_then(Node::text).unwrap_or_default().to_owned();
    match text(object, &["kind"]).as_str() {
        "Pod" => matches!(text(object, &["status", "phase"]).as_str(), "Succeeded" | "Failed"),
        "Job" => {
            let conditions = object.at(&["status", "conditions"]).map(Node::items).unwrap_or_default();
            conditions.iter().any(|condition| {
                matches!(text(condition, &["type"]).as_str(), "Complete" | "Failed")
                    && text(condition, &["status"]) == "True"
            })
        }
        _ => false,
    }
}

/// Whether the object is a token, which is left out even if the user names it.
#[must_use]
pub fn is_token(object: &Node<'_>) -> bool {
    left_out(object, |_, _| false) == Some(LeftOutReason::Token)
}

/// Whether a user changed an account that each namespace has: only users set pull secrets, labels and annotations.
fn is_changed_account(account: &Node<'_>) -> bool {
    let has = |path: &[&str]| match account.at(path) {
        Some(Node::Array(items)) => !items.is_empty(),
        Some(Node::Object(members)) => !members.is_empty(),
        _ => false,
    };
    has(&["imagePullSecrets"]) || has(&["metadata", "labels"]) || has(&["metadata", "annotations"])
}

/// Returns the field of an object that contradicts its key, which no API server writes; `None` if they agree. `kind` is that of the key's type, or empty if it is unknown.
/// `namespace` is `None` for a type without namespaces. An object without a namespace is in that of its key.
#[must_use]
pub fn contradicts_key(object: &Node<'_>, kind: &str, namespace: Option<&[u8]>, name: &[u8]) -> Option<&'static str> {
    let text = |path: &[&str]| object.at(path).and_then(Node::text).unwrap_or_default();
    if !kind.is_empty() && text(&["kind"]) != kind {
        Some("kind")
    } else if text(&["metadata", "name"]).as_bytes() != name {
        Some("name")
    } else if namespace
        .is_some_and(|namespace| ![b"", namespace].contains(&text(&["metadata", "namespace"]).as_bytes()))
    {
        Some("namespace")
    } else {
        None
    }
}

/// Whether a controller created these Endpoints for a Service; Endpoints that a user wrote have none of these marks.
fn is_of_service(endpoints: &Node<'_>, namespace: &str, name: &str) -> bool {
    let metadata = |path: &[&str]| endpoints.get("metadata").and_then(|metadata| metadata.at(path));
    let managers = metadata(&["managedFields"]).map(Node::items).unwrap_or_default();
    let subsets = endpoints.get("subsets").map(Node::items).unwrap_or_default();
    let mut addresses = subsets.iter().flat_map(|subset| {
        ["addresses", "notReadyAddresses"]
            .into_iter()
            .flat_map(|list| subset.get(list).map(Node::items).unwrap_or_default())
    });
    (namespace, name) == ("default", "kubernetes")
        || metadata(&["annotations", "endpoints.kubernetes.io/last-change-trigger-time"]).is_some()
        || metadata(&["labels", "endpoints.kubernetes.io/managed-by"]).is_some()
        || managers.iter().any(|manager| manager.get("manager").and_then(Node::text) == Some("kube-controller-manager"))
        || addresses.any(|address| address.get("targetRef").is_some_and(|target| *target != Node::Null))
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::parsed;
    use super::*;

    #[test]
    fn objects_that_clusters_create_themselves_are_left_out() {
        for (json, want) in [
            (r#"{"kind":"Secret","type":"kubernetes.io/service-account-token"}"#, Some(LeftOutReason::Token)),
            (r#"{"kind":"Secret","type":"Opaque"}"#, None),
            (r#"{"kind":"ConfigMap","metadata":{"name":"kube-root-ca.crt"}}"#, Some(LeftOutReason::MadeByServer)),
            (r#"{"kind":"ConfigMap","metadata":{"name":"kube-root"}}"#, None),
            (r#"{"kind":"ServiceAccount","metadata":{"name":"default"}}"#, Some(LeftOutReason::MadeByServer)),
            (r#"{"kind":"ServiceAccount","metadata":{"name":"web"}}"#, None),
            (
                r#"{"kind":"Service","metadata":{"name":"kubernetes","namespace":"default"}}"#,
                Some(LeftOutReason::MadeByServer),
            ),
            (r#"{"kind":"Service","metadata":{"name":"kubernetes","namespace":"shop"}}"#, None),
            (
                r#"{"kind":"Endpoints","metadata":{"managedFields":[{"manager":"kube-controller-manager"}]}}"#,
                Some(LeftOutReason::MadeByServer),
            ),
            (r#"{"kind":"Endpoints","metadata":{"name":"own"},"subsets":[{"addresses":[{"ip":"10.0.0.1"}]}]}"#, None),
            (
                r#"{"kind":"Endpoints","subsets":[{"addresses":[{"targetRef":{"kind":"Pod"}}]}]}"#,
                Some(LeftOutReason::MadeByServer),
            ),
            (
                r#"{"kind":"ClusterRole","metadata":{"labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}}}"#,
                Some(LeftOutReason::MadeByServer),
            ),
            (
                r#"{"kind":"ReplicaSet","metadata":{"ownerReferences":[{"controller":true}]}}"#,
                Some(LeftOutReason::Owned),
            ),
            (r#"{"kind":"ReplicaSet","metadata":{"ownerReferences":[{"controller":false},{}]}}"#, None),
            (r#"{"kind":"Pod","status":{"phase":"Succeeded"}}"#, Some(LeftOutReason::Finished)),
            (r#"{"kind":"Pod","status":{"phase":"Running"}}"#, None),
            (
                r#"{"kind":"Job","status":{"conditions":[{"type":"Complete","status":"True"}]}}"#,
                Some(LeftOutReason::Finished),
            ),
            (r#"{"kind":"Job","status":{"conditions":[{"type":"Complete","status":"False"}]}}"#, None),
        ] {
            assert_eq!(left_out(&parsed(json), |_, _| true), want, "{json}");
        }
        let owned = parsed(r#"{"kind":"ReplicaSet","metadata":{"ownerReferences":[{"controller":true}]}}"#);
        assert_eq!(left_out(&owned, |_, _| false), None);
        let account =
            parsed(r#"{"kind":"ServiceAccount","metadata":{"name":"default"},"imagePullSecrets":[{"name":"pull"}]}"#);
        assert_eq!(left_out(&account, |_, _| true), None);
        assert!(is_passing("", "events") && is_passing("", "masterleases") && !is_passing("apps", "deployments"));
    }

    #[test]
    fn a_body_under_the_key_of_another_object_is_noticed() {
        let object = parsed(r#"{"kind":"ConfigMap","metadata":{"name":"web","namespace":"shop"}}"#);
        for (kind, namespace, name, want) in [
            ("ConfigMap", "shop", "web", None),
            ("", "shop", "web", None),
            ("Secret", "shop", "web", Some("kind")),
            ("ConfigMap", "shop", "other", Some("name")),
            ("ConfigMap", "kube-system", "web", Some("namespace")),
            ("ConfigMap", "", "web", Some("namespace")),
        ] {
            assert_eq!(contradicts_key(&object, kind, Some(namespace.as_bytes()), name.as_bytes()), want);
        }
    }
}
