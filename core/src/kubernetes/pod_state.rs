//! Summarizes the statuses of a Pod as `kubectl get pods` does. Source: `printPod` of `k8s.io/kubernetes/pkg/printers/internalversion`.

use super::pod_facts::{ContainerStatus, Ended, PodFacts};

/// A Pod's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodState {
    /// The number of ready containers.
    pub ready: usize,
    /// The number of containers, including init containers that keep running.
    pub containers: usize,
    /// The word in column STATUS.
    pub reason: String,
    /// The number of restarts.
    pub restarts: i64,
    /// When a container last ended before a restart, in seconds since 1970.
    pub last_restart: Option<i64>,
}

/// Counts restarts, and keeps the time of the last one.
#[derive(Default)]
struct Restarts {
    count: i64,
    last: Option<i64>,
}

impl Restarts {
    fn add(&mut self, status: &ContainerStatus<'_>) {
        self.count = self.count.saturating_add(status.restarts);
        self.last = self.last.max(status.last_ended);
    }
}

impl PodState {
    /// Summarizes a Pod.
    #[must_use]
    pub fn of(pod: &PodFacts<'_>) -> Self {
        let keeps_running = |name: &str| {
            let container = pod.init_containers.iter().find(|container| container.name == name);
            container.is_some_and(|container| container.keeps_running)
        };
        let beside = pod.init_containers.iter().filter(|container| container.keeps_running).count();
        let mut state = Self {
            ready: 0,
            containers: pod.containers.saturating_add(beside),
            reason: if pod.reason.is_empty() { pod.phase.to_owned() } else { pod.reason.to_owned() },
            restarts: 0,
            last_restart: None,
        };
        if pod
            .conditions
            .iter()
            .any(|condition| condition.kind == "PodScheduled" && condition.reason == "SchedulingGated")
        {
            state.reason = "SchedulingGated".to_owned();
        }
        let (mut all, mut going_on) = (Restarts::default(), Restarts::default());
        let mut initializing = false;
        for (number, status) in pod.init_statuses.iter().enumerate() {
            let keeps_running = keeps_running(status.name);
            all.add(status);
            if keeps_running {
                going_on.add(status);
            }
            if status.ended.is_some_and(|ended| ended.exit_code == 0) {
                continue;
            }
            if keeps_running && status.is_started {
                state.ready = state.ready.saturating_add(usize::from(status.is_ready));
                continue;
            }
            state.reason = match status.ended {
                Some(ended) => format!("Init:{}", ending(ended)),
                None if !status.waiting.is_empty() && status.waiting != "PodInitializing" => {
                    format!("Init:{}", status.waiting)
                }
                None => format!("Init:{number}/{}", pod.init_containers.len()),
            };
            initializing = true;
            break;
        }
        let is_met = |kind: &str| pod.conditions.iter().any(|condition| condition.kind == kind && condition.is_true);
        if !initializing || is_met("Initialized") {
            all = going_on;
            state.containers_running(&pod.statuses, &mut all, is_met("Ready"));
        }
        state.restarts = all.count;
        state.last_restart = all.last;
        if pod.is_deleting {
            if pod.reason == "NodeLost" {
                state.reason = "Unknown".to_owned();
            } else if !["Succeeded", "Failed"].contains(&pod.phase) {
                state.reason = "Terminating".to_owned();
            }
        }
        state
    }

    fn containers_running(&mut self, statuses: &[ContainerStatus<'_>], restarts: &mut Restarts, is_ready: bool) {
        let (mut has_running, mut failed) = (false, None);
        for status in statuses.iter().rev() {
            restarts.add(status);
            if !status.waiting.is_empty() {
                self.reason = status.waiting.to_owned();
            } else if let Some(ended) = status.ended {
                self.reason = ending(ended);
                if ended.exit_code != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if status.is_ready && status.is_running {
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

/// Names the reason why a container ended.
fn ending(ended: Ended<'_>) -> String {
    match (ended.reason, ended.signal) {
        ("", 0) => format!("ExitCode:{}", ended.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}
