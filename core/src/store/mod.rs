//! The store inside a snapshot: its keys and their history, and the contents of the small buckets.
//!
//! A [`Scan`](crate::Scan) judges a file; this module reads its contents. Any number of threads read the leaves of
//! bucket `key` in file order, and no answer depends on that order: [`Index`] (keys at a revision),
//! [`History`](key_history::History) (one key), [`HashKv`](hashkv::HashKv). Memory holds keys and the places of their
//! values, never the values. Damaged parts are skipped and counted ([`LostParts`]): the answer then says that it may be
//! incomplete.

pub mod changes;
mod chunks;
pub mod cluster_buckets;
mod defragmented;
pub mod diff_prefilter;
pub mod difference;
pub mod entry;
mod entry_batch;
pub mod filter;
mod group_names;
pub mod hashkv;
pub mod incremental_open;
pub mod index;
pub(crate) mod index_row;
pub(crate) mod index_shard;
pub mod index_with_values;
pub mod key_at;
pub(crate) mod key_hash;
pub mod key_history;
pub mod key_state;
pub mod key_tree;
pub mod key_word;
pub mod last_puts;
pub mod masked_bytes;
pub mod mentions;
pub mod opened_store;
pub mod page_dissect;
pub mod page_map;
pub mod page_place;
mod page_share;
pub(crate) mod partitioned_fold;
pub mod query;
pub mod range;
mod sample;
pub mod seek;
pub mod shared_index;
mod short_entry;
pub mod sorted_keys;
pub mod survivors;
pub mod unread_revisions;
pub mod usage;
pub mod usage_by_group;
mod wanted_entry;

pub use crate::lost_parts::LostParts;
pub use changes::Changes;
pub use cluster_buckets::{Alarm, Auth, Lease, Listing, Member, StoredSetting};
pub use diff_prefilter::{Contents, Unlike};
pub use difference::KeyDifference;
pub use entry::{EntryPlace, KeyEntry};
pub use hashkv::{HashKv, HashKvPart, RevisionUnavailable};
pub use incremental_open::{Begun, OpenedStore, Opening};
pub use index::Index;
pub use index_with_values::IndexWithValues;
pub use key_at::KeyAt;
pub use key_history::{Event, EventsByKey, Histories, History};
pub use key_state::{Key, KeyState};
pub use key_tree::{Tree, TreeLine};
pub use last_puts::LastPuts;
pub use masked_bytes::MaskedRange;
pub use mentions::{Mention, Mentions};
pub use opened_store::{Store, Work};
pub use page_dissect::{PageField, PageView};
pub use page_map::{MapPart, PageMap};
pub use page_place::{DatabasePart, PagePlace};
pub use query::Query;
pub use range::KeyRange;
pub use seek::Seek;
pub use shared_index::SharedIndex;
pub use sorted_keys::{Direction, Order, Rank};
pub use survivors::{SurvivorSearch, Survivors};
pub use unread_revisions::UnreadRevisions;
pub use usage::Usage;
pub use usage_by_group::{GroupTally, Heavy, Sums, Tallies};
