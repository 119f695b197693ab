//! Writes objects as manifests: as one text, or as an archive with one file per object, piece by piece.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::rc::Rc;

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{is_secret, printable};
use etcdsnap_core::kubernetes::decode::Skip;
use etcdsnap_core::kubernetes::manifest;
use etcdsnap_core::kubernetes::manifest_fields::Keep;
use etcdsnap_core::kubernetes::manifest_files::{FileNames, commands, readme};
use etcdsnap_core::kubernetes::manifest_plan::{Choice, PlannedObject, definition_of, undefined, volume_of};
use etcdsnap_core::kubernetes::manifest_report::{COMPACTED_AWAY, ManifestReport, SECRET, UNREADABLE};
use etcdsnap_core::kubernetes::manifest_selection::is_passing;
use etcdsnap_core::kubernetes::object_groups::before_name;
use etcdsnap_core::kubernetes::yaml::to_yaml;
use rawzip::ZipArchiveWriter;

use super::object_answers::{ManifestAnswer, ManifestAsk};
use super::object_values::without_secrets;
use crate::browse::answers::narrow;
use crate::browse::purpose::unread;
use crate::browse::search::Show;
use crate::browse::view::{Refusal, View};

/// Most objects written at a time, limited by the memory of a tab.
const MOST: usize = 200_000;
/// Minimum bytes of a piece.
const PIECE: usize = 1 << 20;
/// Most warnings in the report.
const MOST_WARNINGS: usize = 20;

/// The target of the archive or text, emptied piece by piece.
#[derive(Clone, Default)]
struct Pieces(Rc<RefCell<Vec<u8>>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Manifests that are being written.
pub(crate) struct Writing {
    ask: ManifestAsk,
    /// The ids in order, and whether an object is written only because others need it.
    planned: Vec<(u32, bool)>,
    next: usize,
    report: ManifestReport,
    warnings: Vec<String>,
    pieces: Pieces,
    archive: Option<ZipArchiveWriter<Pieces>>,
    names: FileNames,
    has_definitions: bool,
    has_custom: bool,
    /// Prefixes of keys by kind and namespace, to find owners.
    below: HashMap<(String, Vec<u8>), Vec<Vec<u8>>>,
    volumes: HashSet<Vec<u8>>,
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Starts writing manifests; returns the maximum number of objects.
    pub(crate) fn begin_manifests(&mut self, ask: ManifestAsk) -> Result<u32, Refusal> {
        let asked = match &ask.ids {
            Some(ids) => {
                self.types();
                ids.clone()
            }
            None => self.ids_of(&ask.scope),
        };
        if asked.len() > MOST {
            return Err(format!(
                "These are {} objects, too many for the memory of a browser. Choose a kind or a namespace, or use a terminal: etcdsnap kube manifests FILE",
                asked.len()
            ));
        }
        let Some(types) = &self.objects.types else { return Err(unread()) };
        let planned = |id: u32, is_needed| {
            let object = self.object(self.all.name(&self.index, id as usize))?;
            Some((PlannedObject::new(object, types.resources.of(&object)?, is_needed), id))
        };
        let mut items: Vec<(PlannedObject<'_>, u32)> = asked
            .into_iter()
            .filter_map(|id| planned(id, false))
            .filter(|(item, _)| ask.ids.is_some() || is_in_scope(item, &ask))
            .collect();
        // The Namespace object itself is written with the objects in it.
        if let (None, None, Some(namespace)) = (&ask.ids, &ask.scope.kind, &ask.scope.namespace) {
            let key = self.key_of("Namespace", b"", namespace.as_bytes());
            let key = key.filter(|(_, is_live)| *is_live == (ask.scope.show != Show::Deleted));
            items.extend(key.and_then(|(key, _)| planned(self.id_of(&key)?, false)));
        }
        let needed: HashSet<String> = items.iter().filter_map(|(item, _)| definition_of(item.resource)).collect();
        let there: HashSet<&[u8]> =
            items.iter().filter(|(item, _)| item.is_definition).map(|(item, _)| item.object.name).collect();
        let definitions: Vec<u32> = needed
            .iter()
            .filter(|name| !there.contains(name.as_bytes()))
            .filter_map(|name| self.key_of("CustomResourceDefinition", b"", name.as_bytes()))
            .filter_map(|(key, _)| self.id_of(&key))
            .collect();
        items.extend(definitions.into_iter().filter_map(|id| planned(id, true)));
        items.sort_by_cached_key(|(item, _)| item.place());
        let mut report = ManifestReport::default();
        report.damaged(self.lost.places > 0, String::new());
        report.undefined(undefined(items.iter().map(|(item, _)| item)));
        let mut below: HashMap<(String, Vec<u8>), Vec<Vec<u8>>> = HashMap::new();
        for group in types.groups.list() {
            let first = self.all.name(&self.index, group.from as usize);
            let Some(object) = self.object(first) else { continue };
            let (Some(resource), Some(start)) = (types.resources.of(&object), before_name(first, &object)) else {
                continue;
            };
            let place = (resource.kind.clone(), object.namespace.to_vec());
            below.entry(place).or_default().push(start.to_vec());
        }
        let volumes = items.iter().filter(|(item, _)| item.resource.plural == "persistentvolumes");
        let pieces = Pieces::default();
        let writing = Writing {
            next: 0,
            warnings: Vec::new(),
            archive: ask.zip.then(|| ZipArchiveWriter::new(pieces.clone())),
            names: FileNames::up_to(items.len()),
            has_definitions: items.iter().any(|(item, _)| item.is_definition),
            has_custom: items.iter().any(|(item, _)| item.resource.custom),
            volumes: volumes.map(|(item, _)| item.object.name.to_vec()).collect(),
            planned: items.iter().map(|(item, id)| (*id, item.is_needed)).collect(),
            ask,
            report,
            pieces,
            below,
        };
        let total = narrow(writing.planned.len());
        self.objects.writing = Some(writing);
        Ok(total)
    }

    /// Writes the next manifests; returns their bytes and the number of objects left.
    pub(crate) fn write_manifests(&mut self) -> Result<(Vec<u8>, u32), Refusal> {
        let mut writing = self.objects.writing.take().ok_or_else(unread)?;
        while writing.pieces.0.borrow().len() < PIECE {
            let Some((id, is_needed)) = writing.planned.get(writing.next).copied() else { break };
            writing.next = writing.next.saturating_add(1);
            self.write_manifest(&mut writing, id, is_needed)?;
        }
        let bytes = std::mem::take(&mut *writing.pieces.0.borrow_mut());
        let left = writing.planned.len().saturating_sub(writing.next);
        self.objects.writing = Some(writing);
        Ok((bytes, narrow(left)))
    }

    fn write_manifest(&self, writing: &mut Writing, id: u32, is_needed: bool) -> Result<(), Refusal> {
        let Some(types) = &self.objects.types else { return Ok(()) };
        let Some(key) = self.all.get(&self.index, id as usize) else { return Ok(()) };
        let Some(object) = self.object(key.key) else { return Ok(()) };
        let Some(resource) = types.resources.of(&object) else { return Ok(()) };
        let item = PlannedObject::new(object, resource, is_needed);
        if is_secret(key.key) && !writing.ask.secrets {
            writing.report.leave_out(resource, &object, SECRET);
            return Ok(());
        }
        let Some(state) = self.state_of(id, &key) else {
            writing.report.leave_out(resource, &object, COMPACTED_AWAY);
            return Ok(());
        };
        let choice =
            Choice { is_named: writing.ask.ids.is_some(), with_owned: writing.ask.owned, deleted: key.deleted };
        let is_there = |kind: &str, name: &str| {
            [object.namespace, b""].iter().any(|namespace| {
                let places = writing.below.get(&(kind.to_owned(), namespace.to_vec()));
                places.into_iter().flatten().any(|below| {
                    let owner = self.index.get(&[below, name.as_bytes()].concat());
                    owner.is_some_and(|owner| key.deleted || !owner.deleted)
                })
            })
        };
        let secrets = writing.ask.secrets;
        let made = self.with_object(key.key, state, Skip::Nothing, |mut node, remarks| {
            if !remarks.is_empty() {
                return Err(UNREADABLE);
            }
            if !secrets && without_secrets(key.key, node.clone()).1 {
                return Err(SECRET);
            }
            if let Some(reason) = item.left_out(&node, choice, is_there) {
                return Err(reason);
            }
            let warnings = item.warnings(&node, choice);
            manifest::clean(&mut node, &Keep::default());
            Ok((to_yaml(&node), warnings, volume_of(&node).map(str::to_owned)))
        });
        let (yaml, warnings, volume) = match made.unwrap_or(Err(UNREADABLE)) {
            Ok(made) => made,
            Err(reason) => {
                writing.report.leave_out(resource, &object, reason);
                return Ok(());
            }
        };
        let room = MOST_WARNINGS.saturating_sub(writing.warnings.len());
        writing.warnings.extend(warnings.into_iter().take(room));
        if let Some(volume) = volume.filter(|volume| !writing.volumes.contains(volume.as_bytes())) {
            writing.report.lacks_volume(&volume);
        }
        writing.report.wrote(resource);
        let number = usize::try_from(writing.report.written()).unwrap_or(usize::MAX);
        match &mut writing.archive {
            Some(archive) => {
                let place = (object.namespace, object.name);
                let name = writing.names.name(number, item.is_definition, &resource.singular, place);
                add_file(archive, &name, yaml.as_bytes())
            }
            None => {
                let mut text = writing.pieces.0.borrow_mut();
                if number > 1 {
                    text.extend_from_slice(b"---\n");
                }
                text.extend_from_slice(yaml.as_bytes());
                Ok(())
            }
        }
    }

    /// Finishes the manifests; returns the last bytes and a report.
    pub(crate) fn finish_manifests(&mut self) -> Result<(Vec<u8>, ManifestAnswer), Refusal> {
        let writing = self.objects.writing.take().ok_or_else(unread)?;
        let Writing { ask, report, warnings, pieces, archive, has_definitions, has_custom, .. } = writing;
        let mut lines = report.left_out_lines_without_flags();
        lines.splice(0..0, warnings);
        let commands = match archive {
            Some(mut archive) => {
                let commands = commands(has_definitions);
                let is_deleted = ask.scope.show == Show::Deleted;
                let text = readme(&printable(&ask.file), self.revision, is_deleted, &commands, &report);
                add_file(&mut archive, "README.md", text.as_bytes())?;
                archive.finish().map_err(|cause| format!("The archive cannot be written: {cause}."))?;
                commands
            }
            None => {
                if has_definitions && has_custom {
                    lines.push("CustomResourceDefinitions and their objects are in one file. Apply it twice, or save a zip archive instead.".into());
                }
                Vec::new()
            }
        };
        let bytes = std::mem::take(&mut *pieces.0.borrow_mut());
        Ok((bytes, ManifestAnswer { written: report.written(), text: report.written_text(), lines, commands }))
    }
}

/// Tells whether an object of the scope is written. Short-lived types, such as Events, are written only if chosen; cluster-scoped objects among all namespaces only on request.
fn is_in_scope(item: &PlannedObject<'_>, ask: &ManifestAsk) -> bool {
    if ask.scope.kind.is_some() {
        return true;
    }
    let plural = item.resource.plural.as_str();
    let is_wanted = !item.object.namespace.is_empty() || plural == "namespaces" || ask.cluster_wide;
    is_wanted && !is_passing(&item.resource.group, plural)
}

fn add_file(archive: &mut ZipArchiveWriter<Pieces>, name: &str, bytes: &[u8]) -> Result<(), Refusal> {
    let failed = |cause: &dyn std::fmt::Display| format!("The archive cannot be written: {cause}.");
    let (mut entry, config) = archive.new_file(name).start().map_err(|cause| failed(&cause))?;
    let mut data = config.wrap(&mut entry);
    data.write_all(bytes).map_err(|cause| failed(&cause))?;
    let (_, output) = data.finish().map_err(|cause| failed(&cause))?;
    entry.finish(output).map_err(|cause| failed(&cause))?;
    Ok(())
}
