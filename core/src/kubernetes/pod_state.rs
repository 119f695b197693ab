//! What a Pod's statuses come to in one word, as `kubectl get pods` has it. Source: `printPod` of `k8s.io/kubernetes/pkg/printers/internalversion`.

use super::node_path::{at, int, text};
use super::object_tree::Node;
use super::special_types::parse_rfc3339;

/// A Pod's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// Containers that are ready.
    pub ready: usize,
    /// Containers, with those that start first and go on.
    pub containers: usize,
    /// The word.
    pub reason: String,
    /// How often containers were started again.
    pub restarts: i64,
    /// When one last ended before it was started again.
    pub last_restart: Option<String>,
}

/// Restarts that are counted, and the last of them.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<String>,
}

impl Restarts {
    fn add(&mut self, status: &Node<'_>) {
        self.count = self.count.saturating_add(int(status, "restartCount"));
        let ended = text(status, "lastState.terminated.finishedAt");
        let seconds = |time: &str| parse_rfc3339(time);
        if seconds(ended).is_some() && seconds(ended) > self.last.as_deref().and_then(seconds) {
            self.last = Some(ended.to_owned());
        }
    }
}

impl PodState {
    /// Sums up a Pod.
    #[must_use]
    pub fn of(pod: &Node<'_>) -> Self {
        let list = |path: &str| at(pod, path).map(Node::items).unwrap_or_default();
        let (inits, conditions) = (list("spec.initContainers"), list("status.conditions"));
        let phase = text(pod, "status.phase");
        let goes_on = |name: &str| {
            let container = inits.iter().find(|container| text(container, "name") == name);
            container.is_some_and(|container| text(container, "restartPolicy") == "Always")
        };
        let mut state = Self {
            ready: 0,
            containers: list("spec.containers")
                .len()
                .saturating_add(inits.iter().filter(|container| text(container, "restartPolicy") == "Always").count()),
            reason: phase.to_owned(),
            restarts: 0,
            last_restart: None,
        };
        if !text(pod, "status.reason").is_empty() {
            state.reason = text(pod, "status.reason").to_owned();
        }
        let is_gated = |condition: &Node<'_>| {
            text(condition, "type") == "PodScheduled" && text(condition, "reason") == "SchedulingGated"
        };
        if conditions.iter().any(is_gated) {
            state.reason = "SchedulingGated".to_owned();
        }
        let (mut all, mut going_on) = (Restarts::default(), Restarts::default());
        let mut initializing = false;
        for (number, status) in list("status.initContainerStatuses").iter().enumerate() {
            let goes_on = goes_on(text(status, "name"));
            all.add(status);
            if goes_on {
                going_on.add(status);
            }
            let ended = at(status, "state.terminated");
            if ended.is_some_and(|ended| int(ended, "exitCode") == 0) {
                continue;
            }
            if goes_on && is_true(status, "started") {
                state.ready = state.ready.saturating_add(usize::from(is_true(status, "ready")));
                continue;
            }
            let waiting = text(status, "state.waiting.reason");
            state.reason = match ended {
                Some(ended) => format!("Init:{}", ending(ended)),
                None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
                None => format!("Init:{number}/{}", inits.len()),
            };
            initializing = true;
            break;
        }
        let is_met = |kind: &str| {
            conditions.iter().any(|condition| text(condition, "type") == kind && text(condition, "status") == "True")
        };
        if !initializing || is_met("Initialized") {
            all = going_on;
            state.containers_running(list("status.containerStatuses"), &mut all, is_met("Ready"));
        }
        state.restarts = all.count;
        state.last_restart = all.last;
        if !text(pod, "metadata.deletionTimestamp").is_empty() {
            if text(pod, "status.reason") == "NodeLost" {
                state.reason = "Unknown".to_owned();
            } else if !["Succeeded", "Failed"].contains(&phase) {
                state.reason = "Terminating".to_owned();
            }
        }
        state
    }

    fn containers_running(&mut self, statuses: &[Node<'_>], restarts: &mut Restarts, is_ready: bool) {
        let (mut has_running, mut failed) = (false, None);
        for status in statuses.iter().rev() {
            restarts.add(status);
            let waiting = text(status, "state.waiting.reason");
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(ended) = at(status, "state.terminated") {
                self.reason = ending(ended);
                if int(ended, "exitCode") != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if is_true(status, "ready") && at(status, "state.running").is_some() {
                has_running = true;
                self.ready = self.ready.saturating_add(1);
            }
        }
        if self.reason == "Completed" {
            if has_running && is_ready {
                self.reason = "Running".to_owned();
            } else if let Some(failed) = failed {
                self.reason = failed;
            } else if has_running {
                self.reason = "NotReady".to_owned();
            }
        }
    }
}

/// Why a container ended.
fn ending(ended: &Node<'_>) -> String {
    match (text(ended, "reason"), int(ended, "signal")) {
        ("", 0) => format!("ExitCode:{}", int(ended, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_true(node: &Node<'_>, path: &str) -> bool {
    matches!(at(node, path), Some(Node::Bool(true)))
}
