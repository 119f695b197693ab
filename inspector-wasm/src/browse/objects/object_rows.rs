//! The rows of a list of objects.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_text, printable};
use etcdsnap_core::kubernetes::age;
use etcdsnap_core::kubernetes::columns::Columns;
use etcdsnap_core::kubernetes::decode::Skip;
use etcdsnap_core::kubernetes::resources::Resource;
use etcdsnap_core::kubernetes::table_objects::{name_by_key, one_line};
use etcdsnap_core::kubernetes::table_row::Row;

use super::Types;
use super::object_answers::{ObjectRow, ObjectScope};
use super::object_values::without_secrets;
use crate::browse::view::View;

/// Most characters of a cell in the answer.
const MOST: usize = 500;

/// The data that the rows of a list need.
#[derive(Default)]
pub(crate) struct Table {
    pub(super) titles: Vec<String>,
    /// The type of all objects and its columns; none for several types.
    one: Option<(Resource, Columns)>,
    wide: bool,
    with_namespace: bool,
    /// The time from which ages are computed.
    pub(super) now: Option<i64>,
    /// The default class of volume claims.
    pub(super) default_class: Option<String>,
}

impl Table {
    pub(super) fn of(types: &Types, scope: &ObjectScope, wide: bool) -> Self {
        let resource =
            scope.kind.as_ref().and_then(|kind| types.resources.list().iter().find(|of| of.type_name() == *kind));
        let one = resource.map(|resource| (resource.clone(), types.definitions.columns(resource)));
        let with_namespace = scope.namespace.is_none() && resource.is_none_or(|resource| resource.namespaced);
        let mut titles: Vec<String> = with_namespace.then(|| "NAMESPACE".to_owned()).into_iter().collect();
        match &one {
            Some((_, columns)) => titles.extend(columns.titles(wide)),
            None => titles.extend(["TYPE", "NAME", "AGE"].map(str::to_owned)),
        }
        Self { titles, one, wide, with_namespace, now: None, default_class: None }
    }
}

impl<S: Source + ?Sized> View<'_, S> {
    pub(super) fn object_row(&self, table: &Table, id: u32) -> Option<ObjectRow> {
        let types = self.objects.types.as_ref()?;
        let key = self.all.get(&self.index, id as usize)?;
        let object = self.object(key.key)?;
        let resource = types.resources.of(&object)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (namespace, name) = (text(object.namespace), text(object.name));
        let skip = table.one.as_ref().map_or(Skip::ManagedFields, |(resource, _)| Columns::skipped(resource));
        let read = self.state_of(id, &key).map(|state| {
            self.with_object(key.key, state, skip, |node, _| {
                let mut node = without_secrets(key.key, node).0;
                name_by_key(&mut node, &object);
                let is_default = table.default_class.as_deref() == Some(&*name);
                let row = Row::new(&node, table.now, is_default);
                match &table.one {
                    Some((_, columns)) => columns.cells(&row, table.wide),
                    None => {
                        let age =
                            table.now.zip(age::created(&node)).map(|(now, then)| age::human(now.saturating_sub(then)));
                        vec![resource.type_name(), name.clone(), age.unwrap_or_else(|| "<unknown>".into())]
                    }
                }
            })
        });
        let titles = table.one.as_ref().map(|(_, columns)| columns.titles(table.wide));
        let unknown = || match &titles {
            Some(titles) => {
                let cell = |title: &String| if title == "NAME" { name.clone() } else { "<unknown>".to_owned() };
                titles.iter().map(cell).collect()
            }
            None => vec![resource.type_name(), name.clone(), "<unknown>".to_owned()],
        };
        let (mut cells, problem) = match read {
            Some(Ok(cells)) => (cells, None),
            Some(Err(cause)) => (unknown(), Some(cause)),
            None => (unknown(), None),
        };
        if table.with_namespace {
            cells.insert(0, namespace.clone());
        }
        let shown = |cell: &String| printable(&one_line(cell)).chars().take(MOST).collect::<String>();
        Some(ObjectRow {
            id,
            key: key_text(key.key),
            of: resource.type_name(),
            cells: cells.iter().map(shown).collect(),
            deleted: key.deleted,
            revision: key.revision.main,
            seconds: self.seconds_at(key.revision.main),
            namespace,
            name,
            problem,
        })
    }
}
