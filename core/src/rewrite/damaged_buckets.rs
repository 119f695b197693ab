//! The buckets of a damaged file: those that the live root page lists, and those of the older one where that is damaged.

use std::collections::BTreeMap;

use crate::bolt::bucket::{self, BucketLocation};
use crate::bolt::leaf::{BUCKET, Leaf};
use crate::bolt::meta::Meta;
use crate::bolt::reader::Geometry;
use crate::bolt::write::file_builder::MAX_KEY;
use crate::error::Error;
use crate::etcd::bucket_rules::REQUIRED;
use crate::finding::Finding;
use crate::limits::MAX_BUCKETS;
use crate::rewrite::intact_tree::{IntactTrees, Met};
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::salvage_report::Origin;
use crate::rewrite::stray_pages::all_pages;
use crate::source::Source;

/// A bucket as a root page has it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub value: Vec<u8>,
    /// Whether the older root names it, and not the live one.
    pub older: bool,
}

/// The buckets that a root page lists, by name.
type Listed = BTreeMap<Vec<u8>, Bucket>;

/// Takes the flags, key and value of an element.
pub(super) type TakePair<'t> = dyn FnMut(u32, &[u8], &[u8]) + 't;

/// The buckets of a damaged file.
pub(super) struct DamagedBuckets<'s, S: Source + ?Sized> {
    pub source: &'s S,
    pub live: Meta,
    /// The meta page of the tree before; none when nothing is to be taken from it.
    pub older: Option<Meta>,
    listed: Listed,
    /// What the older root page lists, when it was read.
    older_listed: Option<Listed>,
}

impl<'s, S: Source + ?Sized> DamagedBuckets<'s, S> {
    /// Looks for them; what cannot be read comes with them.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn find(source: &'s S, live: Meta, older: Option<Meta>) -> Result<(Self, Vec<Finding>), Error> {
        let mut buckets = Self { source, live, older, listed: Listed::new(), older_listed: None };
        let (mut listed, damage) = buckets.roots(live)?;
        if !damage.is_empty() {
            for (name, bucket) in buckets.older_listed()? {
                listed.entry(name.clone()).or_insert_with(|| Bucket { older: true, ..bucket.clone() });
            }
        }
        buckets.listed = listed;
        Ok((buckets, damage))
    }

    /// The bucket of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Bucket> {
        self.listed.get(name)
    }

    /// The bucket of this name as the older root page has it, and the meta page of its tree.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn in_older_tree(&mut self, name: &[u8]) -> Result<Option<(Meta, &[u8])>, Error> {
        let Some(older) = self.older else { return Ok(None) };
        Ok(self.older_listed()?.get(name).map(|bucket| (older, bucket.value.as_slice())))
    }

    fn older_listed(&mut self) -> Result<&Listed, Error> {
        let listed = match (self.older_listed.take(), self.older) {
            (Some(listed), _) => listed,
            (None, Some(older)) => self.roots(older)?.0,
            (None, None) => Listed::new(),
        };
        Ok(self.older_listed.insert(listed))
    }

    fn geometry(&self, meta: Meta) -> Geometry {
        let all = all_pages(self.source, meta.page_size);
        Geometry { high_water: meta.high_water, present: all.present.min(meta.high_water), ..all }
    }

    /// Trees of which no page was met yet.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn trees(&self, meta: Meta) -> Result<IntactTrees<'s, S>, Error> {
        IntactTrees::new(self.source, self.geometry(meta))
    }

    /// Whether no root page lists anything.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Reads the leaves of a tree.
    pub fn tree_leaves(&self, meta: Meta) -> LeafReader<'s, S> {
        LeafReader::new(self.source, self.geometry(meta))
    }

    /// Reads leaves that hang in no tree, wherever they are in the file.
    pub fn strays(&self) -> LeafReader<'s, S> {
        LeafReader::new(self.source, all_pages(self.source, self.live.page_size))
    }

    fn roots(&self, meta: Meta) -> Result<(Listed, Vec<Finding>), Error> {
        let (mut found, mut damage) = (Listed::new(), Vec::new());
        self.trees(meta)?.walk(meta.root, &mut |met| match met {
            Met::Leaf(_, leaf) => {
                let buckets = leaf.pairs().filter(|element| element.flags & BUCKET != 0);
                let room = MAX_BUCKETS.saturating_sub(found.len());
                let named = buckets
                    .take(room)
                    .map(|element| (element.key.to_vec(), Bucket { value: element.value.to_vec(), older: false }));
                found.extend(named);
            }
            Met::Missing(_, finding) => damage.push(finding),
            Met::Displaced(_) => {}
        })?;
        Ok((found, damage))
    }

    /// Goes through the entries of a bucket as its element has it: what is wrong.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn pairs(&self, meta: Meta, value: &[u8], take: &mut TakePair<'_>) -> Result<Vec<Finding>, Error> {
        let mut damage = Vec::new();
        match bucket::parse(value) {
            Ok(BucketLocation::Tree(root)) => self.trees(meta)?.walk(root, &mut |met| match met {
                Met::Leaf(_, leaf) => leaf.pairs().for_each(|element| take(element.flags, element.key, element.value)),
                Met::Missing(_, finding) => damage.push(finding),
                Met::Displaced(_) => {}
            })?,
            Ok(BucketLocation::Inline(header, bytes)) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.inline_end_fault().map(|fault| Finding::new(fault.code, fault.message)));
                leaf.pairs().for_each(|element| take(element.flags, element.key, element.value));
            }
            Err(fault) => damage.push(Finding::new(fault.code, fault.message)),
        }
        Ok(damage)
    }

    /// From where the entries of a small bucket are best taken, and what is wrong in the live tree.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn best(&mut self, name: &[u8]) -> Result<(Origin, Vec<Finding>), Error> {
        let mut damage = Vec::new();
        let live = self.element(name, Origin::Tree);
        let is_listed = live.is_some();
        if let Some((meta, value)) = live {
            damage = self.pairs(meta, value, &mut |_, _, _| {})?;
            if damage.is_empty() {
                return Ok((Origin::Tree, damage));
            }
        }
        self.older_listed()?;
        if let Some((meta, value)) = self.element(name, Origin::OlderTree)
            && self.pairs(meta, value, &mut |_, _, _| {})?.is_empty()
        {
            return Ok((Origin::OlderTree, damage));
        }
        Ok((if is_listed { Origin::Parts } else { Origin::Nowhere }, damage))
    }

    /// The element of a bucket that is taken from there, and the meta page of the tree that it belongs to.
    pub fn element(&self, name: &[u8], origin: Origin) -> Option<(Meta, &[u8])> {
        let (meta, bucket) = match origin {
            Origin::Tree | Origin::Parts => (self.live, self.get(name).filter(|bucket| !bucket.older)?),
            Origin::OlderTree => (self.older?, self.older_listed.as_ref()?.get(name)?),
            Origin::Nowhere | Origin::Reset => return None,
        };
        Some((meta, &bucket.value))
    }

    /// Every bucket but `key`, with all that etcd needs.
    pub fn names(&self) -> Vec<Vec<u8>> {
        let required = REQUIRED.iter().map(|name| name.as_bytes().to_vec());
        let mut names: Vec<Vec<u8>> = self.listed.keys().cloned().chain(required).collect();
        names.retain(|name| (1..=MAX_KEY).contains(&name.len()));
        names.sort_unstable();
        names.dedup();
        names
    }
}
