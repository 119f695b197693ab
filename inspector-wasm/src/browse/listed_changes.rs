//! The list of changes between both sides of a comparison.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{is_secret, key_text};
use etcdsnap_core::kubernetes::change_groups::{ChangeGroup, ChangeLine, ChangeLines, change_groups};
use etcdsnap_core::kubernetes::change_list::{ChangeSelection, selected};
use etcdsnap_core::kubernetes::key_search::{KeySearch, SearchError};

use super::answers::{SearchProblem, narrow};
use super::change_answers::{ChangeGroupRow, ChangeList, ChangeListRow, ChangeRow, Side};
use super::comparison::{Comparison, Differing, ListedChanges, word};
use super::view::View;

/// Groups of a list with at most this many changes are open at first.
const OPEN: usize = 50;

impl ListedChanges {
    fn len(&self) -> usize {
        match self {
            Self::Flat(numbers) => numbers.len(),
            Self::Grouped(lines) => lines.len(),
        }
    }
}

/// Parses a search in the list.
fn parsed(line: &str) -> Result<KeySearch, SearchError> {
    let search = KeySearch::parse(line)?;
    if search.is_about_values() {
        let why = "this list is searched by keys alone; to search values, open Keys".to_owned();
        return Err(SearchError { text: line.trim().to_owned(), why });
    }
    Ok(search)
}

fn name(group: &ChangeGroup) -> (String, String) {
    (group.name.clone(), group.namespace.clone())
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Lists the changes that the page requests.
    pub(crate) fn change_list(&mut self, differing: &Differing) -> ChangeList {
        let Some(comparison) = &mut self.comparison else { return ChangeList::default() };
        let search = match parsed(&differing.text) {
            Ok(search) => search,
            // The list stays unchanged.
            Err(SearchError { text, why }) => {
                let total = narrow(comparison.listed.len());
                return ChangeList { total, problem: Some(SearchProblem { text, why }), ..ChangeList::default() };
            }
        };
        let Comparison { index, changes, noise, resources, toggled, .. } = &*comparison;
        let (sides, prefixes) = ((&self.index, index), self.prefixes.as_slice());
        let selection = ChangeSelection {
            kinds: &differing.kinds(),
            search: &search,
            prefixes,
            without: (!differing.noise).then_some(noise),
        };
        let (numbers, counts) = selected(changes, sides, selection, differing.order());
        let mut groups = 0;
        let listed = if differing.grouped {
            let is_open = numbers.len() <= OPEN;
            let found = change_groups(changes, sides, &numbers, prefixes, resources);
            groups = found.len();
            ListedChanges::Grouped(ChangeLines::new(found, |group| {
                toggled.iter().rfind(|(of, _)| *of == name(group)).map_or(is_open, |(_, is_open)| *is_open)
            }))
        } else {
            ListedChanges::Flat(numbers)
        };
        comparison.listed = listed;
        ChangeList {
            total: narrow(comparison.listed.len()),
            added: narrow(counts.added),
            removed: narrow(counts.removed),
            changed: narrow(counts.changed),
            groups: narrow(groups),
            problem: None,
        }
    }

    /// Opens or closes the group at a line; returns the new number of lines.
    pub(crate) fn toggle_changes(&mut self, line: u32) -> u32 {
        let Some(Comparison { listed, toggled, .. }) = &mut self.comparison else { return 0 };
        if let ListedChanges::Grouped(lines) = listed
            && let Some((group, is_open)) = lines.toggle(line as usize)
        {
            toggled.push((name(group), is_open));
        }
        narrow(listed.len())
    }

    /// Returns lines of the list; with `all`, as if every group were open.
    pub(crate) fn changes(&self, from: u32, count: u32, all: bool) -> Vec<ChangeListRow> {
        let Some(comparison) = &self.comparison else { return Vec::new() };
        let (from, count) = (from as usize, count as usize);
        let row = |line| match line {
            ChangeLine::Heading(group, open) => Some(ChangeListRow::Group(group_row(group, open))),
            ChangeLine::Change(number) => self.change_row(comparison, number).map(ChangeListRow::Change),
        };
        match &comparison.listed {
            ListedChanges::Flat(numbers) => {
                let numbers = numbers.iter().skip(from).take(count);
                numbers.copied().map(ChangeLine::Change).filter_map(row).collect()
            }
            ListedChanges::Grouped(lines) if all => lines.all().skip(from).take(count).filter_map(row).collect(),
            ListedChanges::Grouped(lines) => {
                (from..).take(count).map_while(|at| lines.line(at)).filter_map(row).collect()
            }
        }
    }

    fn change_row(&self, comparison: &Comparison<'_, S>, number: u32) -> Option<ChangeRow> {
        let change = comparison.changes.difference(number, &self.index, &comparison.index)?;
        let [before, after] = change.states();
        Some(ChangeRow {
            kind: word(change.kind()),
            key: key_text(change.key()),
            secret: is_secret(change.key()),
            before: before.map(Side::from),
            after: after.map(Side::from),
        })
    }
}

fn group_row(group: &ChangeGroup, open: bool) -> ChangeGroupRow {
    ChangeGroupRow {
        name: group.name.clone(),
        namespace: group.namespace.clone(),
        objects: group.has_objects,
        open,
        added: narrow(group.counts.added),
        removed: narrow(group.counts.removed),
        changed: narrow(group.counts.changed),
    }
}
