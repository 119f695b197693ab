//! Simulates kubelets, as far as a recording needs them.

use anyhow::Result;
use serde_json::{Value, json};

use super::kubernetes_cluster::Kubernetes;

/// Makes the scheduled pods of Deployments and StatefulSets running and ready.
pub fn run_pods(kubernetes: &Kubernetes) -> Result<()> {
    let pods = kubernetes.get("/api/v1/pods")?;
    for (number, pod) in pods["items"].as_array().into_iter().flatten().enumerate() {
        let owner = pod.pointer("/metadata/ownerReferences/0/kind").and_then(Value::as_str).unwrap_or_default();
        let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/pods/{}", text("/metadata/namespace"), text("/metadata/name"));
        if !["ReplicaSet", "StatefulSet", "DaemonSet"].contains(&owner) || text("/spec/nodeName").is_empty() {
            continue;
        }
        if !text("/metadata/deletionTimestamp").is_empty() {
            kubernetes.ask("DELETE", &format!("{path}?gracePeriodSeconds=0"), "", "")?;
        } else if text("/status/phase") == "Pending" {
            kubernetes.patch(&format!("{path}/status"), &running(pod, number))?;
        }
    }
    Ok(())
}

/// Returns the status of a running pod.
fn running(pod: &Value, number: usize) -> Value {
    let started = "2026-11-27T06:30:00Z";
    let address = format!("10.244.0.{}", number % 200 + 10);
    let container = |container: &Value| {
        let image = &container["image"];
        json!({"name": container["name"], "image": image, "imageID": format!("{}@sha256:0", image.as_str().unwrap_or_default()), "containerID": format!("containerd://{number}"),
            "ready": true, "started": true, "restartCount": 0, "state": {"running": {"startedAt": started}}})
    };
    let containers: Vec<Value> =
        pod.pointer("/spec/containers").and_then(Value::as_array).into_iter().flatten().map(container).collect();
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": started});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "172.18.0.2", "startTime": started, "containerStatuses": containers, "conditions": conditions}})
}
