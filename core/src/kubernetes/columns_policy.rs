//! Columns of the types for permissions, quotas, and decisions about requests.

use super::age;
use super::autoscaler_text::metrics;
use super::label_text::selector;
use super::node_path::{int, text};
use super::object_tree::Node;
use super::table_row::{AGE, Column, NAME, Row, column, wide};

pub(super) fn columns(plural: &str) -> Option<&'static [Column]> {
    Some(match plural {
        "rolebindings" | "clusterrolebindings" => BINDINGS,
        "poddisruptionbudgets" => BUDGETS,
        "horizontalpodautoscalers" => AUTOSCALERS,
        "resourcequotas" => QUOTAS,
        "priorityclasses" => PRIORITY_CLASSES,
        "mutatingwebhookconfigurations" | "validatingwebhookconfigurations" => WEBHOOKS,
        "validatingadmissionpolicies" => VALIDATING_POLICIES,
        "mutatingadmissionpolicies" => MUTATING_POLICIES,
        "validatingadmissionpolicybindings" | "mutatingadmissionpolicybindings" => POLICY_BINDINGS,
        "flowschemas" => FLOW_SCHEMAS,
        "prioritylevelconfigurations" => PRIORITY_LEVELS,
        "certificatesigningrequests" => SIGNING_REQUESTS,
        "clustertrustbundles" => TRUST_BUNDLES,
        _ => return None,
    })
}

const BINDINGS: &[Column] = &[
    NAME,
    column("ROLE", |row| format!("{}/{}", row.text("roleRef.kind"), row.text("roleRef.name"))),
    AGE,
    wide("USERS", |row| subjects(row, "User")),
    wide("GROUPS", |row| subjects(row, "Group")),
    wide("SERVICEACCOUNTS", |row| subjects(row, "ServiceAccount")),
];

fn subjects(row: &Row<'_>, kind: &str) -> String {
    let of_kind = row.items("subjects").iter().filter(|subject| text(subject, "kind") == kind);
    let name = |subject: &Node<'_>| match kind {
        "ServiceAccount" => format!("{}/{}", text(subject, "namespace"), text(subject, "name")),
        _ => text(subject, "name").to_owned(),
    };
    of_kind.map(name).collect::<Vec<_>>().join(", ")
}

const BUDGETS: &[Column] = &[
    NAME,
    column("MIN AVAILABLE", |row| row.scalar_or("spec.minAvailable", "N/A")),
    column("MAX UNAVAILABLE", |row| row.scalar_or("spec.maxUnavailable", "N/A")),
    column("ALLOWED DISRUPTIONS", |row| row.number("status.disruptionsAllowed")),
    AGE,
];

const AUTOSCALERS: &[Column] = &[
    NAME,
    column("REFERENCE", |row| {
        format!("{}/{}", row.text("spec.scaleTargetRef.kind"), row.text("spec.scaleTargetRef.name"))
    }),
    column("TARGETS", |row| metrics(row.object)),
    column("MINPODS", |row| row.scalar_or("spec.minReplicas", "<unset>")),
    column("MAXPODS", |row| row.number("spec.maxReplicas")),
    column("REPLICAS", |row| row.number("status.currentReplicas")),
    AGE,
];

const QUOTAS: &[Column] = &[
    NAME,
    column("REQUEST", |row| quota(row, |name| !name.starts_with("limits."))),
    column("LIMIT", |row| quota(row, |name| name.starts_with("limits."))),
    AGE,
];

fn quota(row: &Row<'_>, wanted: fn(&str) -> bool) -> String {
    let Some(Node::Object(hard)) = row.at("status.hard") else { return String::new() };
    let used = row.at("status.used");
    let mut all: Vec<String> = hard
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, limit)| {
            let used = used.and_then(|used| used.get(name)).and_then(Node::text).unwrap_or("0");
            format!("{name}: {used}/{}", limit.text().unwrap_or_default())
        })
        .collect();
    all.sort_unstable();
    all.join(", ")
}

const PRIORITY_CLASSES: &[Column] = &[
    NAME,
    column("VALUE", |row| row.number("value")),
    column("GLOBAL-DEFAULT", |row| row.yes("globalDefault")),
    AGE,
    column("PREEMPTIONPOLICY", |row| row.text("preemptionPolicy")),
];

const WEBHOOKS: &[Column] = &[NAME, column("WEBHOOKS", |row| row.count("webhooks").to_string()), AGE];

const PARAM_KIND: Column = column("PARAMKIND", |row| match row.at("spec.paramKind") {
    Some(kind) => format!("{}/{}", text(kind, "apiVersion"), text(kind, "kind")),
    None => "<unset>".to_owned(),
});

const VALIDATING_POLICIES: &[Column] =
    &[NAME, column("VALIDATIONS", |row| row.count("spec.validations").to_string()), PARAM_KIND, AGE];

const MUTATING_POLICIES: &[Column] =
    &[NAME, column("MUTATIONS", |row| row.count("spec.mutations").to_string()), PARAM_KIND, AGE];

const POLICY_BINDINGS: &[Column] = &[
    NAME,
    column("POLICYNAME", |row| row.text("spec.policyName")),
    column("PARAMREF", |row| {
        let Some(reference) = row.at("spec.paramRef") else { return "<unset>".to_owned() };
        match (text(reference, "name"), text(reference, "namespace"), reference.get("selector")) {
            ("", _, Some(labels)) => selector(labels),
            ("", _, None) => "<unset>".to_owned(),
            (name, "", _) => format!("*/{name}"),
            (name, namespace, _) => format!("{namespace}/{name}"),
        }
    }),
    AGE,
];

const FLOW_SCHEMAS: &[Column] = &[
    NAME,
    column("PRIORITYLEVEL", |row| row.text("spec.priorityLevelConfiguration.name")),
    column("MATCHINGPRECEDENCE", |row| row.number("spec.matchingPrecedence")),
    column("DISTINGUISHERMETHOD", |row| row.scalar_or("spec.distinguisherMethod.type", "<none>")),
    AGE,
    column("MISSINGPL", |row| {
        let conditions = row.items("status.conditions").iter();
        let mut dangling = conditions.filter(|condition| text(condition, "type") == "Dangling");
        dangling.next().map_or("?", |condition| text(condition, "status")).to_owned()
    }),
];

const PRIORITY_LEVELS: &[Column] = &[
    NAME,
    column("TYPE", |row| row.text("spec.type")),
    column("NOMINALCONCURRENCYSHARES", |row| row.scalar_or("spec.limited.nominalConcurrencyShares", "<none>")),
    column("QUEUES", |row| row.scalar_or("spec.limited.limitResponse.queuing.queues", "<none>")),
    column("HANDSIZE", |row| row.scalar_or("spec.limited.limitResponse.queuing.handSize", "<none>")),
    column("QUEUELENGTHLIMIT", |row| row.scalar_or("spec.limited.limitResponse.queuing.queueLengthLimit", "<none>")),
    AGE,
];

const SIGNING_REQUESTS: &[Column] = &[
    NAME,
    AGE,
    column("SIGNERNAME", |row| row.text_or("spec.signerName", "<none>")),
    column("REQUESTOR", |row| row.text("spec.username")),
    column("REQUESTEDDURATION", |row| match row.at("spec.expirationSeconds") {
        Some(_) => age::human(int(row.object, "spec.expirationSeconds")),
        None => "<none>".to_owned(),
    }),
    column("CONDITION", |row| {
        let has = |kind: &str| row.items("status.conditions").iter().any(|found| text(found, "type") == kind);
        let decided = if has("Denied") {
            "Denied"
        } else if has("Approved") {
            "Approved"
        } else {
            "Pending"
        };
        let failed = if has("Failed") { ",Failed" } else { "" };
        let issued = if row.text("status.certificate").is_empty() { "" } else { ",Issued" };
        format!("{decided}{failed}{issued}")
    }),
];

const TRUST_BUNDLES: &[Column] = &[NAME, column("SIGNERNAME", |row| row.text_or("spec.signerName", "<none>"))];
