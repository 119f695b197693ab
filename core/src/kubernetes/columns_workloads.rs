//! Columns of Pods and of their controllers.

use super::age;
use super::label_text::{labels, selector, selector_or_none};
use super::node_path::{int, text};
use super::object_tree::Node;
use super::pod_facts::PodFacts;
use super::pod_state::PodState;
use super::special_types::parse_rfc3339;
use super::table_row::{AGE, Column, NAME, Row, column, non_empty_or, wide};

pub(super) fn columns(plural: &str) -> Option<&'static [Column]> {
    Some(match plural {
        "pods" => PODS,
        "deployments" => DEPLOYMENTS,
        "replicasets" => REPLICA_SETS,
        "replicationcontrollers" => REPLICATION_CONTROLLERS,
        "statefulsets" => STATEFUL_SETS,
        "daemonsets" => DAEMON_SETS,
        "jobs" => JOBS,
        "cronjobs" => CRON_JOBS,
        "podtemplates" => POD_TEMPLATES,
        "controllerrevisions" => REVISIONS,
        _ => return None,
    })
}

const PODS: &[Column] = &[
    column("NAME", |row| row.pod().facts.name.to_owned()),
    column("READY", |row| {
        let state = &row.pod().state;
        format!("{}/{}", state.ready, state.containers)
    }),
    column("STATUS", |row| row.pod().state.reason.clone()),
    column("RESTARTS", |row| {
        let PodState { restarts, last_restart, .. } = row.pod().state;
        match last_restart {
            Some(_) if restarts != 0 => format!("{restarts} ({} ago)", row.since_seconds(last_restart)),
            _ => restarts.to_string(),
        }
    }),
    column("AGE", |row| row.since_seconds(row.pod().facts.created)),
    wide("IP", |row| non_empty_or(row.pod().facts.address, "<none>")),
    wide("NODE", |row| non_empty_or(row.pod().facts.node, "<none>")),
    wide("NOMINATED NODE", |row| non_empty_or(row.pod().facts.nominated_node, "<none>")),
    wide("READINESS GATES", |row| {
        let PodFacts { gates, conditions, .. } = &row.pod().facts;
        if gates.is_empty() {
            return "<none>".to_owned();
        }
        let is_true = |gate: &&&str| {
            conditions.iter().find(|condition| condition.kind == **gate).is_some_and(|condition| condition.is_true)
        };
        format!("{}/{}", gates.iter().filter(is_true).count(), gates.len())
    }),
];

const CONTAINERS: Column = wide("CONTAINERS", |row| names(row, "spec.template.spec.containers", "name"));
const IMAGES: Column = wide("IMAGES", |row| names(row, "spec.template.spec.containers", "image"));
const SELECTOR: Column = wide("SELECTOR", |row| selector_or_none(row.at("spec.selector")));

const DEPLOYMENTS: &[Column] = &[
    NAME,
    column("READY", |row| format!("{}/{}", row.int("status.readyReplicas"), row.int("spec.replicas"))),
    column("UP-TO-DATE", |row| row.number("status.updatedReplicas")),
    column("AVAILABLE", |row| row.number("status.availableReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    wide("SELECTOR", |row| row.at("spec.selector").map(selector).unwrap_or_default()),
];

const DESIRED: Column = column("DESIRED", |row| row.number("spec.replicas"));
const CURRENT: Column = column("CURRENT", |row| row.number("status.replicas"));
const READY: Column = column("READY", |row| row.number("status.readyReplicas"));

const REPLICA_SETS: &[Column] = &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, SELECTOR];

const REPLICATION_CONTROLLERS: &[Column] =
    &[NAME, DESIRED, CURRENT, READY, AGE, CONTAINERS, IMAGES, wide("SELECTOR", |row| labels(row.at("spec.selector")))];

const STATEFUL_SETS: &[Column] = &[
    NAME,
    column("READY", |row| format!("{}/{}", row.int("status.readyReplicas"), row.int("spec.replicas"))),
    AGE,
    CONTAINERS,
    IMAGES,
];

const DAEMON_SETS: &[Column] = &[
    NAME,
    column("DESIRED", |row| row.number("status.desiredNumberScheduled")),
    column("CURRENT", |row| row.number("status.currentNumberScheduled")),
    column("READY", |row| row.number("status.numberReady")),
    column("UP-TO-DATE", |row| row.number("status.updatedNumberScheduled")),
    column("AVAILABLE", |row| row.number("status.numberAvailable")),
    column("NODE SELECTOR", |row| labels(row.at("spec.template.spec.nodeSelector"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const JOBS: &[Column] = &[
    NAME,
    column("STATUS", job_status),
    column("COMPLETIONS", |row| {
        let done = row.int("status.succeeded");
        match (row.at("spec.completions"), row.int("spec.parallelism")) {
            (Some(Node::Int(wanted)), _) => format!("{done}/{wanted}"),
            (_, parallel) if parallel > 1 => format!("{done}/1 of {parallel}"),
            _ => format!("{done}/1"),
        }
    }),
    column("DURATION", |row| {
        let Some(started) = parse_rfc3339(&row.text("status.startTime")) else { return String::new() };
        match parse_rfc3339(&row.text("status.completionTime")).or(row.now) {
            Some(ended) => age::human(ended.saturating_sub(started)),
            None => "<unknown>".to_owned(),
        }
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

fn job_status(row: &Row<'_>) -> String {
    let conditions = row.items("status.conditions");
    let has = |kind: &str| {
        let condition = conditions.iter().find(|condition| text(condition, "type") == kind);
        condition.is_some_and(|condition| text(condition, "status") == "True")
    };
    let status = match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if row.is_deleting() => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    status.to_owned()
}

const CRON_JOBS: &[Column] = &[
    NAME,
    column("SCHEDULE", |row| row.text("spec.schedule")),
    column("TIMEZONE", |row| row.text_or("spec.timeZone", "<none>")),
    column("SUSPEND", |row| {
        match row.at("spec.suspend") {
            Some(Node::Bool(true)) => "True",
            Some(Node::Bool(false)) => "False",
            _ => "<unset>",
        }
        .to_owned()
    }),
    column("ACTIVE", |row| row.count("status.active").to_string()),
    column("LAST SCHEDULE", |row| match row.at("status.lastScheduleTime") {
        Some(_) => row.since("status.lastScheduleTime"),
        None => "<none>".to_owned(),
    }),
    AGE,
    wide("CONTAINERS", |row| names(row, "spec.jobTemplate.spec.template.spec.containers", "name")),
    wide("IMAGES", |row| names(row, "spec.jobTemplate.spec.template.spec.containers", "image")),
    wide("SELECTOR", |row| selector_or_none(row.at("spec.jobTemplate.spec.selector"))),
];

const POD_TEMPLATES: &[Column] = &[
    NAME,
    column("CONTAINERS", |row| names(row, "template.spec.containers", "name")),
    column("IMAGES", |row| names(row, "template.spec.containers", "image")),
    column("POD LABELS", |row| labels(row.at("template.metadata.labels"))),
];

const REVISIONS: &[Column] = &[
    NAME,
    column("CONTROLLER", |row| {
        let owners = row.items("metadata.ownerReferences").iter();
        let mut owners = owners.filter(|owner| matches!(owner.get("controller"), Some(Node::Bool(true))));
        let Some(owner) = owners.next() else { return "<none>".to_owned() };
        let group = text(owner, "apiVersion").split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
        format!("{}{group}/{}", text(owner, "kind").to_lowercase(), text(owner, "name"))
    }),
    column("REVISION", |row| int(row.object, "revision").to_string()),
    AGE,
];

/// A field of each container.
fn names(row: &Row<'_>, path: &str, field: &str) -> String {
    row.items(path).iter().map(|container| text(container, field)).collect::<Vec<_>>().join(",")
}
