//! `etcdsnap kube manifests FILE [TYPE…]`

use std::collections::HashSet;
use std::path::Path;

use etcdsnap::core::ScanProgress;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::manifest;
use etcdsnap::core::kubernetes::manifest_fields::Keep;
use etcdsnap::core::kubernetes::manifest_namespace::move_namespace;
use etcdsnap::core::kubernetes::manifest_plan::{Choice, PlannedObject, definition_of, undefined, volume_of};
use etcdsnap::core::kubernetes::manifest_report::{self, ManifestReport};
use etcdsnap::core::kubernetes::manifest_selection::is_passing;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::resources::Resource;
use etcdsnap::core::store::Key;
use etcdsnap::{Cluster, Error, Snapshot, is_secret, printable};

use super::kube_file;
use super::manifest_writer::ManifestWriter;
use super::not_found::FinishedSearch;
use super::object_states::ObjectStates;
use super::selection::{self, Wanted};
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_manifests::ManifestsArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::progress_bar::Bar;
use crate::cli::signals::Cancellable;
use crate::cli::{judge_files, output};

/// Runs the command.
///
/// # Errors
/// When a type is unknown, nothing is there to be written, the file cannot be read, or the output cannot be written.
pub fn run(args: &ManifestsArgs) -> Result<Exit, Failure> {
    let file = &args.file.file;
    judge_files::check_not_written(&[file])?;
    kube_file::check_order(&args.file, &args.objects)?;
    // After a signal, the incomplete output is removed before the program ends.
    let bar = Cancellable::new(Bar::new(file));
    let decryption = inspect::encrypted::decryption(&args.file.decrypt, &[file])?;
    refuse_format(&args.output)?;
    let mut writer = ManifestWriter::begin(&args.output)?;
    judge_files::warn_when_in_use(file);
    let snapshot = Snapshot::open(file, args.file.work.threads, &bar)?.with_meta(args.file.meta.choice());
    let snapshot = snapshot.with_decryption(decryption);
    let store = snapshot.store()?;
    let cluster = kube_file::cluster(&args.file, &snapshot, &store, &bar)?;
    let revision = cluster.revision;
    let mut exit = inspect::report_losses(file, &cluster.lost);
    let scope = Scope::of(args, &cluster)?;
    let items = items(&cluster, &scope).map_err(|cause| snapshot.failed(cause))?;
    let states = ObjectStates::find(&snapshot, &store, items.iter().map(|(key, _)| key), revision, &bar)?;
    let mut report = ManifestReport::default();
    report.damaged(cluster.lost.places > 0, uncertain_states::are_lost(&cluster.unread));
    let owners = Owners::of(&cluster, args.deleted).map_err(|cause| snapshot.failed(cause))?;
    let keep = Keep::these(&args.keep);
    let mut values = ValueReader::new(args.show_secrets);
    writer.expect(
        items.len(),
        items.iter().any(|(_, item)| item.is_definition),
        items.iter().any(|(_, item)| item.resource.custom),
    );
    for (key, item) in &items {
        if bar.cancelled() {
            return Err(Error::Cancelled.into());
        }
        if is_secret(key.key) && !args.show_secrets {
            report.leave_out(item.resource, &item.object, manifest_report::SECRET);
            continue;
        }
        let Some((place, revision)) = states.of(key) else {
            report.leave_out(item.resource, &item.object, manifest_report::COMPACTED_AWAY);
            continue;
        };
        let value = snapshot.value(&store, place)?;
        let version = revision.to_string();
        let options = Options { resource_version: Some(&version), ..Options::default() };
        let Some(mut node) = values.whole(key.key, &value, options) else {
            report.leave_out(item.resource, &item.object, manifest_report::UNREADABLE);
            continue;
        };
        let choice = Choice {
            is_named: scope.names(&item.object, item.resource),
            with_owned: args.include_owned,
            deleted: args.deleted,
        };
        let is_there = |kind: &str, name: &str| owners.has(kind, item.object.namespace, name);
        if let Some(reason) = item.left_out(&node, choice, is_there) {
            report.leave_out(item.resource, &item.object, reason);
            if reason == manifest_report::MISPLACED {
                exit = exit.max(Exit::Damage);
            }
            continue;
        }
        item.warnings(&node, choice).iter().for_each(|warning| output::warn(warning));
        manifest::clean(&mut node, &keep);
        let mut place = (item.object.namespace, item.object.name);
        if let Some((from, to)) = scope.moved() {
            if move_namespace(&mut node, from, to) {
                report.names_old_services(item.resource, &item.object);
            }
            if place.0 == from.as_bytes() {
                place.0 = to.as_bytes();
            } else if item.resource.plural == "namespaces" && place.1 == from.as_bytes() {
                place.1 = to.as_bytes();
            }
        }
        writer.object(item.is_definition, &item.resource.singular, place, &node)?;
        report.wrote(item.resource);
        if uncertain_states::may_be_older(&cluster.unread, key, revision) {
            report.wrote_uncertain(item.resource, &item.object);
        }
        if let Some(volume) = volume_of(&node).filter(|volume| !has_volume(&items, volume)) {
            report.lacks_volume(volume);
        }
        if !writer.wanted() {
            break;
        }
    }
    report.undefined(undefined(items.iter().map(|(_, item)| item)));
    let missing = scope.missing(&cluster, &items);
    exit = exit.max(values.finish(&snapshot)).max(missing);
    if report.written() == 0 {
        report_left_out(&report);
        if report.has_left_out() {
            return Err(Failure {
                what: "all requested objects are left out, so nothing is written".into(),
                advice: "The lines above say why. What is named as TYPE/NAME is written though a controller makes it, or it has run to its end.".into(),
                exit: exit.max(Exit::Damage),
            });
        }
        scope.report_where_else(&cluster);
        let advice = if missing > Exit::Done { "" } else { ADVICE };
        return Err(Failure {
            what: "there is nothing to write".into(),
            advice: advice.into(),
            exit: exit.max(Exit::Damage),
        });
    }
    let said = writer.finish(file, revision, args.deleted, &report)?;
    drop(bar);
    output::print_to_stderr(&said);
    report_left_out(&report);
    Ok(exit)
}

/// Reports on stderr what was left out.
fn report_left_out(report: &ManifestReport) {
    report.left_out_lines().iter().for_each(|line| output::print_to_stderr(&format!("{line}\n")));
}

/// The advice when there is nothing to write.
const ADVICE: &str = "List the objects: etcdsnap kube get FILE TYPE -A; with --deleted, those that were deleted in the last minutes. Objects that were deleted earlier are in an older snapshot: etcdsnap kube find.";

/// Refuses a form of kubectl's `-o`: here `-o` names a directory.
fn refuse_format(output: &Path) -> Result<(), Failure> {
    let name = output.as_os_str().to_string_lossy();
    let is_form = matches!(&*name, "yaml" | "json" | "yml");
    if is_form || [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending)) {
        let what = format!("{} cannot be the name of a directory of manifests", printable(&name));
        let advice = "-o names the directory to make. Without it, YAML goes to the standard output: etcdsnap kube manifests FILE TYPE/NAME > web.yaml";
        return Err(Failure::new(what, advice));
    }
    Ok(())
}

/// The requested objects.
struct Scope<'a> {
    args: &'a ManifestsArgs,
    /// The types and names; `None` for all types.
    wanted: Option<Vec<Wanted>>,
    /// The namespace; `None` for all.
    namespace: Option<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(args: &'a ManifestsArgs, cluster: &Cluster) -> Result<Self, Failure> {
        let wanted = selection::parse(&args.objects, &cluster.resources)?;
        let wanted = (!wanted.is_empty()).then_some(wanted);
        let namespace = args.namespace.chosen();
        Ok(Self { args, wanted, namespace })
    }

    /// Whether an object is requested, judged by its key.
    fn has(&self, key: &Key<'_>, object: &Object<'_>, resource: &Resource) -> bool {
        if key.deleted != self.args.deleted {
            return false;
        }
        if let Some(wanted) = &self.wanted {
            return wanted.iter().any(|wanted| wanted.has(object, self.namespace));
        }
        let is_within = |name: &[u8]| self.namespace.is_none_or(|namespace| namespace.as_bytes() == name);
        match (object.namespace, resource.plural.as_str()) {
            (b"", "namespaces") => is_within(object.name),
            (b"", plural) => self.args.cluster_scoped && !is_passing(&resource.group, plural),
            (namespace, plural) => is_within(namespace) && !is_passing(&resource.group, plural),
        }
    }

    /// Returns the old and the new namespace of the objects.
    fn moved(&self) -> Option<(&str, &str)> {
        self.namespace.zip(self.args.to_namespace.as_deref())
    }

    /// Whether an object is requested by its own name, as -n requests the namespace.
    fn names(&self, object: &Object<'_>, resource: &Resource) -> bool {
        let namespace = self.args.namespace.namespace.as_deref();
        if resource.plural == "namespaces" && namespace.is_some_and(|name| name.as_bytes() == object.name) {
            return true;
        }
        // Types of two groups may share a place in etcd, such as ingresses.
        let mut wanted = self.wanted.iter().flatten().filter(|wanted| wanted.resource.stores(object));
        wanted.any(|wanted| wanted.names.iter().any(|name| name.as_bytes() == object.name))
    }

    fn search<'l>(&'l self, cluster: &'l Cluster) -> FinishedSearch<'l> {
        let is_damaged = cluster.lost.places > 0;
        FinishedSearch { cluster, namespace: self.namespace, deleted: Some(self.args.deleted), is_damaged }
    }

    /// Reports where objects are that were not found.
    fn report_where_else(&self, cluster: &Cluster) {
        let wanted = self.wanted.as_deref().unwrap_or_default();
        if wanted.iter().all(|wanted| wanted.names.is_empty()) {
            self.search(cluster).report_where_else(wanted);
        }
    }

    /// Reports the named objects that do not exist; returns the exit code.
    fn missing(&self, cluster: &Cluster, items: &[Item<'_>]) -> Exit {
        self.search(cluster).missing(self.wanted.as_deref().unwrap_or_default(), |wanted, name| {
            items.iter().any(|(_, item)| wanted.resource.stores(&item.object) && item.object.name == name.as_bytes())
        })
    }
}

/// The existing objects, which can be owners: by kind, namespace and name.
struct Owners(HashSet<(String, Vec<u8>, Vec<u8>)>);

impl Owners {
    /// Collects the live ones; with --deleted, the deleted ones, too, because their last states are written.
    fn of(cluster: &Cluster, deleted: bool) -> Result<Self, etcdsnap::core::Error> {
        let all = cluster.objects(|key, _| deleted || !key.deleted)?;
        let owner = |(_, object): (Key<'_>, Object<'_>)| {
            let kind = cluster.resources.of(&object)?.kind.clone();
            Some((kind, object.namespace.to_vec(), object.name.to_vec()))
        };
        Ok(Self(all.into_iter().filter_map(owner).collect()))
    }

    /// Whether an owner exists in the object's namespace or without a namespace.
    fn has(&self, kind: &str, namespace: &[u8], name: &str) -> bool {
        let has = |namespace: &[u8]| self.0.contains(&(kind.to_owned(), namespace.to_vec(), name.as_bytes().to_vec()));
        has(namespace) || has(b"")
    }
}

/// Returns the requested objects and the definitions of their types, in the order in which they can be applied.
fn items<'c>(cluster: &'c Cluster, scope: &Scope<'_>) -> Result<Vec<Item<'c>>, etcdsnap::core::Error> {
    let item = |(key, object): (Key<'c>, Object<'c>), is_needed| {
        Some((key, PlannedObject::new(object, cluster.resources.of(&object)?, is_needed)))
    };
    let asked = cluster
        .objects(|key, object| cluster.resources.of(object).is_some_and(|resource| scope.has(key, object, resource)))?;
    let mut items: Vec<Item<'_>> = asked.into_iter().filter_map(|found| item(found, false)).collect();
    let needed: HashSet<String> = items.iter().filter_map(|(_, item)| definition_of(item.resource)).collect();
    let there: HashSet<&[u8]> =
        items.iter().filter(|(_, item)| item.is_definition).map(|(_, item)| item.object.name).collect();
    let definitions = cluster.objects(|_, object| {
        object.resource == b"customresourcedefinitions"
            && !there.contains(object.name)
            && std::str::from_utf8(object.name).is_ok_and(|name| needed.contains(name))
    })?;
    drop(there);
    items.extend(definitions.into_iter().filter_map(|found| item(found, true)));
    items.sort_by_cached_key(|(_, item)| item.place());
    Ok(items)
}

/// A key and its object to write.
type Item<'c> = (Key<'c>, PlannedObject<'c>);

fn has_volume(items: &[Item<'_>], volume: &str) -> bool {
    items.iter().any(|(_, item)| item.resource.plural == "persistentvolumes" && item.object.name == volume.as_bytes())
}
