//! Groups changes by the type and namespace of their objects, for a list with headings that can be opened and closed.

use super::registry_keys::{Object, Objects, object_below};
use super::resources::Resources;
use crate::key_syntax::key_text;
use crate::store::Index;
use crate::store::changes::Changes;
use crate::store::difference::ChangeCounts;
use crate::store::usage::group;

/// Parts of a key that make a group of keys that are not objects: `/app/config/`.
const DEPTH: usize = 2;

/// Changes of one type in one namespace, or of keys with a common prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeGroup {
    /// The type as kubectl names it, or the prefix in its displayed form; empty for keys without a slash.
    pub name: String,
    /// The namespace; empty for objects of the whole cluster, and for other keys.
    pub namespace: String,
    /// Whether the group consists of objects.
    pub has_objects: bool,
    /// Numbers of changes by kind.
    pub counts: ChangeCounts,
    /// Numbers of the changes, in the order in which they were passed.
    pub changes: Vec<u32>,
}

/// What the keys of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GroupKey<'k> {
    Objects(Objects<'k>),
    Keys(&'k [u8]),
}

/// Groups the changes with some numbers; the groups are in the order of their keys, as in `kube diff`. `a` and `b` are the compared indexes, `prefixes` those of API servers.
#[must_use]
pub fn change_groups(
    changes: &Changes,
    (a, b): (&Index, &Index),
    numbers: &[u32],
    prefixes: &[Vec<u8>],
    resources: &Resources,
) -> Vec<ChangeGroup> {
    let mut listed = vec![false; changes.len()];
    for number in numbers {
        if let Some(listed) = listed.get_mut(*number as usize) {
            *listed = true;
        }
    }
    let mut groups: Vec<ChangeGroup> = Vec::new();
    // The first change of each group. Changes are numbered in the order of their keys, so those of a group follow each other.
    let mut starts: Vec<u32> = Vec::new();
    let mut last = None;
    for number in (0..).zip(listed).filter_map(|(number, listed)| listed.then_some(number)) {
        let Some(change) = changes.difference(number, a, b) else { continue };
        let key = match object_below(change.key(), prefixes) {
            Some(Object { group, resource, namespace, .. }) => {
                GroupKey::Objects(Objects { group, resource, namespace })
            }
            None => GroupKey::Keys(group(change.key(), 0, DEPTH)),
        };
        if last != Some(key) {
            starts.push(number);
            groups.push(ChangeGroup::of(key, resources));
        }
        last = Some(key);
        if let Some(group) = groups.last_mut() {
            group.counts.add(change.kind());
        }
    }
    for number in numbers {
        let at = starts.partition_point(|start| start <= number).saturating_sub(1);
        if let Some(group) = groups.get_mut(at) {
            group.changes.push(*number);
        }
    }
    groups
}

impl ChangeGroup {
    fn of(key: GroupKey<'_>, resources: &Resources) -> Self {
        let (name, namespace, has_objects) = match key {
            GroupKey::Objects(objects) => {
                (resources.type_name(&objects.any()), key_text_or_empty(objects.namespace), true)
            }
            GroupKey::Keys(prefix) => (key_text_or_empty(prefix), String::new(), false),
        };
        Self { name, namespace, has_objects, counts: ChangeCounts::default(), changes: Vec::new() }
    }
}

fn key_text_or_empty(bytes: &[u8]) -> String {
    if bytes.is_empty() { String::new() } else { key_text(bytes) }
}

/// The lines of a list: a heading for each group, and below it, if it is open, its changes.
#[derive(Debug, Default)]
pub struct ChangeLines {
    groups: Vec<ChangeGroup>,
    is_open: Vec<bool>,
    /// The line of each heading.
    starts: Vec<usize>,
    len: usize,
}

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeLine<'l> {
    /// The heading of a group, and whether the group is open.
    Heading(&'l ChangeGroup, bool),
    /// A change, by its number.
    Change(u32),
}

impl ChangeLines {
    /// Lays out groups, of which those are open for which `is_open` is true.
    pub fn new(groups: Vec<ChangeGroup>, is_open: impl Fn(&ChangeGroup) -> bool) -> Self {
        let is_open = groups.iter().map(is_open).collect();
        let mut lines = Self { groups, is_open, ..Self::default() };
        lines.lay_out();
        lines
    }

    fn lay_out(&mut self) {
        self.len = 0;
        self.starts.clear();
        for (group, is_open) in self.groups.iter().zip(&self.is_open) {
            self.starts.push(self.len);
            let below = if *is_open { group.changes.len() } else { 0 };
            self.len = self.len.saturating_add(1).saturating_add(below);
        }
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The line with a number, from 0.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<ChangeLine<'_>> {
        if number >= self.len {
            return None;
        }
        let at = self.starts.partition_point(|start| *start <= number).checked_sub(1)?;
        let group = self.groups.get(at)?;
        match number.checked_sub(*self.starts.get(at)?)?.checked_sub(1) {
            None => Some(ChangeLine::Heading(group, self.is_open.get(at).copied().unwrap_or_default())),
            Some(below) => group.changes.get(below).copied().map(ChangeLine::Change),
        }
    }

    /// All lines, as if every group were open.
    pub fn all(&self) -> impl Iterator<Item = ChangeLine<'_>> {
        self.groups.iter().flat_map(|group| {
            let changes = group.changes.iter().copied().map(ChangeLine::Change);
            std::iter::once(ChangeLine::Heading(group, true)).chain(changes)
        })
    }

    /// Opens or closes the group whose heading is at a line. Returns the group, and whether it is open now; `None` if the line is not a heading.
    pub fn toggle(&mut self, line: usize) -> Option<(&ChangeGroup, bool)> {
        let at = self.starts.binary_search(&line).ok()?;
        let is_open = self.is_open.get_mut(at)?;
        *is_open = !*is_open;
        let is_open = *is_open;
        self.lay_out();
        self.groups.get(at).map(|group| (group, is_open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group_of(name: &str, changes: &[u32]) -> ChangeGroup {
        ChangeGroup {
            name: name.into(),
            namespace: String::new(),
            has_objects: true,
            counts: ChangeCounts::default(),
            changes: changes.to_vec(),
        }
    }

    /// Headings in capitals when open, changes as numbers.
    fn text(lines: &ChangeLines) -> String {
        let line = |number| match lines.line(number) {
            Some(ChangeLine::Heading(group, true)) => group.name.to_uppercase(),
            Some(ChangeLine::Heading(group, false)) => group.name.clone(),
            Some(ChangeLine::Change(number)) => number.to_string(),
            None => "?".into(),
        };
        (0..lines.len()).map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn groups_open_and_close() {
        let groups = vec![group_of("a", &[5, 2]), group_of("b", &[7]), group_of("c", &[1, 3])];
        let mut lines = ChangeLines::new(groups, |group| group.name != "b");
        assert_eq!(text(&lines), "A 5 2 b C 1 3");
        assert!(lines.toggle(1).is_none(), "a change has nothing to open");
        assert!(lines.toggle(3).is_some_and(|(group, is_open)| group.name == "b" && is_open));
        assert_eq!(text(&lines), "A 5 2 B 7 C 1 3");
        lines.toggle(0);
        lines.toggle(3);
        assert_eq!(text(&lines), "a B 7 c");
        assert_eq!(lines.all().count(), 3 + 5);
        assert_eq!((lines.line(4), lines.len(), lines.is_empty()), (None, 4, false));
        assert_eq!(ChangeLines::default().line(0), None);
    }
}
