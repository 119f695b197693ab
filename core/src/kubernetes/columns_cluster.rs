//! Columns of Nodes, namespaces, and the remaining types.

use super::node_path::text;
use super::object_tree::Node;
use super::special_types::parse_rfc3339;
use super::table_row::{AGE, CREATED_AT, Column, NAME, Row, column, wide};

pub(super) fn columns(plural: &str) -> Option<&'static [Column]> {
    Some(match plural {
        "nodes" => NODES,
        "namespaces" => NAMESPACES,
        "secrets" => SECRETS,
        "configmaps" => CONFIG_MAPS,
        "events" => EVENTS,
        "leases" => LEASES,
        "leasecandidates" => CANDIDATES,
        "runtimeclasses" => RUNTIME_CLASSES,
        "customresourcedefinitions" => DEFINITIONS,
        "apiservices" => API_SERVICES,
        "resourceclaims" => CLAIMS,
        "resourceslices" => SLICES,
        "storageversionmigrations" => MIGRATIONS,
        _ => return None,
    })
}

const NODES: &[Column] = &[
    NAME,
    column("STATUS", |row| {
        let mut conditions = row.items("status.conditions").iter();
        let ready = conditions.rfind(|condition| text(condition, "type") == "Ready");
        let status = match ready.map(|ready| text(ready, "status")) {
            Some("True") => "Ready",
            Some(_) => "NotReady",
            None => "Unknown",
        };
        let cordoned = if row.is("spec.unschedulable") { ",SchedulingDisabled" } else { "" };
        format!("{status}{cordoned}")
    }),
    column("ROLES", |row| {
        let Some(Node::Object(labels)) = row.at("metadata.labels") else { return "<none>".to_owned() };
        let mut roles: Vec<&str> = labels
            .iter()
            .filter_map(|(name, value)| match name.strip_prefix("node-role.kubernetes.io/") {
                Some(role) => Some(role),
                None if name == "kubernetes.io/role" => value.text(),
                None => None,
            })
            .filter(|role| !role.is_empty())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") }
    }),
    AGE,
    column("VERSION", |row| row.text("status.nodeInfo.kubeletVersion")),
    wide("INTERNAL-IP", |row| address(row, "InternalIP")),
    wide("EXTERNAL-IP", |row| address(row, "ExternalIP")),
    wide("OS-IMAGE", |row| row.text_or("status.nodeInfo.osImage", "<unknown>")),
    wide("KERNEL-VERSION", |row| {
        let version = row.text_or("status.nodeInfo.kernelVersion", "<unknown>");
        match row.text("status.nodeInfo.architecture") {
            architecture if architecture.is_empty() => version,
            architecture => format!("{version} ({architecture})"),
        }
    }),
    wide("CONTAINER-RUNTIME", |row| row.text_or("status.nodeInfo.containerRuntimeVersion", "<unknown>")),
];

fn address(row: &Row<'_>, kind: &str) -> String {
    let mut addresses = row.items("status.addresses").iter().filter(|address| text(address, "type") == kind);
    addresses.next().map_or("<none>", |found| text(found, "address")).to_owned()
}

const NAMESPACES: &[Column] = &[NAME, column("STATUS", |row| row.text("status.phase")), AGE];

const SECRETS: &[Column] =
    &[NAME, column("TYPE", |row| row.text("type")), column("DATA", |row| row.count("data").to_string()), AGE];

const CONFIG_MAPS: &[Column] =
    &[NAME, column("DATA", |row| row.count("data").saturating_add(row.count("binaryData")).to_string()), AGE];

const EVENTS: &[Column] = &[
    column("LAST SEEN", |row| match (row.at("series"), row.text("lastTimestamp")) {
        (Some(_), _) => row.since("series.lastObservedTime"),
        (None, last) if !last.is_empty() => row.since_time(&last),
        (None, _) => first_seen(row),
    }),
    column("TYPE", |row| row.text("type")),
    column("REASON", |row| row.text("reason")),
    column("OBJECT", |row| {
        let kind = row.text("involvedObject.kind").to_lowercase();
        match row.text("involvedObject.name") {
            name if name.is_empty() => kind,
            name => format!("{kind}/{name}"),
        }
    }),
    wide("SUBOBJECT", |row| row.text("involvedObject.fieldPath")),
    wide("SOURCE", |row| {
        let component = row.text_or("source.component", &row.text("reportingComponent"));
        match row.text_or("source.host", &row.text("reportingInstance")) {
            instance if instance.is_empty() => component,
            instance => format!("{component}, {instance}"),
        }
    }),
    column("MESSAGE", |row| row.text("message").trim().to_owned()),
    wide("FIRST SEEN", first_seen),
    wide("COUNT", |row| match (row.at("series"), row.int("count")) {
        (Some(_), _) => row.number("series.count"),
        (None, 0) => "1".to_owned(),
        (None, count) => count.to_string(),
    }),
    wide("NAME", |row| row.text("metadata.name")),
];

fn first_seen(row: &Row<'_>) -> String {
    match row.text("firstTimestamp") {
        first if parse_rfc3339(&first).is_some() => row.since_time(&first),
        _ => row.since("eventTime"),
    }
}

const LEASES: &[Column] = &[NAME, column("HOLDER", |row| row.text("spec.holderIdentity")), AGE];

const CANDIDATES: &[Column] = &[
    NAME,
    column("LEASENAME", |row| row.text("spec.leaseName")),
    column("BINARYVERSION", |row| row.text("spec.binaryVersion")),
    column("EMULATIONVERSION", |row| row.text("spec.emulationVersion")),
    AGE,
];

const RUNTIME_CLASSES: &[Column] = &[NAME, column("HANDLER", |row| row.text("handler")), AGE];

const DEFINITIONS: &[Column] = &[
    NAME,
    column("SCOPE", |row| row.text("spec.scope")),
    column("VERSIONS", |row| {
        let version = |version: &Node<'_>| {
            let is_stored = matches!(version.get("storage"), Some(Node::Bool(true)));
            format!("{}{}", text(version, "name"), if is_stored { "(storage)" } else { "" })
        };
        row.items("spec.versions").iter().map(version).collect::<Vec<_>>().join(",")
    }),
    CREATED_AT,
    wide("GROUP", |row| row.text("spec.group")),
    wide("KIND", |row| row.text("spec.names.kind")),
    wide("SHORTNAMES", |row| row.joined("spec.names.shortNames")),
    wide("ESTABLISHED", |row| {
        let is_established =
            |condition: &Node<'_>| text(condition, "type") == "Established" && text(condition, "status") == "True";
        row.items("status.conditions").iter().any(is_established).to_string()
    }),
];

const API_SERVICES: &[Column] = &[
    NAME,
    column("SERVICE", |row| match row.at("spec.service") {
        Some(service @ Node::Object(_)) => format!("{}/{}", text(service, "namespace"), text(service, "name")),
        _ => "Local".to_owned(),
    }),
    column("AVAILABLE", |row| {
        let conditions = row.items("status.conditions").iter();
        let mut available = conditions.filter(|condition| text(condition, "type") == "Available");
        match available.next() {
            Some(found) if text(found, "status") == "True" => "True".to_owned(),
            Some(found) if text(found, "reason").is_empty() => text(found, "status").to_owned(),
            Some(found) => format!("{} ({})", text(found, "status"), text(found, "reason")),
            None => "Unknown".to_owned(),
        }
    }),
    AGE,
];

const CLAIMS: &[Column] = &[
    NAME,
    column("STATE", |row| {
        let allocated = matches!(row.at("status.allocation"), Some(Node::Object(_)));
        let deleted = row.is_deleting().then_some("deleted");
        let state = if allocated { Some("allocated") } else { (!row.is_deleting()).then_some("pending") };
        let reserved = (allocated && row.count("status.reservedFor") > 0).then_some("reserved");
        [deleted, state, reserved].into_iter().flatten().collect::<Vec<_>>().join(",")
    }),
    AGE,
];

const SLICES: &[Column] = &[
    NAME,
    column("NODE", |row| row.scalar_or("spec.nodeName", "")),
    column("DRIVER", |row| row.text("spec.driver")),
    column("POOL", |row| row.text("spec.pool.name")),
    AGE,
];

const MIGRATIONS: &[Column] = &[
    NAME,
    column("RESOURCE", |row| match (row.text("spec.resource.resource"), row.text("spec.resource.group")) {
        (resource, group) if group.is_empty() => resource,
        (resource, group) => format!("{resource}.{group}"),
    }),
    column("STATUS", |row| {
        let known = ["Running", "Failed", "Succeeded"];
        let conditions = row.items("status.conditions").iter();
        let is_true = conditions.filter(|condition| text(condition, "status") == "True");
        let mut kinds = is_true.map(|condition| text(condition, "type"));
        kinds.rfind(|kind| known.contains(kind)).unwrap_or("Unknown").to_owned()
    }),
];
