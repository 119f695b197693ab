//! `etcdsnap kube get FILE TYPE [NAME…]`

use etcdsnap::core::kubernetes::age;
use etcdsnap::core::kubernetes::decode::Options;
use etcdsnap::core::kubernetes::json_path::{self, JsonPath};
use etcdsnap::core::kubernetes::names::Object;
use etcdsnap::core::kubernetes::tree::Node;
use etcdsnap::core::store::{Key, Store};
use etcdsnap::{Cluster, FileSource, Snapshot, printable};

use super::object_filter::{self, ObjectFilter, SortValue};
use super::object_states::ObjectStates;
use super::object_tables::{CustomColumns, ObjectTable};
use super::object_writer::ObjectWriter;
use super::selection::{self, Wanted};
use super::uncertain_states;
use super::value_reader::{ValueReader, take_managed_fields};
use crate::cli::args_kube::{KubeForm, KubeGetArgs, KubeOutput};
use crate::cli::exit::{Exit, Failure};
use crate::cli::look;
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
    let filter = ObjectFilter::parse(args.selector.as_deref(), args.field_selector.as_deref())?;
    let sort_by = args.sort_by.as_deref().map(|text| object_filter::path("--sort-by", text)).transpose()?;
    let custom = match &args.output {
        KubeOutput::CustomColumns(text) => Some(CustomColumns::parse(text)?),
        KubeOutput::Form(_) => None,
    };
    let wanted = selection::parse(&args.types, &args.names, &cluster.resources)?;
    let namespace = selection::namespace(args.namespace.as_deref(), args.all_namespaces);
    let found = find(&cluster, &wanted, namespace, args.deleted).map_err(|cause| snapshot.failed(cause))?;
    let states = ObjectStates::find(&snapshot, &store, found.iter().map(|(_, key, _)| key), revision, &bar)?;
    drop(bar);
    let exit = look::told(&args.file.file, &lost);
    if args.deleted {
        let states = found.iter().filter_map(|(_, key, _)| Some((*key, states.of(key)?.1)));
        uncertain_states::tell_deleted(&cluster.unread, states);
    } else {
        uncertain_states::tell_of(&cluster.unread, found.iter().map(|(_, key, _)| key.revision.main));
    }
    let reading = Reading { args, snapshot: &snapshot, store: &store, cluster: &cluster, states };
    let mut values = ValueReader::new(args.show_secrets);
    let found = reading.chosen(found, &filter, sort_by.as_ref(), &mut values)?;
    match &args.output {
        KubeOutput::Form(KubeForm::Table | KubeForm::Wide) => reading.tables(&wanted, &found, &mut values)?,
        KubeOutput::Form(KubeForm::Name) => reading.names(&wanted, &found)?,
        KubeOutput::Form(form) => {
            let named = wanted.len() == 1 && wanted.iter().all(|wanted| wanted.names.len() == 1);
            reading.objects(*form, &found, !(named && found.len() == 1), &mut values)?;
        }
        KubeOutput::CustomColumns(_) => {
            if let Some(table) = custom {
                reading.custom_columns(table, &found, &mut values)?;
            }
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
    // As API servers list them, by their keys; those that are named in the order of their names.
    let place = |one: &Found<'_>| {
        let names = wanted.get(one.0).map(|wanted| wanted.names.as_slice()).unwrap_or_default();
        names.iter().position(|name| name.as_bytes() == one.2.name)
    };
    found.sort_by(|a, b| (a.0, place(a), a.1.key).cmp(&(b.0, place(b), b.1.key)));
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
    /// Hands over objects one after the other, until there is no reason to go on. What cannot be read is left out, and said.
    fn each<'c>(
        &self,
        found: &[Found<'c>],
        values: &mut ValueReader,
        mut take: impl FnMut(&Found<'c>, Node<'_>) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for one in found {
            let (_, key, _) = one;
            let Some((place, revision)) = self.states.of(key) else { continue };
            let value = self.snapshot.value(self.store, place)?;
            let version = revision.to_string();
            let options = Options { resource_version: Some(&version), ..Options::default() };
            if let Some(node) = values.tree(key.key, &value, options)
                && !take(one, node)?
            {
                break;
            }
        }
        Ok(())
    }

    /// The objects that meet the selectors, in the order that is asked for.
    fn chosen<'c>(
        &self,
        found: Vec<Found<'c>>,
        filter: &ObjectFilter,
        sort_by: Option<&JsonPath>,
        values: &mut ValueReader,
    ) -> Result<Vec<Found<'c>>, Failure> {
        if filter.is_empty() && sort_by.is_none() {
            return Ok(found);
        }
        // What cannot be read is said here; remarks on the others come when they are printed.
        let mut silent = ValueReader::silent();
        let mut chosen = Vec::new();
        for one in &found {
            let mut is_read = false;
            self.each(std::slice::from_ref(one), &mut silent, |one, node| {
                is_read = true;
                if filter.has(&node) {
                    let value = sort_by.map_or(SortValue::Nothing, |path| SortValue::of(&node, path));
                    chosen.push((value, *one));
                }
                Ok(true)
            })?;
            if !is_read {
                self.each(std::slice::from_ref(one), values, |_, _| Ok(true))?;
            }
        }
        chosen.sort_by(|a, b| a.1.0.cmp(&b.1.0).then_with(|| a.0.order(&b.0)));
        Ok(chosen.into_iter().map(|(_, one)| one).collect())
    }

    fn objects(
        &self,
        form: KubeForm,
        found: &[Found<'_>],
        is_list: bool,
        values: &mut ValueReader,
    ) -> Result<(), Failure> {
        let mut writer = ObjectWriter::begin(form, is_list)?;
        if form == KubeForm::Raw {
            for (_, key, _) in found {
                let Some((place, revision)) = self.states.of(key) else { continue };
                let value = self.snapshot.value(self.store, place)?;
                let version = revision.to_string();
                let options = Options { resource_version: Some(&version), ..Options::default() };
                if let Some(json) = values.api_json(key.key, &value, options) {
                    writer.line(json)?;
                }
                if !writer.wanted() {
                    break;
                }
            }
            return writer.finish();
        }
        self.each(found, values, |_, mut node| {
            if !self.args.show_managed_fields {
                take_managed_fields(&mut node);
            }
            writer.object(node)?;
            Ok(writer.wanted())
        })?;
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

    fn custom_columns(
        &self,
        mut table: CustomColumns,
        found: &[Found<'_>],
        values: &mut ValueReader,
    ) -> Result<(), Failure> {
        self.each(found, values, |_, node| {
            table.add(&node);
            Ok(true)
        })?;
        output::print(&table.text(!self.args.no_headers))
    }

    /// A table for each type.
    fn tables(&self, wanted: &[Wanted], found: &[Found<'_>], values: &mut ValueReader) -> Result<(), Failure> {
        let mut text = String::new();
        for (number, wanted) in wanted.iter().enumerate() {
            let mut of_type: Vec<Found<'_>> = found.iter().filter(|(of, ..)| *of == number).copied().collect();
            if of_type.is_empty() {
                continue;
            }
            let mut newest = None;
            let mut classes = Vec::new();
            let mut orders = Vec::new();
            let is_class = wanted.resource.plural == "storageclasses" && wanted.names.is_empty();
            let is_flow = wanted.resource.plural == "flowschemas";
            if self.now().is_none() || is_class || is_flow {
                let mut silent = ValueReader::silent();
                self.each(&of_type, &mut silent, |(_, key, object), node| {
                    newest = newest.max(age::created(&node));
                    classes.extend(is_class.then(|| default_class(&node)).flatten());
                    let order = node.at(&["spec", "matchingPrecedence"]).and_then(json_path::number);
                    orders.push((order.unwrap_or_default(), object.name.to_vec(), key.key.to_vec()));
                    Ok(true)
                })?;
            }
            if is_flow && self.args.sort_by.is_none() {
                orders.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
                of_type.sort_by_key(|(_, key, _)| orders.iter().position(|(.., other)| other == key.key));
            }
            let mut table = ObjectTable::new(&wanted.resource, self.cluster.columns(&wanted.resource));
            table.all = self.args.output == KubeOutput::Form(KubeForm::Wide);
            table.with_namespace = self.args.all_namespaces && wanted.resource.namespaced;
            table.with_type = found.iter().any(|(of, ..)| *of != number);
            // Without Leases the newest object is as near as one gets.
            table.now = self.now().or(newest);
            table.default_class = classes.into_iter().max().map(|(_, std::cmp::Reverse(name))| name);
            for one in &of_type {
                let mut is_read = false;
                self.each(std::slice::from_ref(one), values, |_, mut node| {
                    is_read = true;
                    name_by_key(&mut node, &one.2);
                    table.add(&node);
                    Ok(true)
                })?;
                if !is_read {
                    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    table.add_unreadable(&name(one.2.namespace), &name(one.2.name));
                }
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&table.text(!self.args.no_headers));
        }
        output::print(&text)
    }

    /// The time to which ages count, if the snapshot tells one.
    fn now(&self) -> Option<i64> {
        self.args.now.or(self.cluster.taken)
    }
}

/// Gives an object that cannot be read as far as its name the one that its key has.
fn name_by_key<'n>(node: &mut Node<'n>, object: &Object<'_>) {
    let is_named = node.at(&["metadata", "name"]).and_then(Node::text).is_some_and(|name| !name.is_empty());
    if is_named {
        return;
    }
    let text = |bytes: &[u8]| Node::Text(String::from_utf8_lossy(bytes).into_owned().into());
    let mut metadata = node.take("metadata").filter(|metadata| matches!(metadata, Node::Object(_)));
    let mut metadata = metadata.take().unwrap_or_else(|| Node::Object(Vec::new()));
    metadata.set("name", text(object.name));
    if !object.namespace.is_empty() {
        metadata.set("namespace", text(object.namespace));
    }
    node.set("metadata", metadata);
}

/// When a StorageClass that claims without one get was made, and its name; the newest of them counts, and of equally old ones the first.
fn default_class(class: &Node<'_>) -> Option<(i64, std::cmp::Reverse<String>)> {
    let annotations = class.at(&["metadata", "annotations"])?;
    let is_default = |name: &str| annotations.get(name).and_then(Node::text) == Some("true");
    let name = class.at(&["metadata", "name"])?.text()?.to_owned();
    (is_default("storageclass.kubernetes.io/is-default-class")
        || is_default("storageclass.beta.kubernetes.io/is-default-class"))
    .then(|| (age::created(class).unwrap_or_default(), std::cmp::Reverse(name)))
}
