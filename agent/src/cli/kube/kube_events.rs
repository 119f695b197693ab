//! `etcdsnap kube events FILE`

use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::event_facts::EventFacts;
use etcdsnap::core::kubernetes::object;
use etcdsnap::core::kubernetes::special_types::rfc3339;
use etcdsnap::core::store::{Key, Store};
use etcdsnap::{Cluster, FileSource, Snapshot, printable};
use serde_json::{Map, Value};

use super::kube_file;
use super::not_found::FinishedSearch;
use super::selection::{self, Wanted};
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube_events::KubeEventsArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::{self, key_text, text_table};
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeEventsArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &[])?;
    let store = snapshot.store()?;
    let cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    let about = match &args.about {
        Some(about) => about_one(about, &cluster)?,
        None => selection::parse(&args.objects, &cluster.resources)?,
    };
    if let Some(kindless) = about.iter().find(|wanted| wanted.resource.kind.is_empty()) {
        let what = format!("which kind {} are is not said in this snapshot", printable(&kindless.resource.plural));
        return Err(Failure::new(what, "Events name the kind of an object: print all of them, and look for its name."));
    }
    let namespace = args.namespace.chosen();
    let keys = cluster.objects(|key, object| {
        !key.deleted
            && object.group.is_empty()
            && object.resource == b"events"
            && namespace.is_none_or(|namespace| namespace.as_bytes() == object.namespace)
    });
    let keys = keys.map_err(|cause| snapshot.failed(cause))?;
    // Keep only their times in memory: a cluster in trouble has hundreds of thousands of Events.
    let mut values = ValueReader::new(true);
    let mut found: Vec<Seen<'_>> = Vec::new();
    for (key, object) in keys {
        let value = snapshot.value(&store, key.place)?;
        let Some(node) = values.tree(key.key, &value, Options::default()) else { continue };
        let facts = EventFacts::of(&node);
        let is_wanted = args.types.is_empty() || args.types.iter().any(|of| of.eq_ignore_ascii_case(&facts.kind));
        if is_wanted && (about.is_empty() || about.iter().any(|about| is_about(about, &facts))) {
            found.push(Seen { last: facts.last, key, namespace: object.namespace });
        }
    }
    drop(bar);
    found.sort_by(|a, b| (a.last, a.key.key).cmp(&(b.last, b.key.key)));
    let exit = inspect::report_losses(&args.file.file, &cluster.lost).max(values.finish(&snapshot));
    uncertain_states::report_of(&cluster.unread, found.iter().map(|seen| seen.key.revision.main));
    let reading = EventsContext { snapshot: &snapshot, store: &store, now: cluster.taken };
    if found.is_empty() && args.form.write_out != InspectForm::Json {
        let place = namespace.map(|namespace| format!(" in {} namespace", printable(namespace))).unwrap_or_default();
        output::print_to_stderr(&format!("No events found{place}.\n"));
        let is_damaged = cluster.lost.places > 0;
        if args.types.is_empty() && about.is_empty() {
            let wanted = selection::parse(&["events".to_owned()], &cluster.resources)?;
            FinishedSearch { cluster: &cluster, namespace, deleted: None, is_damaged }.report_where_else(&wanted);
        }
        return Ok(exit);
    }
    match args.form.write_out {
        InspectForm::Json => reading.json(&found)?,
        form => reading.table(form, &found, namespace.is_none())?,
    }
    Ok(exit)
}

/// An Event to print.
struct Seen<'c> {
    last: Option<i64>,
    key: Key<'c>,
    namespace: &'c [u8],
}

/// Parses the object of `--for`.
fn about_one(word: &str, cluster: &Cluster) -> Result<Vec<Wanted>, Failure> {
    let wanted = selection::parse(&[word.to_owned()], &cluster.resources)?;
    match wanted.as_slice() {
        [one] if one.names.len() == 1 => Ok(wanted),
        _ => Err(Failure::new(
            format!("--for: {} names no object", printable(word)),
            "Write --for TYPE/NAME, such as --for pod/web-1.",
        )),
    }
}

/// Whether an Event is about one of the wanted objects. Old Events have no group, or the group `extensions`, which all workloads once had.
fn is_about(wanted: &Wanted, facts: &EventFacts) -> bool {
    let [kind, name, version] = &facts.about;
    let group = version.split_once('/').map_or("", |(group, _)| group);
    wanted.resource.kind.eq_ignore_ascii_case(kind)
        && (version.is_empty() || [wanted.resource.group.as_str(), "extensions"].contains(&group))
        && (wanted.names.is_empty() || wanted.names.contains(name))
}

struct EventsContext<'r, 's> {
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    /// The approximate time when the snapshot was taken.
    now: Option<i64>,
}

impl EventsContext<'_, '_> {
    fn facts(&self, seen: &Seen<'_>) -> Result<EventFacts, Failure> {
        let value = self.snapshot.value(self.store, seen.key.place)?;
        // Its time was read before.
        let facts = object::tree(&value, Options::default()).map(|(node, _)| EventFacts::of(&node));
        Ok(facts.unwrap_or_default())
    }

    fn table(&self, form: InspectForm, found: &[Seen<'_>], with_namespace: bool) -> Result<(), Failure> {
        let columns = if with_namespace { &COLUMNS[..] } else { &COLUMNS[1..] };
        text_table::print(form, columns, |take| {
            for seen in found {
                let facts = self.facts(seen)?;
                let namespace = with_namespace.then(|| String::from_utf8_lossy(seen.namespace).into_owned());
                let cells = [facts.last_seen(self.now), facts.kind, facts.reason, facts.object, facts.message];
                let row: Vec<String> = namespace.into_iter().chain(cells).map(|cell| printable(&cell)).collect();
                if !take(&row)? {
                    break;
                }
            }
            Ok(())
        })
    }

    fn json(&self, found: &[Seen<'_>]) -> Result<(), Failure> {
        let mut lines = Lines::new();
        for seen in found {
            let facts = self.facts(seen)?;
            let mut object: Map<String, Value> = Map::new();
            key_text::put(&mut object, "namespace", seen.namespace);
            for (name, text) in
                [("type", facts.kind), ("reason", facts.reason), ("object", facts.object), ("message", facts.message)]
            {
                object.insert(name.into(), text.into());
            }
            for (name, time) in [("firstSeen", facts.first), ("lastSeen", facts.last)] {
                if let Some(time) = time {
                    object.insert(name.into(), rfc3339(time, None).into());
                }
            }
            object.insert("count".into(), facts.count.into());
            key_text::write_line(&mut lines, &object)?;
            if !lines.wanted() {
                break;
            }
        }
        lines.finish()
    }
}

const COLUMNS: [text_table::Column; 6] = [
    ("namespace", false),
    ("last seen", false),
    ("type", false),
    ("reason", false),
    ("object", false),
    ("message", false),
];
