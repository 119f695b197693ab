//! The store inside a snapshot: its keys and their history, and what the small buckets say.
//!
//! A [`Scan`](crate::Scan) judges a file; this looks into it. The leaves of bucket `key` are read in the order of the file, by any number of threads, and each answer is
//! a fold that does not depend on that order: [`Index`](index::Index) (keys at a revision), [`History`](history::History) (one key), [`HashKv`](hashkv::HashKv).
//! Memory holds keys and where their values are, never the values. What is damaged is passed over and counted ([`Lost`]): the answer then says that it may lack something.

pub mod difference;
pub mod hashkv;
pub mod history;
pub mod index;
pub mod kubernetes;
pub mod open;
pub mod order;
pub mod page;
pub mod range;
pub mod small;
pub mod tree;
pub mod usage;

pub use difference::{Change, compare};
pub use hashkv::{HashKv, Hashing, Unavailable};
pub use history::{Event, History};
pub use index::{Index, Key, KeyState, Query, Shard};
pub use open::{Entry, Lost, OpenedStore, Place, Store, Work};
pub use order::{KeyAt, Order};
pub use page::{PageField, PageView};
pub use range::KeyRange;
pub use small::{Alarm, Auth, Lease, Mark, Member};
pub use tree::{Line, Tree};
pub use usage::Usage;
