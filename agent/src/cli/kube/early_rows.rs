//! Formats the rows of a table while the keys are read, so that the file is read once.

use etcdsnap::StoredObject;
use etcdsnap::core::kubernetes::columns::Columns;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::object::{Remarks, Unreadable};
use etcdsnap::core::kubernetes::pod_message::pod_facts;
use etcdsnap::core::kubernetes::resources::Resources;
use etcdsnap::core::kubernetes::table_objects::name_by_key;
use etcdsnap::core::store::EntryPlace;

use super::object_tables::{JoinedRow, ObjectTable};
use super::selection::{self, Wanted};
use super::value_reader::ValueReader;
use crate::cli::args_kube::{KubeForm, KubeGetArgs, KubeOutput};

/// The row of an object with remarks about it, or the reason why there is none.
pub type RowOutcome = Result<(JoinedRow, Remarks), Unreadable>;

/// Rows that were formatted early, in the order of the places of their values.
pub type EarlyRows = Vec<(EntryPlace, RowOutcome)>;

/// Returns the objects whose rows can be formatted before the snapshot's own types are known: all objects of one built-in type, in a table whose rows do not depend on each other.
pub fn foreseen(args: &KubeGetArgs) -> Option<Wanted> {
    let is_table = matches!(args.output, KubeOutput::Form(KubeForm::Table | KubeForm::Wide));
    let is_chosen = args.selector.is_some() || args.field_selector.is_some() || args.sort_by.is_some();
    if !is_table || is_chosen || args.deleted {
        return None;
    }
    let mut wanted = selection::parse(&args.objects, &Resources::builtin()).ok()?;
    let one = wanted.pop().filter(|one| wanted.is_empty() && one.names.is_empty())?;
    let needs_all = ["storageclasses", "flowschemas"].contains(&one.resource.plural.as_str());
    (!needs_all && !one.resource.custom).then_some(one)
}

/// Creates the table without rows.
pub fn table<'t>(args: &'t KubeGetArgs, wanted: &'t Wanted, columns: Columns) -> ObjectTable<'t> {
    let mut table = ObjectTable::new(&wanted.resource, columns);
    table.with_type = args.show_kind;
    table.all = args.output == KubeOutput::Form(KubeForm::Wide);
    table.with_namespace = args.namespace.all_namespaces && wanted.resource.namespaced;
    (table.label_columns, table.show_labels) = (&args.label_columns, args.show_labels);
    table
}

/// Formats the row of an object; ages are counted up to `now`.
pub fn row(table: &ObjectTable<'_>, reader: &ValueReader, stored: &StoredObject<'_>, now: Option<i64>) -> RowOutcome {
    if table.is_of_pods()
        && !reader.shows_only_names(stored.key)
        && let Some(pod) = pod_facts(stored.value)
    {
        return Ok((table.pod_row(pod, now), Remarks::default()));
    }
    let version = stored.revision.to_string();
    let options = Options { resource_version: Some(&version), skip: table.skipped(), ..Options::default() };
    let (mut node, remarks) = reader.shown(stored.key, stored.value, options)?;
    name_by_key(&mut node, &stored.object);
    Ok((table.row(&node, now), remarks))
}
