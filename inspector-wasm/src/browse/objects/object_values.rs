//! Values as objects: opened where they are encrypted, and without what is secret.

use std::borrow::Cow;

use etcdsnap_core::key_syntax::key_bytes;
use etcdsnap_core::kubernetes::decode::{Options, Skip};
use etcdsnap_core::kubernetes::encryption::keyring::{NoPlugins, Undecrypted};
use etcdsnap_core::kubernetes::object::{self, Remarks};
use etcdsnap_core::kubernetes::object_tree::Node;
use etcdsnap_core::kubernetes::registry_keys::{Object, object_below};
use etcdsnap_core::kubernetes::value_changes::concealed;
use etcdsnap_core::store::{EntryPlace, Key};
use etcdsnap_core::{Revision, Source};

use crate::browse::answers::narrow;
use crate::browse::view::{Refusal, View, value_at};

/// Why a value stays encrypted, as a sentence.
pub(super) fn closed(undecrypted: &Undecrypted) -> String {
    format!("It is encrypted ({}): {}.", undecrypted.needs, undecrypted.why)
}

/// An object without what is secret in it, and whether there was any.
pub(super) fn without_secrets<'a>(key: &[u8], node: Node<'a>) -> (Node<'a>, bool) {
    match concealed(key, &node) {
        Some(shown) if shown != node => (shown, true),
        _ => (node, false),
    }
}

impl<S: Source + ?Sized> View<'_, S> {
    /// The object that a key names.
    pub(super) fn object<'k>(&self, key: &'k [u8]) -> Option<Object<'k>> {
        object_below(key, &self.prefixes)
    }

    /// A value, opened where it is encrypted.
    pub(super) fn opened<'v>(&self, key: &[u8], value: &'v [u8]) -> Result<Cow<'v, [u8]>, Undecrypted> {
        self.objects.keyring.open(key, value, &NoPlugins)
    }

    /// Where the state of a key is that is shown, and the revision that wrote it: of a deleted one the last, as far as it was looked for and is kept.
    pub(super) fn state_of(&self, id: u32, key: &Key<'_>) -> Option<(EntryPlace, Revision)> {
        if !key.deleted {
            return Some((key.place, key.revision.main));
        }
        let event = self.objects.last.as_ref()?.get(&id)?;
        Some((event.place, event.revision.main))
    }

    /// Has something made of the object in a state, as it is stored: with all that is secret.
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
        let (node, remarks) = object::tree(&value, options).map_err(|cause| sentence(&cause.to_string()))?;
        Ok(make(node, remarks))
    }

    /// An encrypted value under a key, opened; none for one that is not encrypted or cannot be opened.
    pub(crate) fn opened_value(&self, key: &str, value: &[u8]) -> Option<Vec<u8>> {
        match self.opened(&key_bytes(key)?, value) {
            Ok(Cow::Owned(opened)) => Some(opened),
            Ok(Cow::Borrowed(_)) | Err(_) => None,
        }
    }

    /// The id of a key.
    pub(super) fn id_of(&self, key: &[u8]) -> Option<u32> {
        self.all.find(&self.index, key).map(narrow)
    }
}

/// Words as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let mut signs = words.chars();
    signs.next().map(|first| format!("{}{}.", first.to_uppercase(), signs.as_str())).unwrap_or_default()
}
