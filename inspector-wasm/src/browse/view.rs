//! An open store, with the state of the page's lists.

use etcdsnap_core::etcd::keyvalue::KeyValue;
use etcdsnap_core::key_syntax::{is_secret, key_bytes, key_text};
use etcdsnap_core::kubernetes::registry_keys::prefixes;
use etcdsnap_core::protobuf_raw::{self, MessageField};
use etcdsnap_core::store::{
    Begun, EntryPlace, HashKvPart, History, Index, Key, LostParts, MaskedRange, Opening, Order, PageMap, PagePlace,
    PageView, Store, Tree, TreeLine,
};
use etcdsnap_core::{Error, MetaChoice, PageId, Revision, Source};

use super::answers::{HashAnswer, KeyEvent, KeyEvents, KeyRow, Revealed, StoreFacts, TreeRow, narrow};
use super::comparison::Comparison;
use super::last_search::Search;
use super::objects::Objects;
use super::purpose::{Purpose, Reading, query, unread};
pub(crate) use super::refusal::Refusal;

/// An open store.
pub(crate) struct View<'s, S: Source + ?Sized> {
    pub(super) store: Store<'s, S>,
    pub(super) index: Index,
    pub(super) revision: Revision,
    pub(super) lost: LostParts,
    /// All keys in order. The index of a key is its id.
    pub(super) all: Order,
    /// The live keys.
    live: Order,
    /// Prefixes of Kubernetes API servers among the keys.
    pub(super) prefixes: Vec<Vec<u8>>,
    tree: Tree,
    /// Ids of the keys in the list.
    pub(super) listed: Vec<u32>,
    pub(super) search: Option<Search>,
    pub(super) comparison: Option<Comparison<'s, S>>,
    pub(super) reading: Option<Reading<'s, S>>,
    pub(super) objects: Objects,
}

/// Starts opening a store.
pub(crate) fn begin<S: Source + ?Sized>(source: &S, meta: MetaChoice) -> Result<Opening<'_, S>, Refusal> {
    match Opening::begin_by(source, meta).map_err(to_refusal)? {
        Begun::Opening(opening) => Ok(*opening),
        Begun::Refused(report) => {
            let why =
                report.findings.list().first().map_or("This is not a snapshot.", |finding| finding.message.as_str());
            Err(format!("This file has no keys to read: {why}"))
        }
    }
}

pub(crate) fn to_refusal(error: Error) -> Refusal {
    format!("{error}.")
}

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Creates a view without keys. See [`View::begin_keys`].
    pub(crate) fn new(store: Store<'s, S>) -> Self {
        Self {
            revision: store.current(),
            index: Index::new(query(&store, Revision::ZERO)),
            store,
            lost: LostParts::default(),
            all: Order::default(),
            live: Order::default(),
            prefixes: Vec::new(),
            tree: Tree::default(),
            listed: Vec::new(),
            search: None,
            comparison: None,
            reading: None,
            objects: Objects::default(),
        }
    }

    /// Starts reading the keys at a revision; 0 is the latest.
    pub(crate) fn begin_keys(&mut self, revision: Revision) -> Result<(), Refusal> {
        let revision = self.store.at(revision).map_err(|cause| format!("{cause}."))?;
        // Drops the old keys first, because both may not fit into memory.
        self.comparison = None;
        self.listed = Vec::new();
        self.objects.forget_keys();
        self.search = None;
        (self.all, self.live, self.tree) = (Order::default(), Order::default(), Tree::default());
        let query = query(&self.store, revision);
        self.index = Index::new(query.clone());
        self.revision = revision;
        self.begin(self.store.lost(), Purpose::Keys(Index::new(query)));
        Ok(())
    }

    pub(crate) fn finish_keys(&mut self) -> Result<StoreFacts, Refusal> {
        let Some(Reading { purpose: Purpose::Keys(index), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        (self.index, self.lost) = (index, lost);
        self.all = Order::of(&self.index, |_| true);
        self.live = self.all.only(&self.index, |key| !key.deleted);
        self.prefixes = prefixes(self.index.names());
        self.tree = Tree::new(&self.index, &self.live);
        Ok(self.facts())
    }

    pub(crate) fn facts(&self) -> StoreFacts {
        StoreFacts {
            revision: self.revision,
            latest: self.store.current(),
            oldest: self.store.compacted().max(Revision::FIRST),
            live: narrow(self.live.len()),
            deleted: narrow(self.all.len().saturating_sub(self.live.len())),
            lost: self.lost.places,
            first_lost: self.lost.first.clone(),
            database_bytes: self.store.database_bytes(),
            has_objects: self
                .prefixes
                .iter()
                .any(|prefix| !self.all.prefix(&self.index, &[prefix, &b"/"[..]].concat()).is_empty()),
        }
    }

    /// Returns the number of live keys at the revision.
    pub(crate) fn live(&self) -> usize {
        self.live.len()
    }

    /// Drops the other side of the comparison.
    pub(crate) fn end_comparison(&mut self) {
        self.comparison = None;
    }

    pub(super) fn row(&self, id: usize) -> Option<KeyRow> {
        self.all.get(&self.index, id).map(|key| KeyRow::new(id, &key))
    }

    /// Returns the row of a key.
    pub(super) fn row_of(&self, key: &Key<'_>) -> Option<KeyRow> {
        self.all.find(&self.index, key.key).map(|id| KeyRow::new(id, key))
    }

    pub(crate) fn rows(&self, from: u32, count: u32) -> Vec<KeyRow> {
        let ids = self.listed.iter().skip(from as usize).take(count as usize);
        ids.filter_map(|id| self.row(*id as usize)).collect()
    }

    pub(crate) fn tree(&mut self) -> u32 {
        self.tree = Tree::new(&self.index, &self.live);
        narrow(self.tree.len())
    }

    pub(crate) fn lines(&self, from: u32, count: u32) -> Vec<TreeRow> {
        let (from, count) = (from as usize, count as usize);
        let lines = self.tree.lines(&self.index, &self.live, from..from.saturating_add(count));
        lines.filter_map(|line| self.line(&line)).collect()
    }

    fn line(&self, line: &TreeLine) -> Option<TreeRow> {
        let key = self.live.get(&self.index, line.start as usize)?;
        let part = key.key.get(line.from as usize..line.to as usize).unwrap_or_default();
        Some(TreeRow {
            depth: line.depth,
            name: key_text(part),
            folder: line.folder,
            open: line.open,
            keys: line.end.saturating_sub(line.start),
            first: self.row_of(&key)?,
        })
    }

    pub(crate) fn toggle(&mut self, line: u32) -> u32 {
        self.tree.toggle(&self.index, &self.live, line as usize);
        narrow(self.tree.len())
    }

    pub(crate) fn reveal(&mut self, id: u32) -> Option<Revealed> {
        let name = self.all.name(&self.index, id as usize);
        let number = self.live.find(&self.index, name)?;
        let line = self.tree.reveal(&self.index, &self.live, number)?;
        Some(Revealed { line: narrow(line), total: narrow(self.tree.len()) })
    }

    pub(crate) fn find(&self, key: &str) -> Option<KeyRow> {
        let id = self.all.find(&self.index, &key_bytes(key)?)?;
        self.row(id)
    }

    pub(crate) fn value(&self, id: u32) -> Result<Vec<u8>, Refusal> {
        let key = self.all.get(&self.index, id as usize).ok_or("This key is no longer in the list. Open it again.")?;
        value_at(&self.store, key.place)
    }

    pub(crate) fn value_at(&self, page: u64, index: u32) -> Result<Vec<u8>, Refusal> {
        value_at(&self.store, EntryPlace { page: PageId::new(page), index })
    }

    pub(crate) fn begin_history(&mut self, id: u32) {
        let history = History::of(self.all.name(&self.index, id as usize));
        self.begin(self.store.lost(), Purpose::History(history));
    }

    pub(crate) fn finish_history(&mut self) -> Result<KeyEvents, Refusal> {
        let Some(Reading { purpose: Purpose::History(history), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        let events = history.into_events().iter().map(KeyEvent::from).collect();
        Ok(KeyEvents { events, lost: lost.places })
    }

    /// Starts computing `HashKV` at a revision; 0 is the latest.
    pub(crate) fn begin_hash(&mut self, revision: Revision) -> Result<(), Refusal> {
        let revision = self.store.at(revision).map_err(|cause| format!("{cause}."))?;
        let hashing = HashKvPart::new(&self.store, revision);
        self.begin(self.store.lost(), Purpose::Hash(Box::new(hashing)));
        Ok(())
    }

    pub(crate) fn finish_hash(&mut self) -> Result<HashAnswer, Refusal> {
        let Some(Reading { purpose: Purpose::Hash(hashing), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        if let Some(first) = lost.first {
            return Err(format!("There is no hash, because part of the file cannot be read: {}", first.message));
        }
        let hash = hashing.finish();
        Ok(HashAnswer { hash: hash.hash, revision: hash.revision, compact_revision: hash.compact_revision })
    }

    pub(crate) fn page(&self, page: u64) -> Result<PageView, Refusal> {
        let mut view = self.store.page_view(PageId::new(page)).map_err(to_refusal)?;
        // A page without structure can be the middle of a secret, if the file contains secrets.
        if !view.readable && self.index.iter().any(|key| is_secret(key.key)) {
            view.hidden = vec![MaskedRange { at: 0, len: u32::MAX }];
        }
        Ok(view)
    }

    pub(crate) fn page_place(&self, page: u64) -> Result<PagePlace, Refusal> {
        self.store.page_place(PageId::new(page)).map_err(to_refusal)
    }

    pub(crate) fn page_map(&self) -> Result<PageMap, Refusal> {
        self.store.page_map().map_err(to_refusal)
    }

    pub(crate) fn page_bytes(&self, page: u64) -> Result<Vec<u8>, Refusal> {
        self.store.page_bytes(PageId::new(page)).map_err(to_refusal)
    }
}

/// Returns the value in an entry.
pub(crate) fn value_at<S: Source + ?Sized>(store: &Store<'_, S>, place: EntryPlace) -> Result<Vec<u8>, Refusal> {
    let message = store.value(place).map_err(to_refusal)?;
    let pair = message.as_deref().and_then(KeyValue::parse);
    pair.map(|pair| pair.value.to_vec()).ok_or_else(|| "The value cannot be decoded.".into())
}

pub(crate) fn message_of(bytes: &[u8]) -> Option<Vec<MessageField>> {
    protobuf_raw::read(bytes)
}
