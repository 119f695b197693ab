//! Objects of two snapshots, or of one at two revisions, one beside the other.

use std::cell::Cell;

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::change_noise::Noise;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::field_changes::FieldChange;
use etcdsnap::core::kubernetes::object;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::resources::Resources;
use etcdsnap::core::kubernetes::value_changes::{Showing, ValueChanges, value_changes};
use etcdsnap::core::store::{Changes, Index, Key, KeyDifference, UnreadRevisions};
use etcdsnap::{KubernetesPrefixes, NoProgress, printable, uid};
use serde_json::{Map, Value};

use super::folded::Folded;
use super::object_filter::ObjectFilter;
use super::selection::{self, Wanted};
use super::{changed_fields, uncertain_states};
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube_diff::KubeDiffArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::compared_side::ComparedSide;
use crate::cli::inspect::{key_text, text_table};
use crate::cli::output::{self, Lines};

/// The objects of two snapshots or revisions to compare.
pub struct ObjectComparison<'c> {
    pub args: &'c KubeDiffArgs,
    pub a: ComparedSide<'c>,
    pub b: ComparedSide<'c>,
    pub prefixes: KubernetesPrefixes,
    pub resources: Resources,
    pub wanted: Option<Vec<Wanted>>,
    /// Whether the files are of two clusters: then objects of the same name are different objects.
    pub are_two_clusters: bool,
    /// For each side, revisions whose entries may be lost.
    pub unread: [UnreadRevisions; 2],
    /// The revision of the second side.
    pub revision_b: Revision,
    pub filter: ObjectFilter,
    pub folded: Folded,
    /// Whether the value of an object could not be read.
    pub is_undecoded: Cell<bool>,
    pub shown: Cell<u64>,
}

/// An object that differs.
struct Difference<'k> {
    object: Object<'k>,
    old: Option<Key<'k>>,
    new: Option<Key<'k>>,
    /// The changed fields of an object on both sides; `None` if it cannot be decoded.
    changes: ValueChanges,
    /// Whether an object of this name was deleted and created again in between.
    is_made_anew: bool,
}

impl Difference<'_> {
    fn sign(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ if self.is_made_anew => "-/+",
            _ => "~",
        }
    }

    /// Returns the type with its group, as kubectl names it, and the namespace.
    fn group(&self, resources: &Resources) -> (String, String) {
        let namespace = String::from_utf8_lossy(self.object.namespace);
        (printable(&resources.type_name(&self.object)), printable(&namespace))
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.changes.fields.list.iter().map(FieldChange::line).collect();
        if self.changes.fields.more > 0 {
            lines.push(format!("and {} more fields", self.changes.fields.more));
        }
        lines.extend(self.changes.remarks.iter().cloned());
        lines.iter().map(|line| printable(line)).collect()
    }
}

impl ObjectComparison<'_> {
    /// Prints the differences.
    ///
    /// # Errors
    /// When a file cannot be read, or stdout cannot be written.
    pub fn print(&self) -> Result<(), Failure> {
        match self.args.form.write_out {
            InspectForm::Simple => self.text(),
            InspectForm::Json => {
                let mut lines = Lines::new();
                self.each(&mut |difference| {
                    key_text::write_line(&mut lines, &self.json(difference))?;
                    Ok(lines.wanted())
                })?;
                // Objects that are equal only as far as they can be read may still differ.
                let mut whole = Map::new();
                self.put_lost(&mut whole);
                if !whole.is_empty() && lines.wanted() {
                    key_text::write_line(&mut lines, &whole)?;
                }
                lines.finish()
            }
            InspectForm::Table => text_table::print(InspectForm::Table, &COLUMNS, |take| {
                self.each(&mut |difference| {
                    let (kind, namespace) = difference.group(&self.resources);
                    let name = printable(&String::from_utf8_lossy(difference.object.name));
                    take(&[difference.sign().into(), kind, namespace, name, difference.lines().join("\n")])
                })
            }),
        }
    }

    /// Compares objects by type and namespace, in the order of their keys.
    fn text(&self) -> Result<(), Failure> {
        let mut lines = Lines::new();
        let mut before = None;
        self.each(&mut |difference| {
            let group = difference.group(&self.resources);
            let name = printable(&String::from_utf8_lossy(difference.object.name));
            lines.write_with(|out| {
                if before.as_ref() != Some(&group) {
                    let gap = if before.is_none() { "" } else { "\n" };
                    let place = if group.1.is_empty() { String::new() } else { format!(" in {}", group.1) };
                    writeln!(out, "{gap}{}{place}", group.0)?;
                }
                writeln!(out, "  {} {name}", difference.sign())?;
                difference.lines().iter().try_for_each(|line| writeln!(out, "      {line}"))
            })?;
            before = Some(group);
            Ok(lines.wanted())
        })?;
        lines.finish()
    }

    /// Calls `take` with each difference; holds two values in memory at a time.
    fn each(&self, take: &mut dyn FnMut(&Difference<'_>) -> Result<bool, Failure>) -> Result<(), Failure> {
        self.folded.reset();
        self.shown.set(0);
        let changes = Changes::between(&self.a.index, &self.b.index).map_err(|cause| self.a.snapshot.failed(cause))?;
        for change in changes.iter(&self.a.index, &self.b.index) {
            let (old, new) = match change {
                KeyDifference::Added(new) => (None, Some(new)),
                KeyDifference::Removed(old) => (Some(old), None),
                KeyDifference::Changed(old, new) => (Some(old), Some(new)),
            };
            let Some(object) = old.or(new).and_then(|key| self.prefixes.object(key.key)) else { continue };
            if !self.is_wanted(&object) {
                continue;
            }
            if !self.filter.is_empty() && !self.has_labels(&self.a, old)? && !self.has_labels(&self.b, new)? {
                continue;
            }
            let Some((changes, is_made_anew)) = self.changes(&object, old, new)? else { continue };
            self.shown.set(self.shown.get().saturating_add(1));
            if !take(&Difference { object, old, new, changes, is_made_anew })? {
                break;
            }
        }
        Ok(())
    }

    /// Reports the named objects that are on neither side; returns the exit code.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn missing(&self) -> Result<Exit, Failure> {
        let wanted = self.wanted.as_deref().unwrap_or_default();
        if wanted.iter().all(|wanted| wanted.names.is_empty()) {
            return Ok(Exit::Done);
        }
        let mut missing: Vec<(&Wanted, &String)> = Vec::new();
        for wanted in wanted {
            missing.extend(wanted.names.iter().map(|name| (wanted, name)));
        }
        self.drop_found(&mut missing, &self.a.index);
        self.drop_found(&mut missing, &self.b.index);
        if !missing.is_empty() {
            // The indexes hold only differing keys: a key that is in neither is equal in both files, or missing in both.
            let query = self.b.store.query(self.prefixes.range(), self.revision_b);
            self.drop_found(&mut missing, &self.b.snapshot.keys(self.b.store, &query, &NoProgress)?.0);
        }
        for (wanted, name) in &missing {
            let mut what = format!("neither snapshot has {}", printable(&wanted.resource.full_name(name)));
            if self.unread.iter().any(|unread| !unread.is_empty()) {
                what.push_str(" that can be found; it may be in a lost part of the file");
            }
            output::complain(&what, &selection::also_type(&wanted.resource, name, &self.resources));
        }
        Ok(if missing.is_empty() { Exit::Done } else { Exit::Damage })
    }

    /// Drops the names of objects that exist in an index.
    fn drop_found(&self, missing: &mut Vec<(&Wanted, &String)>, index: &Index) {
        let live = index.iter().filter(|key| !key.deleted).filter_map(|key| self.prefixes.object(key.key));
        let there: Vec<Object<'_>> = live.filter(|object| self.is_wanted(object)).collect();
        missing.retain(|(wanted, name)| {
            !there.iter().any(|object| wanted.resource.stores(object) && object.name == name.as_bytes())
        });
    }

    /// Returns the only namespace to compare; `None` for all.
    fn namespace(&self) -> Option<&str> {
        self.args.namespace.as_deref().filter(|_| !self.args.all_namespaces)
    }

    /// Whether an object has the requested labels on either side.
    fn has_labels(&self, side: &ComparedSide<'_>, key: Option<Key<'_>>) -> Result<bool, Failure> {
        let Some(key) = key else { return Ok(false) };
        let value = side.value(&key)?;
        // An object that cannot be decoded may have them; it is reported when its fields are compared.
        Ok(object::tree(&value, Options::default()).map_or(true, |(node, _)| self.filter.has(&node)))
    }

    fn is_wanted(&self, object: &Object<'_>) -> bool {
        if let Some(wanted) = &self.wanted {
            return wanted.iter().any(|wanted| wanted.has(object, self.namespace()));
        }
        match self.namespace() {
            None => true,
            Some(namespace) if object.namespace.is_empty() => {
                object.resource == b"namespaces" && object.name == namespace.as_bytes()
            }
            Some(namespace) => object.namespace == namespace.as_bytes(),
        }
    }

    /// Returns the differing fields, and whether the object was created again; `None` for a difference that is only counted.
    fn changes(
        &self,
        object: &Object<'_>,
        old: Option<Key<'_>>,
        new: Option<Key<'_>>,
    ) -> Result<Option<(ValueChanges, bool)>, Failure> {
        let is_asked_for = self.args.all || self.wanted.is_some();
        if let Some(noise) = Noise::of_type(object).filter(|_| !is_asked_for) {
            self.folded.add(noise);
            return Ok(None);
        }
        let (Some(old), Some(new)) = (old, new) else {
            let mut changes = ValueChanges::default();
            let [unread_a, unread_b] = &self.unread;
            let absent = if old.is_none() { unread_a } else { unread_b };
            if !absent.is_empty() {
                let text = "perhaps: a file is damaged, and objects that seem absent may be in a lost part";
                changes.remarks.push(text.into());
            }
            changes.remarks.extend(self.doubt(old, new));
            return Ok(Some((changes, false)));
        };
        let showing = Showing { secrets: self.args.show_secrets, managed_fields: self.args.show_managed_fields };
        let (old_value, new_value) = (self.a.value(&old)?, self.b.value(&new)?);
        let uids = uid(&old_value).zip(uid(&new_value));
        let is_made_anew = !self.are_two_clusters && uids.is_some_and(|(old, new)| old != new);
        let mut changes = match value_changes(old.key, &old_value, &new_value, showing) {
            Ok(changes) => changes,
            Err(cause) => {
                self.is_undecoded.set(true);
                let remarks = std::iter::once(format!("unknown: {cause}")).chain(self.doubt(Some(old), Some(new)));
                let changes = ValueChanges { remarks: remarks.collect(), ..ValueChanges::default() };
                return Ok(Some((changes, is_made_anew)));
            }
        };
        if changes.damaged {
            self.is_undecoded.set(true);
        }
        let noise = Noise::of_fields(&changes);
        if let Some(noise) = noise.filter(|_| !is_made_anew && !self.args.all) {
            self.folded.add(noise);
            return Ok(None);
        }
        if is_made_anew {
            changes.remarks.insert(0, "made anew: another object of the same name, with another uid".into());
        } else if let Some(noise) = noise {
            let only = if noise == Noise::ManagedFields { "managedFields alone" } else { "the fields are alike" };
            changes.remarks.push(only.into());
        }
        changes.remarks.extend(self.doubt(Some(old), Some(new)));
        Ok(Some((changes, is_made_anew)))
    }

    /// Whether the compared states may be outdated.
    fn is_uncertain(&self, old: Option<Key<'_>>, new: Option<Key<'_>>) -> [bool; 2] {
        let [unread_a, unread_b] = &self.unread;
        [(old, unread_a), (new, unread_b)]
            .map(|(key, unread)| key.is_some_and(|key| unread.may_follow(key.revision.main)))
    }

    /// Warns if the compared states may be outdated because of damage.
    fn doubt(&self, old: Option<Key<'_>>, new: Option<Key<'_>>) -> Option<String> {
        let side = match self.is_uncertain(old, new) {
            [false, false] => return None,
            [true, false] => "the first snapshot",
            [false, true] => "the second snapshot",
            [true, true] => "both snapshots",
        };
        Some(format!("perhaps: {side} may have lost a later change of it, or its deletion"))
    }

    /// Whether the object is absent on one side where it may be lost.
    fn may_be_there(&self, difference: &Difference<'_>) -> bool {
        let [unread_a, unread_b] = &self.unread;
        (difference.old.is_none() && !unread_a.is_empty()) || (difference.new.is_none() && !unread_b.is_empty())
    }

    /// Adds the lost revisions of each side to a JSON object; returns whether there are any.
    fn put_lost(&self, object: &mut Map<String, Value>) -> bool {
        let names = ["lostRevisionsA", "lostRevisionsB"];
        let sides = names.into_iter().zip(&self.unread).filter(|(_, unread)| !unread.is_empty());
        sides.map(|(name, unread)| uncertain_states::put(object, name, unread)).count() > 0
    }

    fn json(&self, difference: &Difference<'_>) -> Map<String, Value> {
        let mut object = Map::new();
        let what = match difference.sign() {
            "+" => "added",
            "-" => "removed",
            "-/+" => "made anew",
            _ => "changed",
        };
        object.insert("change".into(), what.into());
        let (plural, group) = match self.resources.of(&difference.object) {
            Some(resource) => (resource.plural.as_bytes(), resource.group.as_bytes()),
            None => (difference.object.resource, difference.object.group),
        };
        for (name, part) in [
            ("group", group),
            ("resource", plural),
            ("namespace", difference.object.namespace),
            ("name", difference.object.name),
        ] {
            key_text::put(&mut object, name, part);
        }
        for (name, key) in [("modRevisionA", difference.old), ("modRevisionB", difference.new)] {
            if let Some(key) = key {
                object.insert(name.into(), key.revision.main.into());
            }
        }
        if difference.old.is_some() && difference.new.is_some() {
            changed_fields::put(&mut object, &difference.changes.fields);
        }
        if self.put_lost(&mut object) {
            let is_uncertain =
                self.may_be_there(difference) || self.is_uncertain(difference.old, difference.new).contains(&true);
            object.insert("uncertain".into(), is_uncertain.into());
        }
        if !difference.changes.remarks.is_empty() {
            object.insert("remarks".into(), difference.changes.remarks.clone().into());
        }
        object
    }
}

const COLUMNS: [text_table::Column; 5] =
    [("", false), ("type", false), ("namespace", false), ("name", false), ("changed", false)];
