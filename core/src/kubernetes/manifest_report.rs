//! Reports to a person which manifests were written and which were left out.

use std::collections::BTreeMap;

use super::manifest_selection::LeftOutReason;
use super::registry_keys::Object;
use super::resources::Resource;
use crate::key_syntax::printable;
use crate::number_words::{counted, grouped};

/// The reason why secrets are left out.
pub const SECRET: &str = "their values are hidden, and hidden values would overwrite real ones (--show-secrets writes them with their values)";
/// The reason why some deleted objects are left out.
pub const COMPACTED_AWAY: &str =
    "their last states were compacted away; an older snapshot may have them (etcdsnap kube find … --last)";
/// The reason why objects that cannot be decoded are left out.
pub const UNREADABLE: &str = "they cannot be decoded completely, and a partial object must not be applied";

/// The reason why objects are left out whose kind, name or namespace contradicts their key.
pub const MISPLACED: &str = "their kind, name or namespace contradicts their keys, so they are damaged or forged (etcdsnap kube get shows them)";

/// Whether the report names every object that is left out for this reason.
fn is_named(reason: &str) -> bool {
    [COMPACTED_AWAY, UNREADABLE, MISPLACED, LeftOutReason::Deleting.reason()].contains(&reason)
}

/// Maximum number of names of objects whose newest state may be lost; further objects are only counted.
const MAX_UNCERTAIN: usize = 50;

/// Numbers of objects by type.
type CountsByType = BTreeMap<String, u64>;

/// The numbers of objects that were written and left out.
#[derive(Debug, Default)]
pub struct ManifestReport {
    written: CountsByType,
    /// The objects that were left out, by reason.
    left_out: BTreeMap<&'static str, CountsByType>,
    /// Names of objects that the user asked for but that were left out, with the reason.
    names: Vec<String>,
    is_damaged: bool,
    /// Names of objects whose newer state or deletion may be lost.
    uncertain: Vec<String>,
    /// Number of further such objects.
    more_uncertain: u64,
    /// The lost revisions, as the end of a sentence.
    lost: String,
    undefined: Vec<String>,
    /// Number of claims whose volume is not written, and the name of the first such volume.
    volumes: (u64, Option<String>),
    /// Number of objects whose texts name services of their old namespace, and the first such object.
    names_old_services: (u64, Option<String>),
}

impl ManifestReport {
    /// Counts an object that was written.
    pub fn wrote(&mut self, resource: &Resource) {
        count(&mut self.written, resource);
    }

    /// Counts an object that was left out.
    pub fn leave_out(&mut self, resource: &Resource, object: &Object<'_>, reason: &'static str) {
        count(self.left_out.entry(reason).or_default(), resource);
        if is_named(reason) {
            self.names.push(named(resource, object));
        }
    }

    /// Records whether the snapshot is damaged, so that objects may be missing, and which revisions are lost.
    pub fn damaged(&mut self, is_damaged: bool, lost: String) {
        (self.is_damaged, self.lost) = (is_damaged, lost);
    }

    /// Records an object that was written although a newer state, or its deletion, may be lost.
    pub fn wrote_uncertain(&mut self, resource: &Resource, object: &Object<'_>) {
        if self.uncertain.len() < MAX_UNCERTAIN {
            self.uncertain.push(named(resource, object));
        } else {
            self.more_uncertain = self.more_uncertain.saturating_add(1);
        }
    }

    /// Records the types of which objects, but not the definition, are in the snapshot.
    pub fn undefined(&mut self, names: Vec<String>) {
        self.undefined = names;
    }

    /// Counts a claim that names this volume, which is not written.
    pub fn lacks_volume(&mut self, volume: &str) {
        self.volumes.0 = self.volumes.0.saturating_add(1);
        self.volumes.1.get_or_insert_with(|| volume.to_owned());
    }

    /// Counts an object whose texts name services of its old namespace.
    pub fn names_old_services(&mut self, resource: &Resource, object: &Object<'_>) {
        self.names_old_services.0 = self.names_old_services.0.saturating_add(1);
        let name = || printable(&format!("{}/{}", resource.singular, String::from_utf8_lossy(object.name)));
        self.names_old_services.1.get_or_insert_with(name);
    }

    /// Whether objects were left out.
    pub fn has_left_out(&self) -> bool {
        !self.left_out.is_empty()
    }

    /// Returns the number of objects that were written.
    pub fn written(&self) -> u64 {
        self.written.values().sum()
    }

    /// Returns the number of objects that were written, in total and by type: `3 (deployments 2, services 1)`.
    pub fn written_text(&self) -> String {
        format!("{} ({})", counted(self.written(), "object", "objects"), text(&self.written))
    }

    /// Returns a line for each reason for which objects were left out, with the flag of the command line that includes them.
    #[must_use]
    pub fn left_out_lines(&self) -> Vec<String> {
        self.lines(|reason| reason)
    }

    /// Returns the same lines without the flags, for the page.
    #[must_use]
    pub fn left_out_lines_without_flags(&self) -> Vec<String> {
        self.lines(without_flags)
    }

    fn lines(&self, words: impl Fn(&'static str) -> &'static str) -> Vec<String> {
        let line = |(reason, counts): (&&'static str, &CountsByType)| {
            format!("Left out: {}: {}.", text(counts), words(reason))
        };
        let mut lines: Vec<String> = self.left_out.iter().map(line).collect();
        if self.is_damaged {
            lines.insert(
                0,
                "The snapshot is damaged: objects in its lost parts are missing here, and their names are unknown."
                    .into(),
            );
        }
        if !self.uncertain.is_empty() {
            let more = match self.more_uncertain {
                0 => String::new(),
                more => format!(" and {} more", grouped(more)),
            };
            lines.push(format!(
                "Written, but possibly outdated or deleted since ({}): {}{more}.",
                self.lost,
                self.uncertain.join(", ")
            ));
        }
        if !self.names.is_empty() {
            lines.push(format!("Requested but not written: {}.", self.names.join(", ")));
        }
        if !self.undefined.is_empty() {
            lines.push(format!(
                "No definition is in the snapshot for {}: the cluster must have one before their objects can be applied.",
                printable(&self.undefined.join(", "))
            ));
        }
        if let (count, Some(name)) = &self.names_old_services {
            lines.push(format!(
                "{} services of the old namespace in a text, such as {name}. Change the text before you apply it.",
                counted(*count, "object names", "objects name")
            ));
        }
        if let (count, Some(volume)) = &self.volumes {
            lines.push(format!(
                "{} a volume that is not written here, such as {}: it binds only if the cluster has that volume and nothing else uses it. Without spec.volumeName it gets a new, empty one.",
                counted(*count, "claim names", "claims name"),
                printable(volume)
            ));
        }
        lines
    }
}

/// Removes the hint to the command line from the end of a reason.
fn without_flags(reason: &'static str) -> &'static str {
    let hint = reason.rsplit_once(" (").filter(|(_, hint)| hint.contains("--") || hint.contains("etcdsnap "));
    hint.map_or(reason, |(words, _)| words)
}

fn named(resource: &Resource, object: &Object<'_>) -> String {
    let [namespace, name] = [object.namespace, object.name].map(String::from_utf8_lossy);
    let within = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
    printable(&format!("{}/{name}{within}", resource.plural))
}

fn count(counts: &mut CountsByType, resource: &Resource) {
    let count = counts.entry(resource.plural.clone()).or_default();
    *count = count.saturating_add(1);
}

fn text(counts: &CountsByType) -> String {
    let words: Vec<String> = counts.iter().map(|(plural, count)| format!("{plural} {count}")).collect();
    printable(&words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_reported_with_or_without_flags() {
        assert_eq!(
            without_flags(LeftOutReason::Owned.reason()),
            "their owner is in the snapshot and creates them again"
        );
        assert_eq!(without_flags(LeftOutReason::Passing.reason()), LeftOutReason::Passing.reason());
        for reason in [SECRET, COMPACTED_AWAY, UNREADABLE, MISPLACED] {
            let words = without_flags(reason);
            assert!(!words.contains("--") && !words.contains("etcdsnap"), "{words}");
        }
    }
}
