//! A list of objects, with rows as `kubectl get` prints them.

use std::cmp::Reverse;

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::age;
use etcdsnap_core::kubernetes::decode::Skip;
use etcdsnap_core::kubernetes::natural_order::is_before;
use etcdsnap_core::kubernetes::table_objects::default_class;

use super::object_answers::{ObjectList, ObjectOrder, ObjectScope};
use super::object_rows::Table;
use crate::browse::answers::narrow;
use crate::browse::view::View;

/// Most objects of a list that can be sorted by its columns. All of them must be decoded, which takes a second.
const MOST_SORTED: usize = 2000;

/// A list, with the data that its rows need.
#[derive(Default)]
pub(crate) struct Listed {
    pub(super) ids: Vec<u32>,
    pub(super) table: Table,
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Returns the ids of the objects of a scope, in the order of their keys.
    pub(super) fn ids_of(&mut self, scope: &ObjectScope) -> Vec<u32> {
        self.types();
        let Some(types) = &self.objects.types else { return Vec::new() };
        let text = scope.text.to_lowercase();
        let mut ids = Vec::new();
        for group in types.groups.list() {
            let Some(object) = self.first_of(group) else { continue };
            let Some(resource) = types.resources.of(&object) else { continue };
            let is_wanted = scope.kind.as_ref().is_none_or(|kind| *kind == resource.type_name())
                && scope.namespace.as_ref().is_none_or(|namespace| namespace.as_bytes() == object.namespace);
            if !is_wanted {
                continue;
            }
            for id in group.from..group.to {
                let Some(key) = self.all.get(&self.index, id as usize) else { continue };
                if scope.show.has(key.deleted) && (text.is_empty() || self.is_called(key.key, &text)) {
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// Tells whether `namespace/name` of an object contains a text, which must be in lower case.
    fn is_called(&self, key: &[u8], text: &str) -> bool {
        self.object(key).is_some_and(|object| {
            let name = [object.namespace, object.name].map(String::from_utf8_lossy).join("/");
            name.to_lowercase().contains(text)
        })
    }

    /// Lists the objects of a scope.
    pub(crate) fn object_list(&mut self, scope: &ObjectScope, order: ObjectOrder) -> ObjectList {
        let mut ids = self.ids_of(scope);
        let is_short = ids.len() <= MOST_SORTED;
        let taken = self.taken();
        let mut table = match &self.objects.types {
            Some(types) => Table::of(types, scope, order.wide),
            None => Table::default(),
        };
        let (mut newest, mut classes) = (None, Vec::new());
        let has_classes = scope.kind.as_deref() == Some("storageclasses.storage.k8s.io");
        if is_short && (taken.is_none() || has_classes) {
            for id in &ids {
                let Some(key) = self.all.get(&self.index, *id as usize) else { continue };
                let Some(state) = self.state_of(*id, &key) else { continue };
                let _ = self.with_object(key.key, state, Skip::ManagedFields, |node, _| {
                    newest = newest.max(age::created(&node));
                    classes.extend(has_classes.then(|| default_class(&node)).flatten());
                });
            }
        }
        // If the time is unknown, the newest object is the best estimate, as in the terminal.
        table.now = taken.or(newest);
        table.default_class = classes.into_iter().max().map(|(_, Reverse(name))| name);
        if let Some(column) = order.column.filter(|_| is_short) {
            self.sort_objects(&mut ids, &table, column as usize);
        }
        if order.down {
            ids.reverse();
        }
        let list =
            ObjectList { total: narrow(ids.len()), titles: table.titles.clone(), sortable: is_short, now: table.now };
        self.objects.listed = Listed { ids, table };
        list
    }

    fn sort_objects(&self, ids: &mut [u32], table: &Table, column: usize) {
        let is_age = table.titles.get(column).is_some_and(|title| title == "AGE");
        let mut ranked: Vec<(i64, String, u32)> = ids
            .iter()
            .map(|id| {
                if is_age {
                    // Younger objects were created later.
                    let created = self.all.get(&self.index, *id as usize).map_or(0, |key| key.create_revision.get());
                    return (created.saturating_neg(), String::new(), *id);
                }
                let row = self.object_row(table, *id);
                let cell = row.and_then(|row| row.cells.into_iter().nth(column)).unwrap_or_default();
                (0, cell, *id)
            })
            .collect();
        ranked.sort_by(|a, b| {
            let by_cell = || match (is_before(&a.1, &b.1), is_before(&b.1, &a.1)) {
                (true, false) => std::cmp::Ordering::Less,
                (false, true) => std::cmp::Ordering::Greater,
                _ => a.1.cmp(&b.1),
            };
            a.0.cmp(&b.0).then_with(by_cell).then(a.2.cmp(&b.2))
        });
        ids.iter_mut().zip(ranked).for_each(|(id, (.., ranked))| *id = ranked);
    }

    /// Returns rows of the list.
    pub(crate) fn object_rows(&self, from: u32, count: u32) -> Vec<super::object_answers::ObjectRow> {
        let listed = &self.objects.listed;
        let ids = listed.ids.iter().skip(from as usize).take(count as usize);
        ids.filter_map(|id| self.object_row(&listed.table, *id)).collect()
    }
}
