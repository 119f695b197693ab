//! Values as objects: decrypted if necessary, and without secret values.

use std::borrow::Cow;

use etcdsnap_core::key_syntax::key_bytes;
use etcdsnap_core::kubernetes::decode::{Options, Skip};
use etcdsnap_core::kubernetes::encryption::keyring::{NoPlugins, Undecrypted};
use etcdsnap_core::kubernetes::object::{self, Remarks};
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::registry_keys::{Object, object_below};
use etcdsnap_core::kubernetes::value_changes::concealed;
use etcdsnap_core::sentence::sentence;
use etcdsnap_core::store::{EntryPlace, Key};
use etcdsnap_core::{Revision, Source};

use crate::browse::answers::narrow;
use crate::browse::view::{Refusal, View, value_at};

/// Says in a sentence why a value stays encrypted.
pub(super) fn closed(undecrypted: &Undecrypted) -> String {
    format!("It is encrypted ({}): {}.", undecrypted.needs, undecrypted.why)
}

/// Returns an object without its secret values, and whether it had any.
pub(super) fn without_secrets<'a>(key: &[u8], node: Node<'a>) -> (Node<'a>, bool) {
    match concealed(key, &node) {
        Some(shown) if shown != node => (shown, true),
        _ => (node, false),
    }
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Returns the object that a key names.
    pub(super) fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        object_below(key, &self.prefixes)
    }

    /// Decrypts a value if it is encrypted.
    pub(in crate::browse) fn opened<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.objects.keyring.open(key, value, &NoPlugins)
    }

    /// Returns the place and revision of the state of a key. For a deleted key, this is the last state, if it was read and is still stored.
    pub(super) fn state_of(&self, id: u32, key: &Key<'_>) -> Option<(EntryPlace, Revision)> {
        if !key.deleted {
            return Some((key.place, key.revision.main));
        }
        let event = self.objects.last.as_ref()?.get(&id)?;
        Some((event.place, event.revision.main))
    }

    /// Calls `make` with the object in a state, including its secret values.
    pub(super) fn with_object<T>(
        &self,
        key: &[u8],
        (place, revision): (EntryPlace, Revision),
        skip: Skip,
        make: impl FnOnce(Node<'_>, Remarks) -> T,
    ) -> Result<T, Refusal> {
        let stored = value_at(&self.store, place)?;
        let value = self.opened(key, &stored).map_err(|undecrypted| closed(&undecrypted))?;
        let version = revision.to_string();
        let options = Options { resource_version: Some(&version), skip, ..Options::default() };
        let (node, remarks) = object::tree(&value, options).map_err(|cause| sentence(cause.to_string()))?;
        Ok(make(node, remarks))
    }

    /// Decrypts the value of a key; none if it is not encrypted or cannot be decrypted.
    pub(crate) fn opened_value(&self, key: &str, value: &[u8]) -> Option<Vec<u8>> {
        match self.opened(&key_bytes(key)?, value) {
            Ok(Cow::Owned(opened)) => Some(opened),
            Ok(Cow::Borrowed(_)) | Err(_) => None,
        }
    }

    /// Returns the id of a key.
    pub(super) fn id_of(&self, key: &[u8]) -> Option<u32> {
        self.all.find(&self.index, key).map(narrow)
    }
}
