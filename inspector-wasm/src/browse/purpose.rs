//! The kinds of queries that read all leaves of a file.

use etcdsnap_core::kubernetes::encryption::decryption_counts::DecryptionCounts;
use etcdsnap_core::kubernetes::value_search::ValueSearch;
use etcdsnap_core::store::{HashKvPart, History, Index, KeyRange, LastPuts, LostParts, Mentions, Query, Store};
use etcdsnap_core::{Revision, Source};

use super::last_search::Search;
use super::refusal::Refusal;
use super::steps::Steps;
use crate::headroom::Headroom;

/// A running query.
pub(crate) struct Reading<'s, S: Source + ?Sized> {
    pub(super) purpose: Purpose<'s, S>,
    pub(super) lost: LostParts,
    pub(super) steps: Steps,
    pub(super) headroom: Headroom,
}

/// The kind of a query, with its partial result.
pub(crate) enum Purpose<'s, S: Source + ?Sized> {
    /// The keys at a revision.
    Keys(Index),
    /// The keys of the other side of a comparison: its store, unless it is another revision of the same file.
    Other(Option<Box<Store<'s, S>>>, Index),
    History(History),
    Hash(Box<HashKvPart>),
    /// Which encrypted values a configuration decrypts.
    Decryption(Box<DecryptionCounts>),
    /// The last states of deleted objects.
    LastStates(LastPuts<'static>),
    /// The values that mention an object.
    Mentions(Mentions),
    /// The values of some keys, and the search that reads them.
    Values(ValueSearch, Search),
}

/// Selects all keys at a revision, with hashed values for comparison.
pub(super) fn query<S: Source + ?Sized>(store: &Store<'_, S>, revision: Revision) -> Query {
    Query { hash_values: true, ..store.query(KeyRange::all(), revision) }
}

/// Returns the error for finishing a query that was not started, which is a bug in the page.
pub(super) fn unread() -> Refusal {
    "No query was started. This is a bug in etcdsnap: please report it.".into()
}

impl<S: Source + ?Sized> Reading<'_, S> {
    pub(super) fn new<'s>(lost: LostParts, purpose: Purpose<'s, S>) -> Reading<'s, S> {
        Reading { purpose, lost, steps: Steps::default(), headroom: Headroom::default() }
    }
}
