//! The store inside a snapshot: its keys and their history, and what the small buckets say.
//!
//! A [`Scan`](crate::Scan) judges a file; this looks into it. The leaves of bucket `key` are read in the order of the file, by any number of threads, and each answer is
//! a fold that does not depend on that order: [`Index`] (keys at a revision), [`History`](history::History) (one key), [`HashKv`](hashkv::HashKv).
//! Memory holds keys and where their values are, never the values. What is damaged is passed over and counted ([`Lost`]): the answer then says that it may lack something.

pub mod changes;
mod chunks;
pub mod contents;
mod defragmented;
pub mod difference;
pub mod entry;
pub mod filter;
pub(crate) mod fold;
mod group_names;
pub(crate) mod hash;
pub mod hashkv;
pub mod history;
pub mod index;
pub mod key;
pub mod last_puts;
pub mod mask;
pub mod mentions;
pub mod open;
pub mod opening;
pub mod order;
pub mod page;
mod page_share;
pub mod query;
pub mod range;
mod sample;
pub mod seek;
pub mod shared_index;
mod short_entry;
pub mod small;
pub mod survivors;
pub mod tally;
pub mod tree;
pub mod unread_revisions;
pub mod usage;

pub use crate::lost::Lost;
pub use contents::{Contents, Unlike};
pub use difference::{Change, compare};
pub use entry::{Entry, Place};
pub use hashkv::{HashKv, Hashing, Unavailable};
pub use history::{Event, History};
pub use index::Index;
pub use key::{Key, KeyAt, KeyState};
pub use last_puts::LastPuts;
pub use mask::Hidden;
pub use mentions::{Mention, Mentions};
pub use open::{Store, Work};
pub use opening::{Begun, OpenedStore, Opening};
pub use order::{Direction, Order, Rank};
pub use page::{PageField, PageView};
pub use query::Query;
pub use range::KeyRange;
pub use seek::Seek;
pub use shared_index::SharedIndex;
pub use small::{Alarm, Auth, Lease, Listing, Mark, Member};
pub use survivors::{SurvivorSearch, Survivors};
pub use tally::{Heavy, Sums, Tallies, Tally};
pub use tree::{Line, Tree};
pub use unread_revisions::UnreadRevisions;
pub use usage::Usage;
