//! What all leaves of a file are read for.

use etcdsnap_core::kubernetes::encryption::opened_values::OpenedValues;
use etcdsnap_core::kubernetes::value_search::ValueSearch;
use etcdsnap_core::store::{HashKvPart, History, Index, KeyRange, LastPuts, Lost, Mentions, Query, Store};
use etcdsnap_core::{Revision, Source};

use super::last_search::Search;
use super::refusal::Refusal;
use super::steps::Steps;
use crate::headroom::Headroom;

/// A question that is being read for.
pub(crate) struct Reading<'s, S: Source + ?Sized> {
    pub(super) purpose: Purpose<'s, S>,
    pub(super) lost: Lost,
    pub(super) steps: Steps,
    pub(super) headroom: Headroom,
}

/// What it is read for.
pub(crate) enum Purpose<'s, S: Source + ?Sized> {
    /// The keys at a revision.
    Keys(Index),
    /// The keys of the other side of a comparison: its store, unless it is another revision of the same file.
    Other(Option<Box<Store<'s, S>>>, Index),
    History(History),
    Hash(Box<HashKvPart>),
    /// Which encrypted values a configuration opens.
    Decryption(Box<OpenedValues>),
    /// What deleted objects were before.
    LastStates(LastPuts<'static>),
    /// Which values name an object.
    Mentions(Mentions),
    /// The values of some keys, and the search that they are read for.
    Values(ValueSearch, Search),
}

/// All keys at a revision, their values hashed so that they can be compared.
pub(super) fn query<S: Source + ?Sized>(store: &Store<'_, S>, revision: Revision) -> Query {
    Query { hash_values: true, ..store.query(KeyRange::all(), revision) }
}

/// What is said when a question is finished that was not begun: a mistake of the page.
pub(super) fn unread() -> Refusal {
    "Nothing was read.".into()
}

impl<S: Source + ?Sized> Reading<'_, S> {
    pub(super) fn new<'s>(lost: Lost, purpose: Purpose<'s, S>) -> Reading<'s, S> {
        Reading { purpose, lost, steps: Steps::default(), headroom: Headroom::default() }
    }
}
