//! Messages about objects that were not found: in kubectl's words, and where the snapshot has them instead.

use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::store::Key;
use etcdsnap::grouped_number::{counted, grouped_revision};
use etcdsnap::{Cluster, printable};

use super::nearest::nearest;
use super::selection::{Wanted, also_type, has};
use crate::cli::exit::Exit;
use crate::cli::output;

/// Maximum number of namespaces in a message.
const NAMED: usize = 3;

/// A finished search for objects.
pub struct FinishedSearch<'l> {
    /// The searched objects.
    pub cluster: &'l Cluster,
    /// The searched namespace; `None` for all.
    pub namespace: Option<&'l str>,
    /// Whether the flag --deleted was given, so that only deleted objects were searched; `None` for a command without the flag.
    pub deleted: Option<bool>,
    /// Whether part of the file is lost, so that a missing object may have existed.
    pub is_damaged: bool,
}

impl FinishedSearch<'_> {
    /// Reports the named objects that were not found; returns the exit code.
    pub fn missing(&self, wanted: &[Wanted], is_found: impl Fn(&Wanted, &str) -> bool) -> Exit {
        let mut exit = Exit::Done;
        for wanted in wanted {
            for name in wanted.names.iter().filter(|name| !is_found(wanted, name)) {
                let place = self.namespace.filter(|_| wanted.resource.namespaced);
                let place = place.map(|namespace| format!(" in namespace {}", printable(namespace)));
                let called = printable(&wanted.resource.full_name(name));
                let deleted = if self.wants_deleted() { "deleted " } else { "" };
                let mut what = format!("there is no {deleted}{called}{}", place.unwrap_or_default());
                if self.is_damaged {
                    what.push_str(" that can be found; it may be in a lost part of the file");
                }
                output::complain(&what, &self.advice(wanted, name));
                exit = Exit::Damage;
            }
        }
        exit
    }

    /// Returns the advice for a missing object: where else it is, or a similar name.
    fn advice(&self, wanted: &Wanted, name: &str) -> String {
        let mut elsewhere = Vec::new();
        let mut deleted_at = None;
        let mut is_alive = false;
        let mut names = Vec::new();
        self.each(|key, object| {
            if !wanted.resource.stores(object) {
                return;
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let is_here = self.is_here(object);
            if is_here && key.deleted == self.wants_deleted() {
                names.push(text(object.name));
            }
            if object.name != name.as_bytes() {
                return;
            }
            if is_here && key.deleted {
                deleted_at = Some(key.revision.main);
            } else if is_here {
                is_alive = true;
            } else if key.deleted == self.wants_deleted() {
                elsewhere.push(text(object.namespace));
            }
        });
        if let (Some(revision), false) = (deleted_at, self.wants_deleted()) {
            let revision = grouped_revision(revision);
            let how = if self.deleted.is_some() { ": --deleted shows its last state" } else { "" };
            return format!("It was deleted at revision {revision}{how}.");
        }
        if is_alive {
            return "It is there, and not deleted: leave out --deleted.".to_owned();
        }
        elsewhere.sort();
        if let Some(first) = elsewhere.first() {
            let all: Vec<&str> = elsewhere.iter().take(NAMED).map(String::as_str).collect();
            let more = if elsewhere.len() > NAMED { " and others" } else { "" };
            return printable(&format!("There is one in namespace {}{more}: -n {first}.", all.join(", ")));
        }
        let also_type = also_type(&wanted.resource, name, &self.cluster.resources);
        if !also_type.is_empty() {
            return also_type;
        }
        if let Some(absent) = self.absent_namespace().filter(|_| wanted.resource.namespaced) {
            return absent;
        }
        let near = nearest(name, names.iter().map(String::as_str));
        let near = near.map(|near| format!("Did you mean {near}? ")).unwrap_or_default();
        let deleted = if self.deleted.is_some() { "deleted (--deleted)" } else { "deleted" };
        format!("{near}It may be {deleted}, or in an older snapshot (etcdsnap kube find DIR TYPE/NAME -n NS).")
    }

    /// Reports that nothing was found, in kubectl's words.
    pub fn nothing(&self, wanted: &[Wanted]) {
        let is_in_namespaces = wanted.iter().all(|wanted| wanted.resource.namespaced);
        output::print_to_stderr(&match self.namespace.filter(|_| is_in_namespaces) {
            Some(namespace) => format!("No resources found in {} namespace.\n", printable(namespace)),
            None => "No resources found\n".to_owned(),
        });
    }

    /// Reports why nothing was found: the namespace does not exist, or the objects are in other namespaces or deleted.
    pub fn report_where_else(&self, wanted: &[Wanted]) {
        if let Some(absent) = self
            .absent_namespace()
            .filter(|_| wanted.is_empty() || wanted.iter().any(|wanted| wanted.resource.namespaced))
        {
            output::warn(&absent);
            return;
        }
        let (mut elsewhere, mut deleted) = (0_u64, 0_u64);
        self.each(|key, object| {
            if has(wanted, object, None) {
                let count = if key.deleted != self.wants_deleted() {
                    if self.is_here(object) { &mut deleted } else { return }
                } else {
                    &mut elsewhere
                };
                *count = count.saturating_add(1);
            }
        });
        if elsewhere > 0 {
            output::warn(&format!(
                "Other namespaces have {} of this kind (-A).",
                counted(elsewhere, "object", "objects")
            ));
        } else if deleted > 0 && !self.wants_deleted() {
            let objects = counted(deleted, "object", "objects");
            let how = if self.deleted.is_some() { " (--deleted)" } else { "" };
            output::warn(&format!("The file still knows {objects} that were deleted{how}."));
        }
    }

    fn wants_deleted(&self) -> bool {
        self.deleted == Some(true)
    }

    fn is_here(&self, object: &Object<'_>) -> bool {
        object.namespace.is_empty() || self.namespace.is_none_or(|namespace| namespace.as_bytes() == object.namespace)
    }

    /// Returns a sentence if the snapshot does not have the namespace.
    fn absent_namespace(&self) -> Option<String> {
        let namespace = self.namespace?;
        let (mut is_there, mut deleted_at, mut names) = (false, None, Vec::new());
        self.each(|key, object| {
            if object.group.is_empty() && object.resource == b"namespaces" {
                if object.name == namespace.as_bytes() {
                    deleted_at = key.deleted.then_some(key.revision.main);
                    is_there |= !key.deleted;
                }
                names.extend((!key.deleted).then(|| String::from_utf8_lossy(object.name).into_owned()));
            } else if object.namespace == namespace.as_bytes() && key.deleted == self.wants_deleted() {
                is_there = true;
            }
        });
        // A store without any namespace holds only some resources, such as an etcd for events alone.
        if is_there || names.is_empty() {
            return None;
        }
        let shown = printable(namespace);
        if let Some(revision) = deleted_at {
            let revision = grouped_revision(revision);
            let how = if self.deleted.is_some() { " (--rev with one before, or --deleted)" } else { "" };
            return Some(format!("The namespace {shown} was deleted at revision {revision}{how}."));
        }
        let near = nearest(namespace, names.iter().map(String::as_str));
        let near = near.map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
        let can = if self.is_damaged { " that can be found" } else { "" };
        Some(format!("This snapshot has no namespace {shown}{can}.{near}"))
    }

    /// Calls `take` with all objects, including deleted ones.
    fn each(&self, take: impl FnMut(&Key<'_>, &Object<'_>)) {
        // This cannot run out of memory; if it did, only the advice would be shorter.
        let _ = self.cluster.each(take);
    }
}
