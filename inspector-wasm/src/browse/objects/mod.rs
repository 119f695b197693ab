//! The Kubernetes objects in a store.

mod decryption;
pub(crate) mod object_answers;
mod object_calls;
mod object_kinds;
mod object_list;
mod object_manifests;
mod object_rows;
#[cfg(test)]
mod object_tests;
mod object_text;
mod object_times;
mod object_values;
mod related_objects;

use std::collections::HashMap;
use std::sync::Arc;

use etcdsnap_core::kubernetes::definitions::Definitions;
use etcdsnap_core::kubernetes::encryption::keyring::Keyring;
use etcdsnap_core::kubernetes::object_groups::ObjectGroups;
use etcdsnap_core::kubernetes::resources::Resources;
use etcdsnap_core::kubernetes::time_line::TimeLine;
use etcdsnap_core::store::Event;

use object_list::Listed;
use object_manifests::Writing;

/// The state of the objects of a store.
#[derive(Default)]
pub(crate) struct Objects {
    /// The types of the current keys; none until they are first needed.
    pub(super) types: Option<Types>,
    pub(super) listed: Listed,
    /// The last states of deleted objects by the ids of their keys; none until they are read.
    pub(super) last: Option<HashMap<u32, Event>>,
    /// The times of revisions; the outer option is none until they are read, the inner one if no object contains a time.
    pub(super) times: Option<Option<TimeLine>>,
    /// The configuration that decrypts values. It stays when keys are read again.
    pub(super) keyring: Arc<Keyring>,
    pub(super) writing: Option<Writing>,
}

/// The types of the objects at a revision.
pub(crate) struct Types {
    pub(super) groups: ObjectGroups,
    pub(super) resources: Resources,
    pub(super) definitions: Definitions,
}

impl Objects {
    /// Drops everything that depends on the current keys.
    pub(crate) fn forget_keys(&mut self) {
        self.types = None;
        self.listed = Listed::default();
        self.last = None;
        self.writing = None;
    }
}
