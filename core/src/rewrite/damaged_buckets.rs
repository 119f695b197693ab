//! The buckets of a damaged file: those that the newest root page lists and, if that is damaged, those of the older one.

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
use crate::rewrite::intact_tree::{IntactTrees, Visited};
use crate::rewrite::leaf_reader::LeafReader;
use crate::rewrite::salvage_report::Origin;
use crate::rewrite::stray_pages::whole_file_geometry;
use crate::source::Source;

/// A bucket in a root page.
#[derive(Clone)]
pub(super) struct Bucket {
    pub value: Vec<u8>,
    /// Whether only the older root page lists it.
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
    /// The meta page of the older tree; `None` if nothing may be taken from it.
    pub older: Option<Meta>,
    listed: Listed,
    /// The buckets in the older root page; `None` until it is read.
    older_listed: Option<Listed>,
}

impl<'s, S: Source + ?Sized> DamagedBuckets<'s, S> {
    /// Finds the buckets; returns the problems of the root pages, too.
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

    /// Returns the bucket of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Bucket> {
        self.listed.get(name)
    }

    /// Returns the value of the bucket of this name in the older root page, and the meta page of that tree.
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
        let all = whole_file_geometry(self.source, meta.page_size);
        Geometry { high_water: meta.high_water, present: all.present.min(meta.high_water), ..all }
    }

    /// Creates a walker of trees that has visited no page yet.
    ///
    /// # Errors
    /// When there is not enough memory for the sets of visited pages.
    pub fn trees(&self, meta: Meta) -> Result<IntactTrees<'s, S>, Error> {
        IntactTrees::new(self.source, self.geometry(meta))
    }

    /// Whether no root page lists a bucket.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Creates a reader of the leaves of a tree.
    pub fn tree_leaves(&self, meta: Meta) -> LeafReader<'s, S> {
        LeafReader::new(self.source, self.geometry(meta))
    }

    /// Creates a reader of leaves anywhere in the file.
    pub fn strays(&self) -> LeafReader<'s, S> {
        LeafReader::new(self.source, whole_file_geometry(self.source, self.live.page_size))
    }

    fn roots(&self, meta: Meta) -> Result<(Listed, Vec<Finding>), Error> {
        let (mut found, mut damage) = (Listed::new(), Vec::new());
        self.trees(meta)?.walk(meta.root, &mut |visited| match visited {
            Visited::Leaf(_, leaf) => {
                let buckets = leaf.pairs().filter(|element| element.flags & BUCKET != 0);
                let remaining = MAX_BUCKETS.saturating_sub(found.len());
                let named = buckets
                    .take(remaining)
                    .map(|element| (element.key.to_vec(), Bucket { value: element.value.to_vec(), older: false }));
                found.extend(named);
            }
            Visited::Missing(_, finding) => damage.push(finding),
            Visited::Displaced(_) => {}
        })?;
        Ok((found, damage))
    }

    /// Passes the entries of a bucket to `take`; returns the problems of its pages. `value` is that of the bucket's element in the root page.
    ///
    /// # Errors
    /// When bytes cannot be read.
    pub fn pairs(&self, meta: Meta, value: &[u8], take: &mut TakePair<'_>) -> Result<Vec<Finding>, Error> {
        let mut damage = Vec::new();
        match bucket::parse(value) {
            Ok(BucketLocation::Tree(root)) => self.trees(meta)?.walk(root, &mut |visited| match visited {
                Visited::Leaf(_, leaf) => {
                    leaf.pairs().for_each(|element| take(element.flags, element.key, element.value))
                }
                Visited::Missing(_, finding) => damage.push(finding),
                Visited::Displaced(_) => {}
            })?,
            Ok(BucketLocation::Inline(header, bytes)) => {
                let leaf = Leaf::new(header, bytes);
                damage.extend(leaf.inline_end_defect().map(|defect| Finding::new(defect.code, defect.message)));
                leaf.pairs().for_each(|element| take(element.flags, element.key, element.value));
            }
            Err(defect) => damage.push(Finding::new(defect.code, defect.message)),
        }
        Ok(damage)
    }

    /// Decides from which tree the entries of a small bucket are taken; returns the problems in the newest tree, too.
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

    /// Returns the value of a bucket's element in the root page of that tree, and the meta page of the tree.
    pub fn element(&self, name: &[u8], origin: Origin) -> Option<(Meta, &[u8])> {
        let (meta, bucket) = match origin {
            Origin::Tree | Origin::Parts => (self.live, self.get(name).filter(|bucket| !bucket.older)?),
            Origin::OlderTree => (self.older?, self.older_listed.as_ref()?.get(name)?),
            Origin::Nowhere | Origin::Reset => return None,
        };
        Some((meta, &bucket.value))
    }

    /// Returns the names of all buckets, including those that etcd needs and the file lacks.
    pub fn names(&self) -> Vec<Vec<u8>> {
        let required = REQUIRED.iter().map(|name| name.as_bytes().to_vec());
        let mut names: Vec<Vec<u8>> = self.listed.keys().cloned().chain(required).collect();
        names.retain(|name| (1..=MAX_KEY).contains(&name.len()));
        names.sort_unstable();
        names.dedup();
        names
    }
}
