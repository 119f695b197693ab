//! `etcdsnap kube helm FILE list`, `etcdsnap kube helm FILE get WHAT RELEASE`

use std::collections::{BTreeMap, BTreeSet};

use etcdsnap::core::kubernetes::conceal::HIDDEN;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::helm_release::{ReleaseFacts, hide_values, read, stored_release, unpack};
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::yaml::to_yaml;
use etcdsnap::core::store::{Key, Store};
use etcdsnap::grouped_number::counted;
use etcdsnap::{Cluster, FileSource, Snapshot, printable};
use serde_json::{Map, Value};

use super::kube_file;
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_inspect::InspectForm;
use crate::cli::args_kube_helm::{HelmAction, HelmPart, KubeHelmArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect::{self, key_text, text_table};
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When there is no such release, the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeHelmArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &[])?;
    let store = snapshot.store()?;
    let cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    drop(bar);
    let exit = inspect::report_losses(&args.file.file, &cluster.lost);
    let reading = HelmContext { snapshot: &snapshot, store: &store, cluster: &cluster };
    match (args.action, args.part, &args.release) {
        (HelmAction::Get, Some(part), Some(release)) => reading.get(args, part, release, exit),
        _ => reading.list(args, exit),
    }
}

struct HelmContext<'r, 's> {
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    cluster: &'r Cluster,
}

/// A revision of a release: namespace, name, number, and the place of its value.
type Stored<'c> = (&'c str, &'c str, u64, Key<'c>);

impl<'r> HelmContext<'r, '_> {
    /// Returns all revisions of releases in a namespace, or in all namespaces, in order.
    fn stored(&self, namespace: Option<&str>) -> Result<Vec<Stored<'r>>, Failure> {
        let is_wanted = |of: &str| namespace.is_none_or(|namespace| namespace == of);
        let wanted = |key: &Key<'_>, object: &Object<'_>| {
            !key.deleted && stored_release(object).is_some_and(|(namespace, ..)| is_wanted(namespace))
        };
        let found = self.cluster.objects(wanted).map_err(|cause| self.snapshot.failed(cause))?;
        let mut stored: Vec<Stored<'r>> = found
            .into_iter()
            .filter_map(|(key, object)| {
                stored_release(&object).map(|(namespace, name, number)| (namespace, name, number, key))
            })
            .collect();
        stored.sort_by(|a, b| (a.0, a.1, a.2, a.3.key).cmp(&(b.0, b.1, b.2, b.3.key)));
        Ok(stored)
    }

    fn list(&self, args: &KubeHelmArgs, exit: Exit) -> Result<Exit, Failure> {
        let namespace = args.namespace.chosen();
        let mut stored = self.stored(namespace)?;
        if !args.revisions {
            // The last revision of each release is the newest.
            let newest: BTreeMap<(&str, &str), Stored<'_>> =
                stored.into_iter().map(|stored| ((stored.0, stored.1), stored)).collect();
            stored = newest.into_values().collect();
        }
        uncertain_states::report_of(&self.cluster.unread, stored.iter().map(|(.., key)| key.revision.main));
        let mut values = ValueReader::new(true);
        let mut rows = Vec::new();
        let mut lines = Lines::new();
        for (namespace, name, number, key) in &stored {
            let facts = self.with_release(key, &mut values, &mut |node| Ok(ReleaseFacts::of(node)))?;
            let facts = facts.unwrap_or_else(|| ReleaseFacts { status: "unknown".into(), ..ReleaseFacts::default() });
            if args.write_out == InspectForm::Json {
                let facts = if args.show_secrets { facts } else { facts.without_texts() };
                let mut release = object(namespace, name, *number, &facts);
                if !self.cluster.unread.is_empty() {
                    uncertain_states::put(&mut release, "lostRevisions", &self.cluster.unread);
                    let is_uncertain = self.cluster.unread.may_follow(key.revision.main);
                    release.insert("uncertain".into(), is_uncertain.into());
                }
                key_text::write_line(&mut lines, &release)?;
                continue;
            }
            let ReleaseFacts { status, updated, chart, app_version, .. } = facts;
            let cells =
                [(*name).to_owned(), (*namespace).to_owned(), number.to_string(), updated, status, chart, app_version];
            rows.push(cells.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
        }
        lines.finish()?;
        if stored.is_empty() && args.write_out != InspectForm::Json {
            let place =
                namespace.map(|namespace| format!(" in {} namespace", printable(namespace))).unwrap_or_default();
            output::print_to_stderr(&format!("No releases found{place}.\n"));
            let others = self.stored(None)?.iter().map(|stored| (stored.0, stored.1)).collect::<BTreeSet<_>>().len();
            if others > 0 {
                let releases = counted(others as u64, "release", "releases");
                output::warn(&format!("Other namespaces have {releases} (-A)."));
            }
        } else if args.write_out != InspectForm::Json {
            output::print(&text_table::rows(args.write_out, &COLUMNS, &rows))?;
        }
        Ok(exit.max(values.finish(self.snapshot)))
    }

    fn get(&self, args: &KubeHelmArgs, part: HelmPart, release: &str, exit: Exit) -> Result<Exit, Failure> {
        let namespace = args.namespace.namespace.as_deref().unwrap_or("default");
        if part != HelmPart::Values && !args.show_secrets {
            let what = format!("the {} of a release may have secrets in it", word(part));
            return Err(Failure::new(what, "--show-secrets prints it."));
        }
        let stored = self.stored(Some(namespace))?;
        let is_wanted =
            |stored: &&Stored<'_>| stored.1 == release && args.revision.is_none_or(|revision| revision == stored.2);
        let Some((.., key)) = stored.iter().rev().find(is_wanted) else {
            let revision = args.revision.map(|revision| format!("revision {revision} of ")).unwrap_or_default();
            let lost = if self.cluster.lost.places > 0 { "; it may be in a lost part of the file" } else { "" };
            let what = format!(
                "there is no {revision}release {} in namespace {}{lost}",
                printable(release),
                printable(namespace)
            );
            let advice = "See what there is: etcdsnap kube helm FILE list -A --revisions. What was deleted may be in an older snapshot.";
            return Err(Failure { what, advice: advice.into(), exit: Exit::Damage });
        };
        uncertain_states::report_of(&self.cluster.unread, std::iter::once(key.revision.main));
        let mut values = ValueReader::new(true);
        let printed = self.with_release(key, &mut values, &mut |node| {
            let text = |path: &[&str]| node.at(path).and_then(Node::text).unwrap_or_default();
            let text = match part {
                HelmPart::Manifest => text(&["manifest"]).to_owned(),
                HelmPart::Notes => text(&["info", "notes"]).to_owned(),
                HelmPart::Values => values_of(node, args.show_secrets),
            };
            let mut lines = Lines::new();
            lines.write_with(|out| write!(out, "{}", key_text::ShownValue(text.as_bytes())))?;
            if !text.ends_with('\n') {
                lines.write(b"\n")?;
            }
            lines.finish()
        })?;
        Ok(exit.max(values.finish(self.snapshot)).max(if printed.is_some() { Exit::Done } else { Exit::Damage }))
    }

    /// Decodes a release and passes it to `make`; if it cannot be decoded, reports that and returns `None`.
    fn with_release<T>(
        &self,
        key: &Key<'_>,
        values: &mut ValueReader,
        make: &mut dyn FnMut(&Node<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let value = self.snapshot.value(self.store, key.place)?;
        let Some(node) = values.tree(key.key, &value, Options::default()) else { return Ok(None) };
        let unpacked = unpack(&node);
        match unpacked.as_deref().map_err(|cause| *cause).and_then(|json| read(json)) {
            Ok(release) => make(&release).map(Some),
            Err(cause) => {
                values.damaged(key.key, &format!("the release {cause}"));
                Ok(None)
            }
        }
    }
}

fn word(part: HelmPart) -> &'static str {
    match part {
        HelmPart::Values => "values",
        HelmPart::Manifest => "manifest",
        HelmPart::Notes => "notes",
    }
}

/// Formats the values that were given with --set and --values as YAML.
fn values_of(release: &Node<'_>, show_secrets: bool) -> String {
    let mut config = release.get("config").cloned().unwrap_or(Node::Null);
    if !show_secrets {
        hide_values(&mut config);
        if config == Node::Text(HIDDEN.into()) {
            return HIDDEN.to_owned();
        }
    }
    to_yaml(&config)
}

fn object(namespace: &str, name: &str, number: u64, facts: &ReleaseFacts) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("name".into(), name.into());
    object.insert("namespace".into(), namespace.into());
    object.insert("revision".into(), number.into());
    for (name, text) in [
        ("updated", &facts.updated),
        ("status", &facts.status),
        ("chart", &facts.chart),
        ("appVersion", &facts.app_version),
        ("description", &facts.description),
    ] {
        object.insert(name.into(), text.clone().into());
    }
    object
}

const COLUMNS: [text_table::Column; 7] = [
    ("name", false),
    ("namespace", false),
    ("revision", true),
    ("updated", false),
    ("status", false),
    ("chart", false),
    ("app version", false),
];
