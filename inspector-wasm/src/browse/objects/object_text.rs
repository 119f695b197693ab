//! An object as text, and the difference between two of its states.

use etcdsnap_core::Source;
use etcdsnap_core::key_syntax::{key_bytes, key_text};
use etcdsnap_core::kubernetes::decode::Options;
use etcdsnap_core::kubernetes::encryption::keyring::NoPlugins;
use etcdsnap_core::kubernetes::encryption::needed_key::Encrypted;
use etcdsnap_core::kubernetes::envelope::{Envelope, envelope};
use etcdsnap_core::kubernetes::helm_release::{ReleaseFacts, hide_values, read, stored_release, unpack};
use etcdsnap_core::kubernetes::object;
use etcdsnap_core::kubernetes::object_groups::before_name;
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::object_trouble::{Owner, relations};
use etcdsnap_core::kubernetes::table_objects::take_managed_fields;
use etcdsnap_core::kubernetes::value_changes::{Showing, value_changes};
use etcdsnap_core::kubernetes::yaml::to_yaml;
use etcdsnap_core::sentence::sentence;

use super::object_answers::{HelmRelease, ObjectChanges, ObjectField, ObjectOwner, ObjectShowing, ObjectText};
use super::object_values::{closed, without_secrets};
use crate::browse::view::View;

impl<S: Source + ?Sized> View<'_, S> {
    /// Returns the object in a value that a key had at a revision; none if the value is not an object.
    pub(crate) fn object_text(
        &mut self,
        key: &str,
        stored: &[u8],
        revision: i64,
        showing: ObjectShowing,
    ) -> Option<ObjectText> {
        let key = key_bytes(key)?;
        self.types();
        let value = match self.opened(&key, stored) {
            Ok(value) => value,
            Err(undecrypted) => {
                return Some(ObjectText { problem: Some(closed(&undecrypted)), ..ObjectText::default() });
            }
        };
        let is_named = self.object(&key).is_some();
        let is_object = match envelope(&value) {
            Envelope::Protobuf(_) => true,
            Envelope::Json(_) | Envelope::Cbor(_) => is_named,
            _ => false,
        };
        if !is_object {
            return None;
        }
        let opened = Encrypted::of(stored).map(|encrypted| self.objects.keyring.needed_key(&encrypted, &NoPlugins));
        let opened = opened.map(|needed| needed.to_string());
        let version = revision.to_string();
        let options =
            Options { resource_version: Some(&version).filter(|_| revision > 0).map(|x| &**x), ..Options::default() };
        let (node, remarks) = match object::tree(&value, options) {
            Ok(read) => read,
            Err(cause) => {
                let problem = Some(sentence(cause.to_string()));
                return Some(ObjectText { problem, opened, ..ObjectText::default() });
            }
        };
        let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
        // JSON that is not an object, such as data that other programs store below the same prefix.
        if matches!(envelope(&value), Envelope::Json(_)) && (text("kind").is_empty() || text("apiVersion").is_empty()) {
            return None;
        }
        let relations = relations(&node);
        let namespace = node.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or_default().to_owned();
        let owners = relations.owners.iter().map(|owner| self.owner(owner, namespace.as_bytes())).collect();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let release = self.release(&key, &node, showing.secrets);
        let (concealed, is_secret) = without_secrets(&key, node.clone());
        let is_hidden = is_secret && !showing.secrets;
        let mut shown = if is_hidden { concealed } else { node };
        let is_folded = !showing.managed_fields && take_managed_fields(&mut shown).is_some();
        Some(ObjectText {
            yaml: Some(to_yaml(&shown)),
            api_version,
            kind,
            folded: is_folded,
            secret: is_secret,
            hidden: is_hidden,
            remarks: remarks.sentences().into_iter().map(sentence).collect(),
            problem: None,
            opened,
            uid: relations.uid.unwrap_or_default(),
            owners,
            release,
        })
    }

    /// Returns an owner with its key, if it exists: in the same namespace, or cluster-scoped.
    fn owner(&self, owner: &Owner, namespace: &[u8]) -> ObjectOwner {
        let key = self.key_of(&owner.kind, namespace, owner.name.as_bytes());
        let key = key.filter(|(_, is_live)| *is_live).map(|(key, _)| key_text(&key));
        ObjectOwner { kind: owner.kind.clone(), name: owner.name.clone(), key }
    }

    /// Returns the key of an object of a kind, in this namespace or cluster-scoped, and whether it is live.
    pub(super) fn key_of(&self, kind: &str, namespace: &[u8], name: &[u8]) -> Option<(Vec<u8>, bool)> {
        let types = self.objects.types.as_ref()?;
        types.groups.list().iter().find_map(|group| {
            let first = self.all.name(&self.index, group.from as usize);
            let object = self.object(first)?;
            let is_place = object.namespace == namespace || object.namespace.is_empty();
            if !is_place || types.resources.of(&object)?.kind != kind {
                return None;
            }
            let below = before_name(first, &object)?;
            let key = [below, name].concat();
            let number = self.all.find(&self.index, &key)?;
            let is_live = !self.all.get(&self.index, number)?.deleted;
            Some((key, is_live))
        })
    }

    /// Returns the Helm release in an object.
    fn release(&self, key: &[u8], node: &Node<'_>, with_secrets: bool) -> Option<HelmRelease> {
        let object = self.object(key)?;
        let (_, name, number) = stored_release(&object)?;
        let json = unpack(node).ok()?;
        let release = read(&json).ok()?;
        let facts = ReleaseFacts::of(&release);
        let mut values = release.get("config").cloned().unwrap_or(Node::Null);
        if !with_secrets {
            hide_values(&mut values);
        }
        let text =
            |path: &[&str]| with_secrets.then(|| release.at(path).and_then(Node::text).unwrap_or_default().to_owned());
        Some(HelmRelease {
            name: name.to_owned(),
            revision: number,
            status: facts.status,
            updated: facts.updated,
            chart: facts.chart,
            app_version: facts.app_version,
            values: to_yaml(&values),
            manifest: text(&["manifest"]),
            notes: text(&["info", "notes"]),
        })
    }

    /// Returns the fields that differ between two values of a key.
    pub(crate) fn object_changes(&self, key: &str, old: &[u8], new: &[u8], showing: ObjectShowing) -> ObjectChanges {
        let key = key_bytes(key).unwrap_or_default();
        let showing = Showing { secrets: showing.secrets, managed_fields: showing.managed_fields };
        let opened = |value| self.opened(&key, value).map_err(|undecrypted| closed(&undecrypted));
        let changes = opened(old).and_then(|old| {
            let new = opened(new)?;
            value_changes(&key, &old, &new, showing).map_err(|cause| sentence(cause.to_string()))
        });
        match changes {
            Err(problem) => ObjectChanges { problem: Some(problem), ..ObjectChanges::default() },
            Ok(changes) => ObjectChanges {
                fields: changes
                    .fields
                    .list
                    .into_iter()
                    .map(|field| ObjectField { path: field.path, old: field.old, new: field.new, hidden: field.hidden })
                    .collect(),
                more: changes.fields.more,
                folded: changes.folded,
                remarks: changes.remarks.iter().map(sentence).collect(),
                problem: None,
            },
        }
    }
}
