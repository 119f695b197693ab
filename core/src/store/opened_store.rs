//! An opened store: the leaves of bucket `key`, split into pieces of work.

use crate::bolt::bucket::{self, BUCKET_HEADER};
use crate::bolt::leaf::{BUCKET, Element, ElementDefect, Leaf};
use crate::bolt::meta::MetaChoice;
use crate::bolt::page::{Header, PageKind, range, table_end};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::{Geometry, PageReader};
use crate::bolt::sizes::{ELEMENT, HEADER};
use crate::error::Error;
use crate::etcd::bucket_rules::SchemaFacts;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::RevisionKey;
use crate::etcd::revision_record::CompactionRevisions;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::int_readers::u32_le;
use crate::limits::{MAX_PARTS, READ_AHEAD};
use crate::lost_parts::LostParts;
use crate::offset::Offset;
use crate::progress::{IgnoreProgress, ScanProgress};
use crate::scan::branch_descent::TreeParents;
use crate::scan::damage_by_bucket::DamageByBucket;
use crate::scan::leaf_prefetch::reach;
use crate::scan::scanner::Scan;
use crate::scan::schema_buckets::ListedBucket;
use crate::source::Source;
use crate::store::entry::{EntryPlace, KeyEntry};
use crate::store::query::Query;
use crate::store::range::KeyRange;

/// Minimum number of leaves in a piece of work.
const LEAST_WORK: usize = 64;

/// Name of the bucket with the keys.
pub(super) const KEY: &str = "key";

/// Bytes between two calls of the progress callback.
const STRIDE: u64 = 512 << 10;

/// A leaf page of bucket `key`.
pub(crate) struct Page<'a> {
    /// Its rank among the leaves in key order.
    pub rank: usize,
    pub page: PageId,
    pub offset: Offset,
    pub leaf: Leaf<'a>,
    pub bytes: &'a [u8],
}

impl<'a> Page<'a> {
    /// Iterates over its entries in order; elements that are not entries go into `lost`.
    #[inline]
    pub fn entries<'p>(&'p self, lost: &'p mut LostParts) -> impl Iterator<Item = KeyEntry<'a>> + 'p {
        (0u32..).zip(self.leaf.elements()).filter_map(move |(index, element)| {
            let place = EntryPlace { page: self.page, index };
            match element.map(|element| (element, RevisionKey::parse(element.key))) {
                Ok((element, Some(key))) if element.flags & BUCKET == 0 => {
                    Some(KeyEntry { key, value: element.value, place })
                }
                odd => {
                    self.lose(odd.map(|(element, _)| element), lost);
                    None
                }
            }
        })
    }

    /// Counts an element that is not an entry.
    #[cold]
    fn lose(&self, element: Result<Element<'a>, ElementDefect>, lost: &mut LostParts) {
        lost.add_with(|| {
            let (code, at, text) = match element {
                Ok(element) => (Code::RevisionMalformed, element.at, "a key is not a revision".into()),
                Err(defect) => {
                    let defect = self.leaf.page_defect(defect);
                    (defect.code, defect.at, defect.message)
                }
            };
            Finding::new(code, text).page(self.page).offset(self.offset.plus(at as u64))
        });
    }
}

/// One piece of work. Any thread may take any piece, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work(usize);

/// An undamaged inline bucket: its one leaf.
pub(super) struct Inline {
    header: Header,
    entry: ListedBucket,
}

impl Inline {
    fn new(entry: ListedBucket) -> Option<Self> {
        match bucket::parse(&entry.value) {
            Ok(bucket::BucketLocation::Inline(header, _)) => Some(Self { header, entry }),
            _ => None,
        }
    }

    fn page(&self) -> Page<'_> {
        let bytes = self.entry.value.get(BUCKET_HEADER..).unwrap_or_default();
        let offset = self.entry.at.1.plus(BUCKET_HEADER as u64);
        Page { rank: 0, page: PageId::ZERO, offset, leaf: Leaf::new(self.header, bytes), bytes }
    }
}

/// The contents of a snapshot.
pub struct Store<'s, S: Source + ?Sized> {
    pub(crate) source: &'s S,
    pub(crate) geometry: Geometry,
    pub(crate) listed: Vec<ListedBucket>,
    facts: SchemaFacts,
    marks: CompactionRevisions,
    /// Page id and rank of each leaf of bucket `key`, in file order.
    pub(super) leaves: Vec<(PageId, usize)>,
    /// Page ids of the leaves.
    pages: Vec<PageId>,
    /// Bucket `key` if it is inline.
    pub(super) inline: Option<Inline>,
    current: Revision,
    database_bytes: u64,
    damage: DamageByBucket,
    /// The meta page that determines the tree.
    pub(super) meta: MetaChoice,
    /// The pages in the freelist.
    pub(super) free: PageSet,
    /// The parents of the pages of bucket `key`.
    pub(super) parents: TreeParents,
}

impl<'s, S: Source + ?Sized> Store<'s, S> {
    pub(super) fn new(mut scan: Scan<'s, S>, ordered: &[PageId], parents: TreeParents) -> Result<Self, Error> {
        let mut leaves: Vec<(PageId, usize)> = ordered.iter().enumerate().map(|(rank, page)| (*page, rank)).collect();
        leaves.sort_unstable();
        leaves.dedup_by_key(|(page, _)| *page);
        if leaves.len() < ordered.len() {
            let text = "two places in bucket `key` point to the same leaf: one of them has lost its own";
            scan.damage.add_finding(KEY, Finding::new(Code::PageShared, text));
        }
        leaves.shrink_to_fit();
        let inline = scan.key_entry.and_then(Inline::new);
        let mut store = Self {
            source: scan.source,
            geometry: scan.geometry,
            listed: scan.listed,
            marks: scan.facts.compactions(),
            facts: scan.facts,
            pages: leaves.iter().map(|(page, _)| *page).collect(),
            leaves,
            inline,
            current: Revision::ZERO,
            database_bytes: scan.logical_size,
            damage: scan.damage,
            meta: scan.meta,
            free: scan.free,
            parents,
        };
        store.current = store.last(ordered)?.max(store.marks.finished).max(store.marks.scheduled).max(Revision::FIRST);
        Ok(store)
    }

    /// The current revision: the main revision of the latest entry, or of a later compaction request.
    #[must_use]
    pub fn current(&self) -> Revision {
        self.current
    }

    /// Creates a query for some keys at a revision. At the current revision every entry counts: in a damaged file the
    /// newest may not be the last.
    #[must_use]
    pub fn query(&self, range: KeyRange, revision: Revision) -> Query {
        let revision = if revision == self.current { Revision::MAX } else { revision };
        Query { range, folders: Vec::new(), revision, hash_values: false }
    }

    /// The revision of the last requested compaction, or -1: older revisions are not available.
    #[must_use]
    pub fn compacted(&self) -> Revision {
        self.marks.finished.max(self.marks.scheduled)
    }

    /// The facts from the small buckets.
    #[must_use]
    pub fn facts(&self) -> &SchemaFacts {
        &self.facts
    }

    /// Damage known before any leaf is read that leaves answers about keys incomplete.
    #[must_use]
    pub fn lost(&self) -> LostParts {
        self.lost_of(&[KEY])
    }

    /// Damage that leaves answers from these buckets incomplete.
    #[must_use]
    pub fn lost_of(&self, buckets: &[&str]) -> LostParts {
        self.damage.affecting(buckets)
    }

    /// Whether no damage was found so far, relevant or not.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    /// The page size in bytes.
    #[must_use]
    pub fn page_size(&self) -> u32 {
        self.geometry.page_size
    }

    /// Length of the database in bytes: free pages included, trailer excluded.
    #[must_use]
    pub fn database_bytes(&self) -> u64 {
        self.database_bytes
    }

    /// The number of bytes that all pieces of work read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.pages.len() as u64).saturating_mul(u64::from(self.geometry.page_size))
    }

    /// Iterates over all pieces of work.
    pub fn work(&self) -> impl Iterator<Item = Work> + use<S> {
        let count = self.pages.len().div_ceil(self.leaves_each()).max(1);
        (0..count).map(Work)
    }

    /// Returns start and end of the file range of one piece of work, for callers that fetch it in advance. The range is
    /// wide if few of its pages are leaves. It includes read-ahead, but not the overflow pages of the last leaf.
    #[must_use]
    pub fn span(&self, work: Work) -> (u64, u64) {
        let pages = self.pages.chunks(self.leaves_each()).nth(work.0).unwrap_or_default();
        let (Some(first), Some(last)) = (pages.first(), pages.last()) else { return (0, 0) };
        let end = self.geometry.offset(last.next()).get().saturating_add(READ_AHEAD as u64);
        (self.geometry.offset(*first).get(), end.min(self.source.len()))
    }

    fn leaves_each(&self) -> usize {
        self.pages.len().div_ceil(MAX_PARTS).max(LEAST_WORK)
    }

    /// Calls `take` with each entry of one piece of work.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop. Damage is returned as a count.
    pub fn entries(
        &self,
        work: Work,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(&KeyEntry<'_>, &mut LostParts),
    ) -> Result<LostParts, Error> {
        let mut lost = LostParts::default();
        let mut odd = LostParts::default();
        let unread = self.leaves(work, progress, &mut |page| {
            for entry in page.entries(&mut lost) {
                take(&entry, &mut odd);
            }
        })?;
        lost.append(odd);
        lost.append(unread);
        Ok(lost)
    }

    /// Calls `take` with each leaf of one piece of work, in file order.
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    pub(crate) fn leaves(
        &self,
        work: Work,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(&Page<'_>),
    ) -> Result<LostParts, Error> {
        let mut lost = LostParts::default();
        if let (Some(inline), 0) = (&self.inline, work.0) {
            take(&inline.page());
            return Ok(lost);
        }
        let each = self.leaves_each();
        let leaves = self.leaves.chunks(each).nth(work.0).unwrap_or_default();
        let pages = self.pages.chunks(each).nth(work.0).unwrap_or_default();
        let mut reader = PageReader::new(self.source, self.geometry);
        let (mut unreported, mut expected) = (0u64, PageId::ZERO);
        for (index, (page, rank)) in leaves.iter().enumerate() {
            if *page >= expected {
                let reach = reach(pages.get(index..).unwrap_or_default(), self.geometry);
                reader.announce(usize::try_from(reach.pages_since(*page)).unwrap_or(1));
                expected = reach;
            }
            if let Some(page) = self.page(&mut reader, *page, *rank, &mut lost)? {
                take(&page);
            }
            unreported = unreported.saturating_add(u64::from(self.geometry.page_size));
            if unreported >= STRIDE {
                progress.advance(std::mem::take(&mut unreported));
                if progress.cancelled() {
                    return Err(Error::Cancelled);
                }
            }
        }
        progress.advance(unreported);
        Ok(lost)
    }

    /// Reads a leaf; `None` if it is damaged, which is counted. A failed read is not damage, but an error.
    pub(super) fn page<'r>(
        &self,
        reader: &'r mut PageReader<'_, S>,
        page: PageId,
        rank: usize,
        lost: &mut LostParts,
    ) -> Result<Option<Page<'r>>, Error> {
        let offset = self.geometry.offset(page);
        let odd = |code, text: String| Finding::new(code, text).page(page).offset(offset);
        let (header, overflow) = match reader.header_and_overflow(page)? {
            Ok(extent) => extent,
            Err(defect) => {
                lost.add(odd(defect.code, defect.message));
                return Ok(None);
            }
        };
        if header.kind() != Some(PageKind::Leaf) {
            lost.add(odd(Code::PageType, header.wrong_type()));
            return Ok(None);
        }
        if header.id != page {
            // Its contents are used, but this place may have belonged to another page before.
            lost.add(odd(Code::PageIdMismatch, header.wrong_id(page)));
        }
        let overflow = if overflow > 0 { self.before_next(reader, page, overflow)? } else { 0 };
        let bytes = reader.pages(page, overflow)?;
        Ok(Some(Page { rank, page, offset, leaf: Leaf::new(header, bytes), bytes }))
    }

    /// Limits the overflow pages of a leaf to those before the next leaf: overlapping leaves would otherwise return the
    /// same bytes again and again. The next page counts as a leaf only if its own header says so, because a single
    /// wrong page id in a branch page can place a leaf within another one.
    fn before_next(&self, reader: &mut PageReader<'_, S>, page: PageId, overflow: u32) -> Result<u32, Error> {
        let last = page.plus(u64::from(overflow));
        let behind = self.pages.partition_point(|next| *next <= page);
        for next in self.pages.get(behind..).unwrap_or_default().iter().take_while(|next| **next <= last) {
            if reader.first(*next)?.is_ok_and(|(header, _)| header.kind() == Some(PageKind::Leaf) && header.id == *next)
            {
                let own = next.pages_since(page).saturating_sub(1);
                return Ok(u32::try_from(own).unwrap_or(overflow));
            }
        }
        Ok(overflow)
    }

    /// Calls `take` with every entry in revision order, on one thread, until `take` returns false.
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    pub fn entries_in_order(
        &self,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(&KeyEntry<'_>, &mut LostParts) -> bool,
    ) -> Result<LostParts, Error> {
        let mut lost = LostParts::default();
        let mut odd = LostParts::default();
        let unread = self.leaves_in_order(progress, &mut |page, of_page| {
            lost.append(of_page);
            page.is_none_or(|page| page.entries(&mut lost).all(|entry| take(&entry, &mut odd)))
        })?;
        lost.append(odd);
        lost.append(unread);
        Ok(lost)
    }

    /// Calls `take` with every leaf in revision order, on one thread, until `take` returns false: with `None` for an
    /// unreadable leaf, and with the irregularities of the page. Returns the irregularities of the whole bucket.
    pub(crate) fn leaves_in_order(
        &self,
        progress: &dyn ScanProgress,
        take: &mut dyn FnMut(Option<&Page<'_>>, LostParts) -> bool,
    ) -> Result<LostParts, Error> {
        if self.inline.is_some() {
            return self.leaves(Work(0), progress, &mut |page| {
                let _ = take(Some(page), LostParts::default());
            });
        }
        let mut ranked = self.leaves.clone();
        ranked.sort_unstable_by_key(|(_, rank)| *rank);
        let mut reader = PageReader::new(self.source, self.geometry);
        for (page, rank) in ranked {
            progress.advance(u64::from(self.geometry.page_size));
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut lost = LostParts::default();
            let page = self.page(&mut reader, page, rank, &mut lost)?;
            if !take(page.as_ref(), lost) {
                break;
            }
        }
        Ok(LostParts::default())
    }

    /// Calls `take` with the entries at some places, in file order; reads each page once.
    ///
    /// # Errors
    /// The same errors as [`Store::entries`].
    pub fn entries_at(
        &self,
        mut places: Vec<EntryPlace>,
        take: &mut dyn FnMut(&KeyEntry<'_>),
    ) -> Result<LostParts, Error> {
        places.sort_unstable();
        places.dedup();
        let mut lost = LostParts::default();
        let mut some = |page: &Page<'_>, wanted: &[EntryPlace], lost: &mut LostParts| {
            let mut wanted = wanted.iter().peekable();
            for entry in page.entries(lost) {
                if wanted.next_if(|place| place.index == entry.place.index).is_some() {
                    take(&entry);
                }
            }
        };
        if self.inline.is_some() {
            let unread = self.leaves(Work(0), &IgnoreProgress, &mut |page| some(page, &places, &mut lost))?;
            lost.append(unread);
            return Ok(lost);
        }
        let mut reader = PageReader::new(self.source, self.geometry);
        for wanted in places.chunk_by(|a, b| a.page == b.page) {
            let Some(first) = wanted.first() else { continue };
            if let Some(page) = self.page(&mut reader, first.page, 0, &mut lost)? {
                some(&page, wanted, &mut lost);
            }
        }
        Ok(lost)
    }

    /// Reads the encoded `mvccpb.KeyValue` of an entry; `None` if it is not readable any more. Reads only its bytes,
    /// not the page around them.
    ///
    /// # Errors
    /// [`Error::Read`] when the source fails.
    pub fn value(&self, place: EntryPlace) -> Result<Option<Vec<u8>>, Error> {
        let index = usize::try_from(place.index).unwrap_or(usize::MAX);
        if let (Some(inline), PageId::ZERO) = (&self.inline, place.page) {
            return Ok(inline.page().leaf.element(index).ok().map(|element| element.value.to_vec()));
        }
        if self.geometry.check(place.page, 0).is_err() {
            return Ok(None);
        }
        let start = self.geometry.offset(place.page);
        let read = |at: usize, len: usize| {
            let offset = start.plus(at as u64);
            let mut bytes = vec![0; len];
            let failed = |cause| Error::Read { offset, len: len as u64, cause };
            self.source.read_at(offset.get(), &mut bytes).map_err(failed).map(|()| bytes)
        };
        let head = read(0, HEADER)?;
        let leaf = |header: &Header| header.kind() == Some(PageKind::Leaf) && index < usize::from(header.count);
        let header = Header::parse(&head).filter(leaf);
        let at = table_end(index);
        let Some(header) = header.filter(|_| table_end(index.saturating_add(1)) <= self.geometry.page_size as usize)
        else {
            return Ok(None);
        };
        let element = read(at, ELEMENT)?;
        let [pos, key, value] = [4, 8, 12].map(|field| u32_le(&element, field).unwrap_or(u32::MAX));
        // A page ends with the file, whatever it claims.
        let there = self.geometry.present.pages_since(place.page);
        let pages = u64::from(header.overflow).saturating_add(1).min(there);
        let len = pages.saturating_mul(u64::from(self.geometry.page_size));
        let value =
            range(at, pos, key).and_then(|key| Some(key.end..key.end.checked_add(usize::try_from(value).ok()?)?));
        match value.filter(|value| value.end as u64 <= len) {
            Some(value) => read(value.start, value.len()).map(Some),
            None => Ok(None),
        }
    }

    /// Finds the main revision of the last readable entry, given the leaves in key order; 0 if there is none.
    fn last(&self, ordered: &[PageId]) -> Result<Revision, Error> {
        let last =
            |page: &Page<'_>| page.entries(&mut LostParts::default()).last().map(|entry| entry.key.revision.main);
        if let Some(inline) = &self.inline {
            return Ok(last(&inline.page()).unwrap_or_default());
        }
        let mut reader = PageReader::new(self.source, self.geometry);
        for (rank, page) in ordered.iter().enumerate().rev() {
            // A leaf with several parents is read once.
            if self.leaves.binary_search(&(*page, rank)).is_err() {
                continue;
            }
            let page = self.page(&mut reader, *page, rank, &mut LostParts::default())?;
            if let Some(main) = page.as_ref().and_then(last) {
                return Ok(main);
            }
        }
        Ok(Revision::ZERO)
    }
}
