//! `etcdsnap kube history FILE TYPE/NAME`

use std::cell::Cell;

use etcdsnap::core::RevisionRange;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::field_changes::{FieldChange, FieldChanges};
use etcdsnap::core::kubernetes::field_manager::{FieldManager, author};
use etcdsnap::core::kubernetes::object;
use etcdsnap::core::kubernetes::time_line::TimeLine;
use etcdsnap::core::kubernetes::time_text::stamp;
use etcdsnap::core::kubernetes::value_changes::{Showing, value_changes};
use etcdsnap::core::store::{Event, Store, UnreadRevisions};
use etcdsnap::{FileSource, Snapshot, printable, typed_path};
use serde_json::{Map, Value};

use super::{changed_fields, object_name, uncertain_states};
use crate::cli::args_kube_history::KubeHistoryArgs;
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::look::history::{put_time, what};
use crate::cli::look::{self, bytes, table};
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When there is no such object, the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeHistoryArgs) -> Result<Exit, Failure> {
    let example = "Write the object behind the file: etcdsnap kube history backup.db deploy/web -n shop";
    let name = object_name::parse(&args.object, &args.namespace, example)?;
    let (snapshot, bar) = look::encrypted::open(&args.file.file, &args.file.decrypt, args.file.work, args.file.meta)?;
    let store = snapshot.store()?;
    let revision = look::chosen_revision::chosen(&snapshot, &store, &args.file.revision)?;
    let prefix = args.file.etcd_prefix.as_deref().map(bytes::typed).transpose()?;
    let cluster = snapshot.cluster(&store, revision, prefix.as_deref(), &bar)?;
    if cluster.resources.called(&name.kind).is_empty() {
        return Err(object_name::unknown_type(&name));
    }
    let key = name.key(&cluster).map_err(|cause| snapshot.failed(cause))?.map(|key| key.key.to_vec());
    let exit = look::told(&args.file.file, &cluster.lost);
    let Some(key) = key else {
        let (called, file) = (printable(&format!("{}/{}", name.kind, name.name)), typed_path(&args.file.file));
        let what = if cluster.lost.places > 0 {
            format!(
                "no {called} can be found in namespace {}; it may be among what is lost",
                printable(&name.namespace)
            )
        } else {
            format!("nothing is known of {called} in namespace {}", printable(&name.namespace))
        };
        let advice = format!(
            "See what there is: etcdsnap kube get {file} {} -A, and with --deleted. What was deleted more than minutes ago is in an older snapshot: etcdsnap kube find.",
            printable(&name.kind)
        );
        return Err(Failure { what, advice, exit: Exit::Damage });
    };
    let unread = cluster.unread.clone();
    drop(cluster);
    let (mut events, _) = snapshot.history(&store, &key, &bar)?;
    events.retain(|event| event.revision.main <= revision);
    let times = snapshot.time_line(&store)?;
    drop(bar);
    let reading =
        Reading { args, snapshot: &snapshot, store: &store, key: &key, times, unread: Cell::new(false), lost: unread };
    if !reading.lost.is_empty() {
        output::warn(&format!(
            "There may be more changes than are listed, and a deletion: {}.",
            uncertain_states::are_lost(&reading.lost)
        ));
    }
    reading.print(&events)?;
    let exit = exit.max(look::encrypted::told(&snapshot));
    Ok(exit.max(if reading.unread.get() { Exit::Damage } else { Exit::Done }))
}

const COLUMNS: [table::Column; 5] =
    [("revision", true), ("time", false), ("event", false), ("manager", false), ("changed", false)];

struct Reading<'r, 's> {
    args: &'r KubeHistoryArgs,
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    key: &'r [u8],
    times: Option<TimeLine>,
    /// Whether something cannot be read.
    unread: Cell<bool>,
    /// Revisions of which entries may be lost.
    lost: UnreadRevisions,
}

/// A line of the history.
enum Line<'l> {
    Event(&'l Event, Step),
    /// Of these revisions nobody knows what they did.
    Lost(&'l RevisionRange),
}

/// What stands for revisions that are lost.
const LOST: &str = "lost: the file is damaged, and nobody knows whether the object was changed or deleted here";

fn lost_row(range: &RevisionRange) -> Vec<String> {
    vec![uncertain_states::name(range), "-".into(), "unknown".into(), "-".into(), LOST.into()]
}

fn lost_object(range: &RevisionRange) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("event".into(), "unknown".into());
    object.insert("damaged".into(), true.into());
    object.insert("lostRevisions".into(), vec![uncertain_states::range(range)].into());
    object.insert("remarks".into(), vec![LOST].into());
    object
}

/// What one revision did.
#[derive(Default)]
struct Step {
    manager: Option<FieldManager>,
    fields: FieldChanges,
    /// What there is to say beside.
    remarks: Vec<String>,
}

impl Reading<'_, '_> {
    fn print(&self, events: &[Event]) -> Result<(), Failure> {
        if self.args.write_out == LookForm::Json {
            let mut lines = Lines::new();
            self.each(events, &mut |line| {
                let object = match line {
                    Line::Event(event, step) => self.object(event, &step),
                    Line::Lost(range) => lost_object(range),
                };
                bytes::write_line(&mut lines, &object)?;
                Ok(lines.wanted())
            })?;
            return lines.finish();
        }
        table::print(self.args.write_out, &COLUMNS, |take| {
            self.each(events, &mut |line| match line {
                Line::Event(event, step) => take(&self.row(event, &step)),
                Line::Lost(range) => take(&lost_row(range)),
            })
        })
    }

    /// Hands out each event with what it did, and between them what is lost, in the order of revisions; two values in memory at a time.
    fn each(&self, events: &[Event], take: &mut dyn FnMut(Line<'_>) -> Result<bool, Failure>) -> Result<(), Failure> {
        let mut before: Option<Vec<u8>> = None;
        let mut lost = self.lost.ranges().iter().peekable();
        for event in events {
            while let Some(range) = lost.next_if(|range| range.from <= event.revision.main) {
                if !take(Line::Lost(range))? {
                    return Ok(());
                }
            }
            let value = if event.deletion { None } else { Some(self.snapshot.value(self.store, event.place)?) };
            let step = self.step(event, before.as_deref(), value.as_deref());
            if !take(Line::Event(event, step))? {
                return Ok(());
            }
            before = value;
        }
        for range in lost {
            if !take(Line::Lost(range))? {
                break;
            }
        }
        Ok(())
    }

    fn step(&self, event: &Event, before: Option<&[u8]>, value: Option<&[u8]>) -> Step {
        let Some(value) = value else { return Step::default() };
        let mut step = self.changes(event, before, value);
        let options = Options { only_metadata: true, ..Options::default() };
        step.manager = object::tree(value, options).ok().and_then(|(object, _)| author(&object, &step.fields.list));
        step
    }

    fn changes(&self, event: &Event, before: Option<&[u8]>, value: &[u8]) -> Step {
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
        match value_changes(self.key, before, value, showing) {
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
            what(event).into(),
            step.manager.as_ref().map_or_else(|| "-".into(), |manager| printable(&manager.to_string())),
            changed.join("\n"),
        ]
    }

    fn object(&self, event: &Event, step: &Step) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("revision".into(), event.revision.main.into());
        if let Some(times) = &self.times {
            put_time(&mut object, times.at(event.revision.main));
        }
        object.insert("event".into(), what(event).into());
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
