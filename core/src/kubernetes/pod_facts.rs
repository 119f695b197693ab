//! The fields of a Pod that `kubectl get pods` shows or derives its columns from.

use super::node_path::{at, int as int_at, text as text_at};
use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// Facts about a Pod. Texts that are absent are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFacts<'p> {
    /// `metadata.name`.
    pub name: &'p str,
    /// `metadata.namespace`.
    pub namespace: &'p str,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub created: Option<i64>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub is_deleting: bool,
    /// `spec.nodeName`.
    pub node: &'p str,
    /// The number of `spec.containers`.
    pub containers: usize,
    /// `spec.initContainers`.
    pub init_containers: Vec<InitContainer<'p>>,
    /// The condition types of `spec.readinessGates`.
    pub gates: Vec<&'p str>,
    /// `status.phase`.
    pub phase: &'p str,
    /// `status.reason`.
    pub reason: &'p str,
    /// `status.nominatedNodeName`.
    pub nominated_node: &'p str,
    /// The first of `status.podIPs`.
    pub address: &'p str,
    /// `status.conditions`.
    pub conditions: Vec<PodCondition<'p>>,
    /// `status.initContainerStatuses`.
    pub init_statuses: Vec<ContainerStatus<'p>>,
    /// `status.containerStatuses`.
    pub statuses: Vec<ContainerStatus<'p>>,
}

/// A container that runs before the others start, or beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InitContainer<'p> {
    /// `name`.
    pub name: &'p str,
    /// Whether `restartPolicy` is `Always`: it keeps running beside the others.
    pub keeps_running: bool,
}

/// A condition of a Pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodCondition<'p> {
    /// `type`.
    pub kind: &'p str,
    /// Whether `status` is `True`.
    pub is_true: bool,
    /// `reason`.
    pub reason: &'p str,
}

/// The status of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContainerStatus<'p> {
    /// `name`.
    pub name: &'p str,
    /// `ready`.
    pub is_ready: bool,
    /// `started`.
    pub is_started: bool,
    /// `restartCount`.
    pub restarts: i64,
    /// `state.waiting.reason`.
    pub waiting: &'p str,
    /// Whether `state.running` is set.
    pub is_running: bool,
    /// `state.terminated`.
    pub ended: Option<Ended<'p>>,
    /// `lastState.terminated.finishedAt`, in seconds since 1970.
    pub last_ended: Option<i64>,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended<'p> {
    /// `reason`.
    pub reason: &'p str,
    /// `exitCode`.
    pub exit_code: i64,
    /// `signal`.
    pub signal: i64,
}

impl<'p> PodFacts<'p> {
    /// Reads the facts from a decoded Pod.
    #[must_use]
    pub fn of_tree(pod: &'p Node<'p>) -> Self {
        let list = |path: &str| at(pod, path).map(Node::items).unwrap_or_default();
        let text = |path: &str| text_at(pod, path);
        let condition = |condition| PodCondition {
            kind: text_at(condition, "type"),
            is_true: text_at(condition, "status") == "True",
            reason: text_at(condition, "reason"),
        };
        let init_container = |container| InitContainer {
            name: text_at(container, "name"),
            keeps_running: text_at(container, "restartPolicy") == "Always",
        };
        Self {
            name: text("metadata.name"),
            namespace: text("metadata.namespace"),
            created: parse_rfc3339(text("metadata.creationTimestamp")),
            is_deleting: !text("metadata.deletionTimestamp").is_empty(),
            node: text("spec.nodeName"),
            containers: list("spec.containers").len(),
            init_containers: list("spec.initContainers").iter().map(init_container).collect(),
            gates: list("spec.readinessGates").iter().map(|gate| text_at(gate, "conditionType")).collect(),
            phase: text("status.phase"),
            reason: text("status.reason"),
            nominated_node: text("status.nominatedNodeName"),
            address: list("status.podIPs").first().map(|first| text_at(first, "ip")).unwrap_or_default(),
            conditions: list("status.conditions").iter().map(condition).collect(),
            init_statuses: list("status.initContainerStatuses").iter().map(ContainerStatus::of_tree).collect(),
            statuses: list("status.containerStatuses").iter().map(ContainerStatus::of_tree).collect(),
        }
    }
}

impl<'p> ContainerStatus<'p> {
    fn of_tree(status: &'p Node<'p>) -> Self {
        let is_true = |path: &str| matches!(at(status, path), Some(Node::Bool(true)));
        Self {
            name: text_at(status, "name"),
            is_ready: is_true("ready"),
            is_started: is_true("started"),
            restarts: int_at(status, "restartCount"),
            waiting: text_at(status, "state.waiting.reason"),
            is_running: at(status, "state.running").is_some(),
            ended: at(status, "state.terminated").map(|ended| Ended {
                reason: text_at(ended, "reason"),
                exit_code: int_at(ended, "exitCode"),
                signal: int_at(ended, "signal"),
            }),
            last_ended: parse_rfc3339(text_at(status, "lastState.terminated.finishedAt")),
        }
    }
}
