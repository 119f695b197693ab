//! Reads the facts about a Pod straight from its protobuf message.
//!
//! A store has more Pods than anything else, and nine tenths of a Pod are fields that no column shows. So a table of Pods is made without a tree of each. A message with anything unusual
//! is left to the decoder, which can say what is wrong with it.

use std::sync::OnceLock;

use super::envelope::{Envelope, envelope};
use super::field_choice::FieldChoice;
use super::known_fields::{bytes, each_chosen_field, int, text};
use super::pod_facts::{ContainerStatus, Ended, InitContainer, PodCondition, PodFacts};
use super::special_types::timestamp;
use super::type_table::{Field, Schema};
use crate::protobuf_raw::WireValue;

/// The fields of Pods that columns need. The others are nine tenths of a Pod.
const FIELDS: &[&str] = &[
    "conditionType",
    "conditions",
    "containerStatuses",
    "containers",
    "creationTimestamp",
    "deletionTimestamp",
    "exitCode",
    "finishedAt",
    "initContainerStatuses",
    "initContainers",
    "ip",
    "lastState",
    "metadata",
    "name",
    "namespace",
    "nodeName",
    "nominatedNodeName",
    "phase",
    "podIPs",
    "readinessGates",
    "ready",
    "reason",
    "restartCount",
    "restartPolicy",
    "running",
    "signal",
    "spec",
    "started",
    "state",
    "status",
    "terminated",
    "type",
    "waiting",
];

/// Lists of Pods of which columns need only the number of elements.
const COUNTED: &[&str] = &["containers"];

/// Maximum number of elements of a list that are read here; Pods have a few. Longer lists are left to the decoder, which bounds their memory.
const MAX_ELEMENTS: usize = 1000;

/// Longest value that is read here, in bytes. It cannot have more fields than the decoder accepts.
const MAX_BYTES: usize = 512 << 10;

/// The times that have an RFC 3339 form: others have no age.
const TIMES: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// Reads the facts from a stored value. Returns `None` if the value is not a Pod in protobuf, has no name, or is unusual: then the decoder must read it.
#[must_use]
pub fn pod_facts(value: &[u8]) -> Option<PodFacts<'_>> {
    let Envelope::Protobuf(stored) = envelope(value) else { return None };
    let is_usual = !stored.cut && stored.content_encoding.is_empty() && value.len() <= MAX_BYTES;
    if !is_usual || (stored.api_version, stored.kind) != ("v1", "Pod") {
        return None;
    }
    let reader = PodReader { schema: Schema::builtin(), choice: fields() };
    let mut facts = PodFacts::default();
    reader.each(pod_message()?, stored.raw, |field, value| match field.name {
        "metadata" => reader.metadata(field, value, &mut facts),
        "spec" => reader.spec(field, value, &mut facts),
        "status" => reader.status(field, value, &mut facts),
        _ => Some(()),
    })?;
    (!facts.name.is_empty()).then_some(facts)
}

/// Returns the fields of Pods from which the facts are read.
#[must_use]
pub fn fields() -> &'static FieldChoice {
    static CHOICE: OnceLock<FieldChoice> = OnceLock::new();
    CHOICE.get_or_init(|| FieldChoice::of(Schema::builtin(), FIELDS, COUNTED))
}

/// The number of the message of Pods.
fn pod_message() -> Option<u16> {
    static NUMBER: OnceLock<Option<u16>> = OnceLock::new();
    *NUMBER.get_or_init(|| Schema::builtin().kind("v1", "Pod").map(|kind| kind.message))
}

/// The state of a container on the wire.
#[derive(Default)]
struct ContainerState<'p> {
    waiting: &'p str,
    is_running: bool,
    ended: Option<Ended<'p>>,
    ended_at: Option<i64>,
}

/// Reads parts of a Pod. As in the decoder, the last of equal fields counts.
#[derive(Clone, Copy)]
struct PodReader {
    schema: &'static Schema,
    choice: &'static FieldChoice,
}

impl PodReader {
    fn each<'p>(self, number: u16, raw: &'p [u8], take: impl FnMut(&Field, WireValue<'p>) -> Option<()>) -> Option<()> {
        each_chosen_field(self.schema, self.choice, number, raw, take)
    }

    /// Reads the text of the field `name` in a message; empty if the message does not have it.
    fn text_within<'p>(self, field: &Field, value: WireValue<'p>, name: &str) -> Option<&'p str> {
        let mut found = "";
        self.each(field.message, bytes(value)?, |field, value| {
            if field.name == name {
                found = text(value)?;
            }
            Some(())
        })?;
        Some(found)
    }

    fn metadata<'p>(self, field: &Field, value: WireValue<'p>, facts: &mut PodFacts<'p>) -> Option<()> {
        (facts.name, facts.namespace, facts.created, facts.is_deleting) = ("", "", None, false);
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "name" => facts.name = text(value)?,
                "namespace" => facts.namespace = text(value)?,
                "creationTimestamp" => facts.created = time(value)?,
                "deletionTimestamp" => facts.is_deleting = time(value)?.is_some(),
                _ => {}
            }
            Some(())
        })
    }

    fn spec<'p>(self, field: &Field, value: WireValue<'p>, facts: &mut PodFacts<'p>) -> Option<()> {
        (facts.node, facts.containers) = ("", 0);
        facts.init_containers.clear();
        facts.gates.clear();
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "nodeName" => facts.node = text(value)?,
                "containers" if facts.containers >= MAX_ELEMENTS => return None,
                "containers" => facts.containers = facts.containers.saturating_add(1),
                "initContainers" => add(&mut facts.init_containers, self.init_container(field, value)?)?,
                "readinessGates" => add(&mut facts.gates, self.text_within(field, value, "conditionType")?)?,
                _ => {}
            }
            Some(())
        })
    }

    fn init_container<'p>(self, field: &Field, value: WireValue<'p>) -> Option<InitContainer<'p>> {
        let mut container = InitContainer::default();
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "name" => container.name = text(value)?,
                "restartPolicy" => container.keeps_running = text(value)? == "Always",
                _ => {}
            }
            Some(())
        })?;
        Some(container)
    }

    fn status<'p>(self, field: &Field, value: WireValue<'p>, facts: &mut PodFacts<'p>) -> Option<()> {
        (facts.phase, facts.reason, facts.nominated_node, facts.address) = ("", "", "", "");
        facts.conditions.clear();
        facts.init_statuses.clear();
        facts.statuses.clear();
        let mut addresses = 0_usize;
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "phase" => facts.phase = text(value)?,
                "reason" => facts.reason = text(value)?,
                "nominatedNodeName" => facts.nominated_node = text(value)?,
                "conditions" => add(&mut facts.conditions, self.condition(field, value)?)?,
                "initContainerStatuses" => add(&mut facts.init_statuses, self.container_status(field, value)?)?,
                "containerStatuses" => add(&mut facts.statuses, self.container_status(field, value)?)?,
                "podIPs" => {
                    let address = self.text_within(field, value, "ip")?;
                    if addresses == 0 {
                        facts.address = address;
                    }
                    addresses = addresses.saturating_add(1);
                }
                _ => {}
            }
            Some(())
        })
    }

    fn condition<'p>(self, field: &Field, value: WireValue<'p>) -> Option<PodCondition<'p>> {
        let mut condition = PodCondition::default();
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "type" => condition.kind = text(value)?,
                "status" => condition.is_true = text(value)? == "True",
                "reason" => condition.reason = text(value)?,
                _ => {}
            }
            Some(())
        })?;
        Some(condition)
    }

    fn container_status<'p>(self, field: &Field, value: WireValue<'p>) -> Option<ContainerStatus<'p>> {
        let mut status = ContainerStatus::default();
        self.each(field.message, bytes(value)?, |field, value| {
            match field.name {
                "name" => status.name = text(value)?,
                "ready" => status.is_ready = int(value)? != 0,
                "started" => status.is_started = int(value)? != 0,
                "restartCount" => status.restarts = int(value)?,
                "state" => {
                    let ContainerState { waiting, is_running, ended, .. } = self.state(field, value)?;
                    (status.waiting, status.is_running, status.ended) = (waiting, is_running, ended);
                }
                "lastState" => status.last_ended = self.state(field, value)?.ended_at,
                _ => {}
            }
            Some(())
        })?;
        Some(status)
    }

    fn state<'p>(self, field: &Field, value: WireValue<'p>) -> Option<ContainerState<'p>> {
        let mut state = ContainerState::default();
        self.each(field.message, bytes(value)?, |field, value| {
            let (mut ended, mut ended_at) = (Ended::default(), None);
            self.each(field.message, bytes(value)?, |field, value| {
                match field.name {
                    "reason" => ended.reason = text(value)?,
                    "exitCode" => ended.exit_code = int(value)?,
                    "signal" => ended.signal = int(value)?,
                    "finishedAt" => ended_at = time(value)?,
                    _ => {}
                }
                Some(())
            })?;
            match field.name {
                "waiting" => state.waiting = ended.reason,
                "running" => state.is_running = true,
                "terminated" => (state.ended, state.ended_at) = (Some(ended), ended_at),
                _ => {}
            }
            Some(())
        })?;
        Some(state)
    }
}

/// Adds an element to a list that is not too long.
fn add<T>(list: &mut Vec<T>, element: T) -> Option<()> {
    (list.len() < MAX_ELEMENTS).then(|| list.push(element))
}

/// The seconds of a time, `None` in it for the zero time; `None` for one that has no RFC 3339 form.
fn time(value: WireValue<'_>) -> Option<Option<i64>> {
    match timestamp(bytes(value)?) {
        None => Some(None),
        Some((seconds, _)) => TIMES.contains(&seconds).then_some(Some(seconds)),
    }
}
