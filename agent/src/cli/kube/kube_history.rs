//! `etcdsnap kube history FILE TYPE/NAME`

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use etcdsnap::core::RevisionRange;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::field_changes::{FieldChange, FieldChanges};
use etcdsnap::core::kubernetes::field_manager::{FieldManager, author};
use etcdsnap::core::kubernetes::object;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::time_line::TimeLine;
use etcdsnap::core::kubernetes::time_text::stamp;
use etcdsnap::core::kubernetes::value_changes::{Showing, value_changes};
use etcdsnap::core::store::{Event, Key, Store, UnreadRevisions};
use etcdsnap::{Cluster, FileSource, Snapshot, printable};
use serde_json::{Map, Value};

use super::kube_file;
use super::not_found::FinishedSearch;
use super::{changed_fields, selection, uncertain_states};
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube_history::KubeHistoryArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::history::{effect, put_time};
use crate::cli::inspect::{self, key_text, text_table};
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When there is no such object, the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeHistoryArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &args.objects)?;
    let store = snapshot.store()?;
    let cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    let wanted = selection::parse(&args.objects, &cluster.resources)?;
    let namespace = args.namespace.chosen();
    let found = cluster.objects(|_, object| selection::has(&wanted, object, namespace));
    let mut found = found.map_err(|cause| snapshot.failed(cause))?;
    found.sort_by_cached_key(|(key, object)| (selection::place(&wanted, object, namespace), key.key));
    let objects: Vec<NamedObject> = found.iter().map(|(key, object)| NamedObject::of(key, object, &cluster)).collect();
    let keys: HashSet<&[u8]> = found.iter().map(|(key, _)| key.key).collect();
    let mut by_key =
        if keys.is_empty() { HashMap::new() } else { snapshot.histories(&store, &keys, cluster.revision, &bar)?.0 };
    let events: Vec<Vec<Event>> = objects.iter().map(|object| by_key.remove(&object.key).unwrap_or_default()).collect();
    let times = snapshot.time_line(&store)?;
    drop(bar);
    let exit = inspect::report_losses(&args.file.file, &cluster.lost);
    let is_damaged = cluster.lost.places > 0;
    let search = FinishedSearch { cluster: &cluster, namespace, deleted: None, is_damaged };
    let missing = search.missing(&wanted, |wanted, name| {
        found.iter().any(|(_, object)| wanted.resource.stores(object) && object.name == name.as_bytes())
    });
    if objects.is_empty() && wanted.iter().all(|wanted| wanted.names.is_empty()) {
        search.nothing(&wanted);
        search.report_where_else(&wanted);
    }
    let lost = &cluster.unread;
    let reading = HistoryContext { args, snapshot: &snapshot, store: &store, times, unread: Cell::new(false), lost };
    let with_names = objects.len() > 1 || !matches!(wanted.as_slice(), [one] if one.names.len() == 1);
    if !objects.is_empty() {
        if !lost.is_empty() {
            output::warn(&format!(
                "There may be more changes than are listed, and a deletion: {}.",
                uncertain_states::are_lost(lost)
            ));
        }
        reading.print(&objects, &events, with_names)?;
    }
    let exit = exit.max(missing).max(inspect::encrypted::report_undecrypted(&snapshot));
    Ok(exit.max(if reading.unread.get() { Exit::Damage } else { Exit::Done }))
}

/// An object whose revisions are listed.
struct NamedObject {
    key: Vec<u8>,
    /// Its type and name as `-o name` prints them.
    name: String,
    namespace: String,
}

impl NamedObject {
    fn of(key: &Key<'_>, object: &Object<'_>, cluster: &Cluster) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = text(object.name);
        let name = cluster.resources.of(object).map_or_else(|| name.clone(), |resource| resource.full_name(&name));
        Self { key: key.key.to_vec(), name, namespace: text(object.namespace) }
    }

    /// Its name with the namespace, for a table.
    fn shown(&self) -> String {
        let place = if self.namespace.is_empty() { String::new() } else { format!(" in {}", self.namespace) };
        printable(&format!("{}{place}", self.name))
    }

    /// Starts a JSON object about it.
    fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("object".into(), self.name.clone().into());
        if !self.namespace.is_empty() {
            object.insert("namespace".into(), self.namespace.clone().into());
        }
        object
    }
}

const COLUMNS: [text_table::Column; 6] =
    [("object", false), ("revision", true), ("time", false), ("event", false), ("manager", false), ("changed", false)];

struct HistoryContext<'r, 's> {
    args: &'r KubeHistoryArgs,
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    times: Option<TimeLine>,
    /// Whether something could not be read.
    unread: Cell<bool>,
    /// Revisions whose entries may be lost.
    lost: &'r UnreadRevisions,
}

/// A line of the history.
enum Line<'l> {
    Event(&'l Event, Step),
    /// Lost revisions, whose changes are unknown.
    Lost(&'l RevisionRange),
}

/// Formats the row of lost revisions.
const LOST: &str = "lost: the file is damaged, and may have contained a change or deletion of the object here";

fn lost_row(range: &RevisionRange) -> Vec<String> {
    vec![uncertain_states::name(range), "-".into(), "unknown".into(), "-".into(), LOST.into()]
}

fn lost_object(named: &NamedObject, range: &RevisionRange) -> Map<String, Value> {
    let mut object = named.json();
    object.insert("event".into(), "unknown".into());
    object.insert("damaged".into(), true.into());
    object.insert("lostRevisions".into(), vec![uncertain_states::range(range)].into());
    object.insert("remarks".into(), vec![LOST].into());
    object
}

/// The changes of one revision.
#[derive(Default)]
struct Step {
    manager: Option<FieldManager>,
    fields: FieldChanges,
    /// Remarks.
    remarks: Vec<String>,
}

impl HistoryContext<'_, '_> {
    fn print(&self, objects: &[NamedObject], events: &[Vec<Event>], with_names: bool) -> Result<(), Failure> {
        if self.args.form.write_out == InspectForm::Json {
            let mut lines = Lines::new();
            self.each(objects, events, &mut |named, line| {
                let object = match line {
                    Line::Event(event, step) => self.object(named, event, &step),
                    Line::Lost(range) => lost_object(named, range),
                };
                key_text::write_line(&mut lines, &object)?;
                Ok(lines.wanted())
            })?;
            return lines.finish();
        }
        let columns = if with_names { &COLUMNS[..] } else { &COLUMNS[1..] };
        text_table::print(self.args.form.write_out, columns, |take| {
            self.each(objects, events, &mut |named, line| {
                let cells = match line {
                    Line::Event(event, step) => self.row(event, &step),
                    Line::Lost(range) => lost_row(range),
                };
                let row: Vec<String> = with_names.then(|| named.shown()).into_iter().chain(cells).collect();
                take(&row)
            })
        })
    }

    /// Calls `take` with every event of every object and the lost revisions between them, in the order of revisions; holds two values in memory at a time.
    fn each(
        &self,
        objects: &[NamedObject],
        events: &[Vec<Event>],
        take: &mut dyn FnMut(&NamedObject, Line<'_>) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for (object, events) in objects.iter().zip(events) {
            let mut before: Option<Vec<u8>> = None;
            let mut lost = self.lost.ranges().iter().peekable();
            for event in events {
                while let Some(range) = lost.next_if(|range| range.from <= event.revision.main) {
                    if !take(object, Line::Lost(range))? {
                        return Ok(());
                    }
                }
                let value = if event.deletion { None } else { Some(self.snapshot.value(self.store, event.place)?) };
                let step = self.step(&object.key, event, before.as_deref(), value.as_deref());
                if !take(object, Line::Event(event, step))? {
                    return Ok(());
                }
                before = value;
            }
            for range in lost {
                if !take(object, Line::Lost(range))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn step(&self, key: &[u8], event: &Event, before: Option<&[u8]>, value: Option<&[u8]>) -> Step {
        let Some(value) = value else { return Step::default() };
        let mut step = self.changes(key, event, before, value);
        let options = Options { only_metadata: true, ..Options::default() };
        step.manager = object::tree(value, options).ok().and_then(|(object, _)| author(&object, &step.fields.list));
        step
    }

    fn changes(&self, key: &[u8], event: &Event, before: Option<&[u8]>, value: &[u8]) -> Step {
        let mut step = Step::default();
        let Some(before) = before else {
            if event.version > 1 {
                step.remarks.push("unknown: the revision before is compacted away or lost".into());
            } else if let Err(cause) = object::tree(value, Options::default()) {
                self.unread.set(true);
                step.remarks.push(cause.to_string());
            }
            return step;
        };
        let showing = Showing { secrets: self.args.show_secrets, managed_fields: self.args.show_managed_fields };
        match value_changes(key, before, value, showing) {
            Ok(changes) => {
                if changes.damaged {
                    self.unread.set(true);
                }
                if changes.fields.list.is_empty() {
                    let only = if changes.folded { "managedFields alone" } else { "nothing" };
                    step.remarks.push(only.into());
                }
                step.fields = changes.fields;
                step.remarks.extend(changes.remarks);
            }
            Err(cause) => {
                self.unread.set(true);
                step.remarks.push(format!("unknown: {cause}"));
            }
        }
        step
    }

    fn row(&self, event: &Event, step: &Step) -> Vec<String> {
        let mut changed: Vec<String> = step.fields.list.iter().map(FieldChange::line).collect();
        if step.fields.more > 0 {
            changed.push(format!("and {} more fields", step.fields.more));
        }
        changed.extend(step.remarks.iter().cloned());
        let changed: Vec<String> = changed.iter().map(|line| printable(line)).collect();
        vec![
            event.revision.main.to_string(),
            self.times.as_ref().map_or_else(|| "-".into(), |times| stamp(times.at(event.revision.main))),
            effect(event).into(),
            step.manager.as_ref().map_or_else(|| "-".into(), |manager| printable(&manager.to_string())),
            changed.join("\n"),
        ]
    }

    fn object(&self, named: &NamedObject, event: &Event, step: &Step) -> Map<String, Value> {
        let mut object = named.json();
        object.insert("revision".into(), event.revision.main.into());
        if let Some(times) = &self.times {
            put_time(&mut object, times.at(event.revision.main));
        }
        object.insert("event".into(), effect(event).into());
        if let Some(manager) = &step.manager {
            object.insert("manager".into(), manager.name.clone().into());
            object.insert("operation".into(), manager.operation.clone().into());
            if !manager.subresource.is_empty() {
                object.insert("subresource".into(), manager.subresource.clone().into());
            }
        }
        changed_fields::put(&mut object, &step.fields);
        if !step.remarks.is_empty() {
            object.insert("remarks".into(), step.remarks.clone().into());
        }
        object
    }
}
