//! Removes the fields of single kinds that keep an object from being applied again.
//!
//! Sources: the strategies and validations of kube-apiserver (`pkg/registry`), tested on a live server.

use std::borrow::Cow;

use super::manifest_fields::{Keep, at_mut, take_empty};
use super::object_tree::{Builder, Node};
use super::raw_json;

/// The annotation in which `kubectl apply` stores the manifest.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotations that record that a claim and a volume are bound to each other.
const BINDINGS: &[&str] = &[
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
];

/// Labels that the server derives from a Job's uid and name; it refuses a new Job that already has them.
const JOB_LABELS: &[&str] =
    &["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

/// The prefix of the names of volumes with tokens, which the server adds to each Pod.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Cleans an object by its kind.
pub(super) fn clean(object: &mut Node<'_>, keep: &Keep) {
    let kind = object.get("kind").and_then(Node::text).unwrap_or_default().to_owned();
    match kind.as_str() {
        "Service" => service(object, keep),
        "Pod" => pod(object, keep),
        "PersistentVolumeClaim" if !keep.has("bindings") => bindings(object),
        "PersistentVolume" => {
            if !keep.has("bindings") {
                bindings(object);
            }
            if let Some(claim) = at_mut(object, &["spec", "claimRef"]).filter(|_| !keep.has("claimRef")) {
                claim.take("uid");
                claim.take("resourceVersion");
            }
        }
        "Job" if !keep.has("jobSelector") => job(object),
        "ServiceAccount" => account(object),
        _ => {}
    }
}

/// Removes addresses and ports that the old cluster allocated; those that a user requested stay.
fn service(object: &mut Node<'_>, keep: &Keep) {
    let wanted = (!keep.has("nodePort")).then(|| WantedPorts::of(object));
    let Some(spec) = object.get_mut("spec") else { return };
    let is_headless = spec.get("clusterIP").and_then(Node::text) == Some("None");
    if !is_headless && !keep.has("clusterIP") {
        spec.take("clusterIP");
        spec.take("clusterIPs");
    }
    let Some(wanted) = wanted else { return };
    if !wanted.health_check {
        spec.take("healthCheckNodePort");
    }
    if let Some(Node::Array(ports)) = spec.get_mut("ports") {
        for port in ports {
            if port.get("port").and_then(integer).is_none_or(|number| !wanted.ports.contains(&number)) {
                port.take("nodePort");
            }
        }
    }
}

/// The ports of a Service whose node ports a user requested, as opposed to ports that the server allocated.
#[derive(Default)]
struct WantedPorts {
    ports: Vec<i64>,
    health_check: bool,
}

impl WantedPorts {
    /// Reads them from the manifest that kubectl applied last, and from managedFields: the server itself does not appear there.
    fn of(service: &Node<'_>) -> Self {
        let mut wanted = Self::default();
        let metadata = service.get("metadata");
        let applied = metadata.and_then(|metadata| metadata.at(&["annotations", LAST_APPLIED])).and_then(Node::text);
        if let Some(text) = applied {
            let mut builder = Builder::default();
            if raw_json::read(text.as_bytes(), &mut builder).is_ok() {
                wanted.applied(&builder.finish());
            }
        }
        let managers = metadata.and_then(|metadata| metadata.get("managedFields")).map(Node::items);
        for manager in managers.unwrap_or_default() {
            if let Some(fields) = manager.at(&["fieldsV1", "f:spec"]) {
                wanted.managed(fields);
            }
        }
        wanted
    }

    fn applied(&mut self, service: &Node<'_>) {
        let Some(spec) = service.get("spec") else { return };
        let is_set = |node: &Node<'_>, name: &str| node.get(name).and_then(integer).is_some_and(|number| number != 0);
        let ports = spec.get("ports").map(Node::items).unwrap_or_default();
        let set = ports.iter().filter(|port| is_set(port, "nodePort"));
        self.ports.extend(set.filter_map(|port| port.get("port").and_then(integer)));
        self.health_check |= is_set(spec, "healthCheckNodePort");
    }

    /// Reads the members of `f:ports`, such as `k:{"port":80,"protocol":"TCP"}`.
    fn managed(&mut self, spec: &Node<'_>) {
        self.health_check |= spec.get("f:healthCheckNodePort").is_some();
        let Some(Node::Object(ports)) = spec.get("f:ports") else { return };
        for (key, port) in ports {
            let Some(json) = key.strip_prefix("k:").filter(|_| port.get("f:nodePort").is_some()) else { continue };
            let mut builder = Builder::default();
            if raw_json::read(json.as_bytes(), &mut builder).is_ok() {
                self.ports.extend(builder.finish().get("port").and_then(integer));
            }
        }
    }
}

fn integer(node: &Node<'_>) -> Option<i64> {
    match node {
        Node::Int(number) => Some(*number),
        _ => None,
    }
}

/// Removes the node on which the Pod ran, and the fields that the server added.
fn pod(object: &mut Node<'_>, keep: &Keep) {
    let Some(spec) = object.get_mut("spec") else { return };
    if !keep.has("nodeName") {
        spec.take("nodeName");
    }
    if !keep.has("priority") {
        // The server computes the priority from the class, and refuses another number.
        spec.take("priority");
    }
    // Ephemeral containers are added to running Pods; a server refuses a new Pod with them.
    spec.take("ephemeralContainers");
    if keep.has("tokenVolumes") {
        return;
    }
    let mut tokens = Vec::new();
    let account = spec.get("serviceAccountName").and_then(Node::text).unwrap_or("default");
    let legacy = format!("{account}-token-");
    if let Some(Node::Array(volumes)) = spec.get_mut("volumes") {
        volumes.retain(|volume| {
            let name = volume.get("name").and_then(Node::text).unwrap_or_default();
            let secret = volume.at(&["secret", "secretName"]).and_then(Node::text);
            let is_token = name.starts_with(TOKEN_VOLUME) && volume.get("projected").is_some()
                || secret == Some(name) && name.starts_with(&legacy);
            if is_token {
                tokens.push(name.to_owned());
            }
            !is_token
        });
    }
    take_empty(spec, "volumes");
    for list in ["containers", "initContainers"] {
        let Some(Node::Array(containers)) = spec.get_mut(list) else { continue };
        for container in containers {
            if let Some(Node::Array(mounts)) = container.get_mut("volumeMounts") {
                mounts.retain(|mount| {
                    let name = mount.get("name").and_then(Node::text).unwrap_or_default();
                    !tokens.iter().any(|token| token == name)
                });
            }
            take_empty(container, "volumeMounts");
        }
    }
}

fn bindings(object: &mut Node<'_>) {
    if let Some(metadata) = object.get_mut("metadata") {
        take_names(metadata, "annotations", BINDINGS);
    }
}

fn job(object: &mut Node<'_>) {
    let Some(spec) = object.get_mut("spec") else { return };
    if spec.get("manualSelector") == Some(&Node::Bool(true)) {
        return;
    }
    spec.take("selector");
    if let Some(template) = at_mut(spec, &["template", "metadata"]) {
        take_names(template, "labels", JOB_LABELS);
    }
    if let Some(metadata) = object.get_mut("metadata") {
        take_names(metadata, "labels", JOB_LABELS);
    }
}

/// Removes the names of token secrets; a new cluster creates tokens with other names.
fn account(object: &mut Node<'_>) {
    let name = object.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default().to_owned();
    let made = [format!("{name}-token-"), format!("{name}-dockercfg-")];
    for list in ["secrets", "imagePullSecrets"] {
        if let Some(Node::Array(items)) = object.get_mut(list) {
            items.retain(|item| {
                let secret = item.get("name").and_then(Node::text).unwrap_or_default();
                !made.iter().any(|prefix| secret.starts_with(prefix.as_str()))
            });
        }
        take_empty(object, list);
    }
}

/// Removes members of a map, and the map itself if it is then empty.
fn take_names(node: &mut Node<'_>, map: &str, names: &[&str]) {
    if let Some(Node::Object(members)) = node.get_mut(map) {
        members.retain(|(name, _): &(Cow<'_, str>, _)| !names.contains(&name.as_ref()));
    }
    take_empty(node, map);
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::cleaned;

    #[test]
    fn a_service_keeps_requested_addresses_and_ports() {
        let spec = r#""spec":{"clusterIP":"10.96.0.7","clusterIPs":["10.96.0.7"],"ports":[{"port":80,"nodePort":30080},{"port":443,"nodePort":30443}],"type":"NodePort","healthCheckNodePort":31000}"#;
        let bare = format!(r#"{{"kind":"Service","metadata":{{"name":"web"}},{spec}}}"#);
        assert_eq!(
            cleaned(&bare, &[]),
            r#"{"kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"port":80},{"port":443}],"type":"NodePort"}}"#
        );
        assert_eq!(cleaned(&bare, &["nodePort", "clusterIP"]), bare);
        let managed = format!(
            r#"{{"kind":"Service","metadata":{{"managedFields":[{{"fieldsV1":{{"f:spec":{{"f:ports":{{"k:{{\"port\":443,\"protocol\":\"TCP\"}}":{{"f:nodePort":{{}}}},"k:{{\"port\":80,\"protocol\":\"TCP\"}}":{{"f:port":{{}}}}}}}}}}}}]}},{spec}}}"#
        );
        let text = cleaned(&managed, &[]);
        assert!(text.contains("30443") && !text.contains("30080") && !text.contains("31000"), "{text}");
        let applied = format!(
            r#"{{"kind":"Service","metadata":{{"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{{\"spec\":{{\"ports\":[{{\"port\":80,\"nodePort\":30080}}]}}}}"}}}},{spec}}}"#
        );
        let text = cleaned(&applied, &[]);
        assert!(text.contains(r#""port":80,"nodePort":30080"#) && !text.contains("30443"), "{text}");
        let headless = r#"{"kind":"Service","spec":{"clusterIP":"None","clusterIPs":["None"]}}"#;
        assert_eq!(cleaned(headless, &[]), headless);
    }

    #[test]
    fn a_pod_is_placed_anew() {
        let pod = r#"{"kind":"Pod","spec":{"nodeName":"n1","priority":0,"serviceAccountName":"sa","volumes":[{"name":"kube-api-access-x","projected":{}},{"name":"sa-token-abc12","secret":{"secretName":"sa-token-abc12"}},{"name":"data","emptyDir":{}}],"containers":[{"name":"c","volumeMounts":[{"name":"kube-api-access-x"},{"name":"data"}]},{"name":"d","volumeMounts":[{"name":"sa-token-abc12"}]}]}}"#;
        let want = r#"{"kind":"Pod","spec":{"serviceAccountName":"sa","volumes":[{"name":"data","emptyDir":{}}],"containers":[{"name":"c","volumeMounts":[{"name":"data"}]},{"name":"d"}]}}"#;
        assert_eq!(cleaned(pod, &[]), want);
        assert_eq!(cleaned(pod, &["nodeName", "priority", "tokenVolumes"]), pod);
    }

    #[test]
    fn volumes_bind_anew_to_the_same_claims() {
        let claim = r#"{"kind":"PersistentVolumeClaim","metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes","a":"b"}},"spec":{"volumeName":"pv1"}}"#;
        let want =
            r#"{"kind":"PersistentVolumeClaim","metadata":{"annotations":{"a":"b"}},"spec":{"volumeName":"pv1"}}"#;
        assert_eq!(cleaned(claim, &[]), want);
        let volume = r#"{"kind":"PersistentVolume","metadata":{"annotations":{"pv.kubernetes.io/bound-by-controller":"yes"}},"spec":{"claimRef":{"name":"c","namespace":"n","uid":"u","resourceVersion":"1"}}}"#;
        let want = r#"{"kind":"PersistentVolume","metadata":{},"spec":{"claimRef":{"name":"c","namespace":"n"}}}"#;
        assert_eq!(cleaned(volume, &[]), want);
    }

    #[test]
    fn a_job_gets_its_selector_from_the_server() {
        let job = r#"{"kind":"Job","metadata":{"labels":{"job-name":"j"}},"spec":{"selector":{"matchLabels":{"controller-uid":"u"}},"template":{"metadata":{"labels":{"app":"x","batch.kubernetes.io/controller-uid":"u","controller-uid":"u"}}}}}"#;
        let want = r#"{"kind":"Job","metadata":{},"spec":{"template":{"metadata":{"labels":{"app":"x"}}}}}"#;
        assert_eq!(cleaned(job, &[]), want);
        let manual =
            r#"{"kind":"Job","spec":{"manualSelector":true,"selector":{"matchLabels":{"controller-uid":"u"}}}}"#;
        assert_eq!(cleaned(manual, &[]), manual);
    }

    #[test]
    fn an_account_loses_its_old_tokens() {
        let account = r#"{"kind":"ServiceAccount","metadata":{"name":"sa"},"secrets":[{"name":"sa-token-x1"}],"imagePullSecrets":[{"name":"registry"}]}"#;
        let want = r#"{"kind":"ServiceAccount","metadata":{"name":"sa"},"imagePullSecrets":[{"name":"registry"}]}"#;
        assert_eq!(cleaned(account, &[]), want);
    }
}
