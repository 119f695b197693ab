//! `etcdsnap kube get FILE TYPE [NAME…]`

use etcdsnap::core::kubernetes::age;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::names::Object;
use etcdsnap::core::store::{Key, Store};
use etcdsnap::{Cluster, FileSource, Snapshot, printable};

use super::object_states::ObjectStates;
use super::object_writer::ObjectWriter;
use super::selection::{self, Wanted};
use super::value_reader::{ValueReader, take_managed_fields};
use crate::cli::args_kube::{KubeForm, KubeGetArgs};
use crate::cli::args_look::LookForm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::look::{self, table};
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When a type is unknown, an object that was named is not there, the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeGetArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = look::encrypted::open(&args.file.file, &args.file.decrypt, args.file.work, args.file.meta)?;
    let store = snapshot.store()?;
    let revision = look::chosen_revision::chosen(&snapshot, &store, &args.file.revision)?;
    let prefix = args.file.etcd_prefix.as_deref().map(look::bytes::typed).transpose()?;
    let mut cluster = snapshot.cluster(&store, revision, prefix.as_deref(), &bar)?;
    let lost = std::mem::take(&mut cluster.lost);
    let wanted = selection::parse(&args.types, &args.names, &cluster.resources)?;
    let namespace = selection::namespace(args.namespace.as_deref(), args.all_namespaces);
    let found = find(&cluster, &wanted, namespace, args.deleted).map_err(|cause| snapshot.failed(cause))?;
    let states = ObjectStates::find(&snapshot, &store, found.iter().map(|(_, key, _)| key), revision, &bar)?;
    drop(bar);
    let exit = look::told(&args.file.file, &lost);
    let reading = Reading { args, snapshot: &snapshot, store: &store, cluster: &cluster, states };
    let mut values = ValueReader::new(args.show_secrets);
    match args.output {
        KubeForm::Table => reading.tables(&wanted, &found, &mut values)?,
        KubeForm::Name => reading.names(&wanted, &found)?,
        _ => {
            let named = wanted.len() == 1 && wanted.iter().all(|wanted| wanted.names.len() == 1);
            reading.objects(&found, !(named && found.len() == 1), &mut values)?;
        }
    }
    Ok(exit.max(values.finish(&snapshot)).max(missing(&wanted, &found, namespace)))
}

/// An object with the number of its type among those that are wanted.
type Found<'c> = (usize, Key<'c>, Object<'c>);

/// The objects that are wanted, type by type.
fn find<'c>(
    cluster: &'c Cluster,
    wanted: &[Wanted],
    namespace: Option<&str>,
    deleted: bool,
) -> Result<Vec<Found<'c>>, etcdsnap::core::Error> {
    let number = |object: &Object<'_>| wanted.iter().position(|wanted| wanted.has(object, namespace));
    let objects = cluster.objects(|key, object| key.deleted == deleted && number(object).is_some())?;
    let mut found: Vec<Found<'_>> =
        objects.into_iter().filter_map(|(key, object)| Some((number(&object)?, key, object))).collect();
    found.sort_by(|a, b| (a.0, a.2.namespace, a.2.name).cmp(&(b.0, b.2.namespace, b.2.name)));
    Ok(found)
}

/// Says which of the objects that were named are not there; the exit code.
fn missing(wanted: &[Wanted], found: &[Found<'_>], namespace: Option<&str>) -> Exit {
    let mut exit = Exit::Done;
    let place = namespace.map(|namespace| format!(" in namespace {}", printable(namespace)));
    for (number, wanted) in wanted.iter().enumerate() {
        let place = place.as_deref().filter(|_| wanted.resource.namespaced).unwrap_or_default();
        for name in &wanted.names {
            if !found.iter().any(|(of, _, object)| *of == number && object.name == name.as_bytes()) {
                let what = format!("there is no {}{place}", printable(&wanted.resource.full_name(name)));
                output::complain(
                    &what,
                    "It may be in another namespace (-A), deleted (--deleted), or in an older snapshot.",
                );
                exit = Exit::Damage;
            }
        }
        if found.is_empty() && wanted.names.is_empty() && number == 0 {
            let what = format!("No resources found{}.\n", place.replace(" in namespace ", " in ").replace("  ", " "));
            output::tell(&what);
        }
    }
    exit
}

/// What objects are read with.
struct Reading<'r, 's> {
    args: &'r KubeGetArgs,
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    cluster: &'r Cluster,
    states: ObjectStates,
}

impl Reading<'_, '_> {
    fn objects(&self, found: &[Found<'_>], is_list: bool, values: &mut ValueReader) -> Result<(), Failure> {
        let mut writer = ObjectWriter::begin(self.args.output, is_list)?;
        let keep_managed = self.args.show_managed_fields || self.args.output == KubeForm::Raw;
        for (_, key, _) in found {
            let Some((place, revision)) = self.states.of(key) else { continue };
            let value = self.snapshot.value(self.store, place)?;
            let version = revision.to_string();
            let options = Options { resource_version: Some(&version), ..Options::default() };
            if let Some(mut node) = values.tree(key.key, &value, options) {
                if !keep_managed {
                    take_managed_fields(&mut node);
                }
                writer.object(node)?;
            }
            if !writer.wanted() {
                break;
            }
        }
        writer.finish()
    }

    fn names(&self, wanted: &[Wanted], found: &[Found<'_>]) -> Result<(), Failure> {
        let mut lines = Lines::new();
        for (number, _, object) in found {
            if let Some(wanted) = wanted.get(*number) {
                let name = wanted.resource.full_name(&String::from_utf8_lossy(object.name));
                lines.write_with(|out| writeln!(out, "{}", printable(&name)))?;
            }
        }
        lines.finish()
    }

    /// A table for each type.
    fn tables(&self, wanted: &[Wanted], found: &[Found<'_>], values: &mut ValueReader) -> Result<(), Failure> {
        let mut text = String::new();
        for (number, wanted) in wanted.iter().enumerate() {
            let of_type: Vec<&Found<'_>> = found.iter().filter(|(of, ..)| *of == number).collect();
            if of_type.is_empty() {
                continue;
            }
            let with_namespace = self.args.all_namespaces && wanted.resource.namespaced;
            let columns: &[table::Column] = if with_namespace {
                &[("namespace", false), ("name", false), ("age", false)]
            } else {
                &[("name", false), ("age", false)]
            };
            let alone = found.iter().all(|(of, ..)| *of == number);
            let mut rows = Vec::new();
            for (_, key, object) in of_type {
                let name = String::from_utf8_lossy(object.name);
                let name = if alone { name.into_owned() } else { wanted.resource.full_name(&name) };
                let namespace = with_namespace.then(|| printable(&String::from_utf8_lossy(object.namespace)));
                rows.push((namespace, printable(&name), self.created(key, values)?));
            }
            // Without Leases the newest object is as near as one gets.
            let taken = self.cluster.taken.or_else(|| rows.iter().filter_map(|(.., created)| *created).max());
            let age = |created: Option<i64>| {
                let ago = created.zip(taken).map(|(created, taken)| age::human(taken.saturating_sub(created)));
                ago.unwrap_or_else(|| "<unknown>".to_owned())
            };
            let rows: Vec<Vec<String>> = rows
                .into_iter()
                .map(|(namespace, name, created)| namespace.into_iter().chain([name, age(created)]).collect())
                .collect();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&table::rows(LookForm::Simple, columns, &rows));
        }
        output::print(&text)
    }

    /// When an object was created, in seconds since 1970.
    fn created(&self, key: &Key<'_>, values: &mut ValueReader) -> Result<Option<i64>, Failure> {
        let Some((place, _)) = self.states.of(key) else { return Ok(None) };
        let value = self.snapshot.value(self.store, place)?;
        let options = Options { only_metadata: true, ..Options::default() };
        Ok(values.tree(key.key, &value, options).as_ref().and_then(age::created))
    }
}
