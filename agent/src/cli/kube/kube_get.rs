//! `etcdsnap kube get FILE TYPE [NAME…]`

use etcdsnap::core::Revision;
use etcdsnap::core::kubernetes::age;
use etcdsnap::core::kubernetes::columns::Columns;
use etcdsnap::core::kubernetes::decode::{Options, Skip};
use etcdsnap::core::kubernetes::json_path::{self, JsonPath};
use etcdsnap::core::kubernetes::object_tree::Node;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::kubernetes::table_objects::{default_class, take_managed_fields};
use etcdsnap::core::store::{EntryPlace, Key, Store};
use etcdsnap::{Cluster, FileSource, NoProgress, Snapshot, StoredObject, printable};

use super::early_rows::{self, EarlyRows, RowOutcome};
use super::kube_file;
use super::not_found::FinishedSearch;
use super::object_filter::{self, ObjectFilter, SortValue};
use super::object_states::ObjectStates;
use super::object_tables::{CustomColumns, ObjectTable};
use super::object_template::ObjectTemplate;
use super::object_writer::ObjectWriter;
use super::selection::{self, Wanted};
use super::uncertain_states;
use super::value_reader::ValueReader;
use crate::cli::args_kube::{KubeForm, KubeGetArgs, KubeOutput};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inspect;
use crate::cli::output::{self, Lines};

/// Runs the command.
///
/// # Errors
/// When a type is unknown, an object that was named is not there, the file cannot be read, or stdout cannot be written.
pub fn run(args: &KubeGetArgs) -> Result<Exit, Failure> {
    let (snapshot, bar) = kube_file::open(&args.file, &args.objects)?;
    let store = snapshot.store()?;
    let (revision, prefix) = kube_file::revision_and_prefix(&args.file, &snapshot, &store)?;
    let mut values = ValueReader::new(args.show_secrets);
    let foreseen = early_rows::foreseen(args);
    let table = foreseen.as_ref().map(|wanted| early_rows::table(args, wanted, Columns::of(&wanted.resource, None)));
    let early = |stored: StoredObject<'_>| {
        let (wanted, table) = foreseen.as_ref().zip(table.as_ref())?;
        if !wanted.has(&stored.object, args.namespace.chosen()) {
            return None;
        }
        let now = args.now.or(stored.taken)?;
        Some(early_rows::row(table, &values, &stored, Some(now)))
    };
    let namespace = args.namespace.chosen();
    let only = foreseen.as_ref().map(|wanted| &wanted.resource);
    let (mut cluster, rows) = snapshot.cluster_with(&store, revision, prefix.as_deref(), only, &bar, early)?;
    if let Some(wanted) = &foreseen
        && !cluster.has_object(|key, object| !key.deleted && wanted.has(object, namespace))
    {
        // Other objects tell why there are none.
        cluster = snapshot.cluster(&store, revision, prefix.as_deref(), &bar)?;
    }
    let lost = std::mem::take(&mut cluster.lost);
    let filter = ObjectFilter::parse(args.selector.as_deref(), args.field_selector.as_deref())?;
    let sort_by = args.sort_by.as_deref().map(|text| object_filter::path("--sort-by", text)).transpose()?;
    let custom = match &args.output {
        KubeOutput::CustomColumns(text) => Some(CustomColumns::parse(text)?),
        KubeOutput::Form(_) | KubeOutput::Template(..) => None,
    };
    let template = match &args.output {
        KubeOutput::Template(form, text) => Some(ObjectTemplate::parse(*form, text)?),
        KubeOutput::Form(_) | KubeOutput::CustomColumns(_) => None,
    };
    // A built-in type has its names to itself, whatever the snapshot defines.
    let wanted = selection::parse(&args.objects, &cluster.resources)?;
    refuse_contradictions(args, &wanted, &filter)?;
    filter.check(&wanted, &cluster)?;
    let found = find(&cluster, &wanted, namespace, args.deleted).map_err(|cause| snapshot.failed(cause))?;
    let states = ObjectStates::find(&snapshot, &store, found.iter().map(|(_, key, _)| key), revision, &bar)?;
    drop(bar);
    let exit = inspect::report_losses(&args.file.file, &lost);
    let reading = GetContext { args, snapshot: &snapshot, store: &store, cluster: &cluster, states };
    let search =
        FinishedSearch { cluster: &cluster, namespace, deleted: Some(args.deleted), is_damaged: lost.places > 0 };
    let found = reading.chosen(found, &filter, sort_by.as_ref(), &mut values)?;
    reading.report_uncertain(&found);
    let is_list = !(is_one(&wanted) && found.len() == 1);
    // If none of the named objects exists, kubectl prints no list.
    let has_list = !found.is_empty() || wanted.iter().all(|wanted| wanted.names.is_empty());
    match &args.output {
        KubeOutput::Form(KubeForm::Table | KubeForm::Wide) => reading.tables(&wanted, &found, rows, &mut values)?,
        KubeOutput::Form(KubeForm::Name) => reading.names(&wanted, &found)?,
        KubeOutput::Form(form) => {
            if has_list {
                reading.objects(*form, &found, is_list, &mut values)?;
            }
        }
        KubeOutput::Template(..) => {
            if let Some(template) = template.filter(|_| has_list) {
                let skip = template.skipped(is_list);
                template.print(is_list, args.show_secrets, |take| {
                    reading.each(&found, &mut values, skip, |(_, key, _), node| take(key.key, node))
                })?;
            }
        }
        KubeOutput::CustomColumns(_) => {
            if let Some(table) = custom {
                reading.custom_columns(table, &found, &mut values)?;
            }
        }
    }
    let missing = search.missing(&wanted, |wanted, name| {
        args.ignore_not_found
            || found.iter().any(|(_, _, object)| wanted.resource.stores(object) && object.name == name.as_bytes())
    });
    if found.is_empty() && wanted.iter().all(|wanted| wanted.names.is_empty()) {
        if matches!(args.output, KubeOutput::Form(KubeForm::Table | KubeForm::Wide)) {
            search.nothing(&wanted);
        }
        if filter.is_empty() {
            search.report_where_else(&wanted);
        }
    }
    Ok(exit.max(values.finish(&snapshot)).max(missing))
}

/// Whether one object is asked for by its name; it is printed by itself, not in a list.
fn is_one(wanted: &[Wanted]) -> bool {
    matches!(wanted, [one] if one.names.len() == 1)
}

/// Refuses flags that contradict each other, as kubectl does.
fn refuse_contradictions(args: &KubeGetArgs, wanted: &[Wanted], filter: &ObjectFilter) -> Result<(), Failure> {
    let is_table = matches!(args.output, KubeOutput::Form(KubeForm::Table | KubeForm::Wide));
    if args.show_labels && !is_table {
        return Err(Failure::new(
            "--show-labels adds a column to tables, and -o asks for no table",
            "Leave one of the two out.",
        ));
    }
    let is_named = wanted.iter().any(|wanted| !wanted.names.is_empty());
    if is_named && !filter.is_empty() {
        let advice = "Leave out the names, or -l and --field-selector.";
        return Err(Failure::new("objects are chosen by their names or by selectors, and not by both", advice));
    }
    Ok(())
}

/// An object with the index of its type among the wanted ones.
type FoundObject<'c> = (usize, Key<'c>, Object<'c>);

/// Returns the wanted objects, type by type.
fn find<'c>(
    cluster: &'c Cluster,
    wanted: &[Wanted],
    namespace: Option<&str>,
    deleted: bool,
) -> Result<Vec<FoundObject<'c>>, etcdsnap::core::Error> {
    let place = |object: &Object<'_>| selection::place(wanted, object, namespace);
    let objects = cluster.objects(|key, object| key.deleted == deleted && place(object).is_some())?;
    // API servers list objects by their keys; named objects come in the order of their names on the command line.
    let mut found: Vec<_> =
        objects.into_iter().filter_map(|(key, object)| Some((place(&object)?, key, object))).collect();
    found.sort_by(|a, b| (a.0, a.1.key).cmp(&(b.0, b.1.key)));
    Ok(found.into_iter().map(|((number, _), key, object)| (number, key, object)).collect())
}

/// The parts that are needed to read objects.
struct GetContext<'r, 's> {
    args: &'r KubeGetArgs,
    snapshot: &'r Snapshot,
    store: &'r Store<'s, FileSource>,
    cluster: &'r Cluster,
    states: ObjectStates,
}

impl GetContext<'_, '_> {
    /// Reports of how many objects a newer state or the deletion may be lost.
    fn report_uncertain(&self, found: &[FoundObject<'_>]) {
        if self.args.deleted {
            let states = found.iter().filter_map(|(_, key, _)| Some((*key, self.states.of(key)?.1)));
            uncertain_states::report_deleted(&self.cluster.unread, states);
        } else {
            uncertain_states::report_of(&self.cluster.unread, found.iter().map(|(_, key, _)| key.revision.main));
        }
    }

    /// Calls `take` with one object after the other until it returns false. Objects that cannot be decoded are reported and left out.
    fn each<'c>(
        &self,
        found: &[FoundObject<'c>],
        values: &mut ValueReader,
        skip: Skip,
        mut take: impl FnMut(&FoundObject<'c>, Node<'_>) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        for one in found {
            let (_, key, _) = one;
            let Some((place, revision)) = self.states.of(key) else { continue };
            let value = self.snapshot.value(self.store, place)?;
            let version = revision.to_string();
            let options = Options { resource_version: Some(&version), skip, ..Options::default() };
            if let Some(node) = values.tree(key.key, &value, options)
                && !take(one, node)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Returns the objects that meet the selectors, in the requested order.
    fn chosen<'c>(
        &self,
        found: Vec<FoundObject<'c>>,
        filter: &ObjectFilter,
        sort_by: Option<&JsonPath>,
        values: &mut ValueReader,
    ) -> Result<Vec<FoundObject<'c>>, Failure> {
        if filter.is_empty() && sort_by.is_none() {
            return Ok(found);
        }
        // Objects that cannot be decoded are reported here; remarks on the others come when they are printed.
        let mut silent = ValueReader::silent();
        let mut chosen = Vec::new();
        for one in &found {
            let mut is_read = false;
            let skip = if sort_by.is_some() { Skip::Nothing } else { Skip::ManagedFields };
            self.each(std::slice::from_ref(one), &mut silent, skip, |one, node| {
                is_read = true;
                if filter.has(&node) {
                    let value = sort_by.map_or(SortValue::Nothing, |path| SortValue::of(&node, path));
                    chosen.push((value, *one));
                }
                Ok(true)
            })?;
            if !is_read {
                self.each(std::slice::from_ref(one), values, Skip::Nothing, |_, _| Ok(true))?;
            }
        }
        if sort_by.is_some() {
            let path = self.args.sort_by.as_deref().unwrap_or_default();
            object_filter::check_order(chosen.iter().map(|(value, _)| value), path)?;
        }
        chosen.sort_by(|a, b| a.1.0.cmp(&b.1.0).then_with(|| a.0.order(&b.0)));
        Ok(chosen.into_iter().map(|(_, one)| one).collect())
    }

    fn objects(
        &self,
        form: KubeForm,
        found: &[FoundObject<'_>],
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
        let skip = if self.args.show_managed_fields { Skip::Nothing } else { Skip::ManagedFields };
        self.each(found, values, skip, |_, mut node| {
            if !self.args.show_managed_fields {
                take_managed_fields(&mut node);
            }
            writer.object(node)?;
            Ok(writer.wanted())
        })?;
        writer.finish()
    }

    fn names(&self, wanted: &[Wanted], found: &[FoundObject<'_>]) -> Result<(), Failure> {
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
        found: &[FoundObject<'_>],
        values: &mut ValueReader,
    ) -> Result<(), Failure> {
        self.each(found, values, Skip::Nothing, |_, node| {
            table.add(&node);
            Ok(true)
        })?;
        output::print(&table.text(!self.args.no_headers))
    }

    /// Prints a table for each run of objects of one type.
    fn tables(
        &self,
        wanted: &[Wanted],
        found: &[FoundObject<'_>],
        mut early: EarlyRows,
        values: &mut ValueReader,
    ) -> Result<(), Failure> {
        let mut text = String::new();
        let mut is_guessed = false;
        let wanted_of = |one: &FoundObject<'_>| wanted.get(one.0);
        let type_of = |one: &FoundObject<'_>| wanted_of(one).map(|wanted| &wanted.resource);
        let with_type = found.iter().any(|one| type_of(one) != found.first().and_then(type_of));
        for of_type in found.chunk_by(|a, b| type_of(a) == type_of(b)) {
            let Some(wanted) = of_type.first().and_then(wanted_of) else { continue };
            let mut of_type = of_type.to_vec();
            let mut newest = None;
            let mut classes = Vec::new();
            let mut orders = Vec::new();
            let is_class = wanted.resource.plural == "storageclasses" && wanted.names.is_empty();
            let is_flow = wanted.resource.plural == "flowschemas";
            if self.now().is_none() || is_class || is_flow {
                let mut silent = ValueReader::silent();
                self.each(&of_type, &mut silent, Skip::ManagedFields, |(_, key, object), node| {
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
            let mut table = early_rows::table(self.args, wanted, self.cluster.columns(&wanted.resource));
            table.with_type |= with_type;
            // Without Leases, the newest object is the best estimate of the time.
            let now = self.now().or(newest);
            is_guessed |= self.now().is_none() && newest.is_some();
            table.default_class = classes.into_iter().max().map(|(_, std::cmp::Reverse(name))| name);
            self.rows(&of_type, &mut table, now, &mut early, values)?;
            if !text.is_empty() && !self.args.no_headers {
                text.push('\n');
            }
            text.push_str(&table.text(!self.args.no_headers));
        }
        output::print(&text)?;
        if is_guessed {
            output::warn("Ages count to the newest of these objects: nothing tells when the snapshot was taken.");
        }
        Ok(())
    }

    /// Adds the rows of objects. Rows that were not formatted early are formatted now, on all threads.
    fn rows(
        &self,
        found: &[FoundObject<'_>],
        table: &mut ObjectTable<'_>,
        now: Option<i64>,
        early: &mut EarlyRows,
        values: &mut ValueReader,
    ) -> Result<(), Failure> {
        let mut outcomes: Vec<Option<RowOutcome>> = Vec::new();
        let mut left: Vec<(usize, EntryPlace, Revision)> = Vec::new();
        let states = found.iter().zip(0..).filter_map(|((_, key, _), at)| {
            let (place, revision) = self.states.of(key)?;
            Some((place, at, revision))
        });
        let mut states: Vec<(EntryPlace, usize, Revision)> = states.collect();
        states.sort_unstable();
        outcomes.resize_with(found.len(), || None);
        let mut early = std::mem::take(early).into_iter().peekable();
        for (place, at, revision) in states {
            while early.next_if(|(made, _)| *made < place).is_some() {}
            match early.next_if(|(made, _)| *made == place) {
                Some((_, made)) => {
                    if let Some(outcome) = outcomes.get_mut(at) {
                        *outcome = Some(made);
                    }
                }
                None => left.push((at, place, revision)),
            }
        }
        let places: Vec<EntryPlace> = left.iter().map(|(_, place, _)| *place).collect();
        let (reader, columns) = (&*values, &*table);
        let made = self.snapshot.map_values(self.store, &places, &NoProgress, |number, value| {
            let (at, _, revision) = left.get(number)?;
            let (_, key, object) = found.get(*at)?;
            let stored = StoredObject { object: *object, key: key.key, value, revision: *revision, taken: now };
            Some(early_rows::row(columns, reader, &stored, now))
        })?;
        for ((at, ..), made) in left.iter().zip(made) {
            if let Some(outcome) = outcomes.get_mut(*at) {
                *outcome = made;
            }
        }
        for ((_, key, object), outcome) in found.iter().zip(outcomes) {
            if let Some(outcome) = &outcome {
                values.note(key.key, outcome.as_ref().map(|(_, remarks)| remarks));
            }
            match outcome {
                Some(Ok((row, _))) => table.add(row),
                _ => {
                    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    table.add_unreadable(&name(object.namespace), &name(object.name));
                }
            }
        }
        Ok(())
    }

    /// Returns the time up to which ages are counted, if the snapshot tells it.
    fn now(&self) -> Option<i64> {
        self.args.now.or(self.cluster.taken)
    }
}
