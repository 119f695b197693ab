//! The contents of a database, independent of pages.

use std::collections::BTreeMap;

/// What a bucket stores under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Bytes.
    Value(Vec<u8>),
    /// A bucket below this one.
    Bucket(Bucket),
}

/// A bucket: sorted keys, each with a value or a nested bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// bolt's counter for `NextSequence`.
    pub sequence: u64,
    /// Sorted keys. The root bucket holds only buckets.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

impl Bucket {
    /// Puts bytes under a key.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.entries.insert(key.into(), Node::Value(value.into()));
    }

    /// Returns the bucket under `name`, and creates it if it is missing.
    ///
    /// # Panics
    /// Panics if a value is stored under that name.
    pub fn bucket(&mut self, name: &str) -> &mut Bucket {
        match self.entries.entry(name.into()).or_insert_with(|| Node::Bucket(Bucket::default())) {
            Node::Bucket(bucket) => bucket,
            Node::Value(_) => panic!("{name} is a value"),
        }
    }

    /// Returns the value under a key, if there is one.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        match self.entries.get(key) {
            Some(Node::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns whether this bucket contains a nested bucket.
    #[must_use]
    pub fn has_buckets(&self) -> bool {
        self.entries.values().any(|node| matches!(node, Node::Bucket(_)))
    }

    /// Counts the entries of all buckets directly below, as etcd 3.3 to 3.5 do: a nested bucket is one entry.
    #[must_use]
    pub fn total_entries(&self) -> u64 {
        self.entries
            .values()
            .map(|node| match node {
                Node::Bucket(bucket) => bucket.entries.len() as u64,
                Node::Value(_) => 0,
            })
            .sum()
    }

    /// Computes the hash that `snapshot status` prints: the name of every bucket, then its keys and values in order. A nested
    /// bucket contributes only its name.
    #[must_use]
    pub fn status_hash(&self) -> u32 {
        let mut crc = crate::crc::Crc32c::default();
        for (name, node) in &self.entries {
            crc.update(name);
            if let Node::Bucket(bucket) = node {
                for (key, value) in &bucket.entries {
                    crc.update(key);
                    if let Node::Value(value) = value {
                        crc.update(value);
                    }
                }
            }
        }
        crc.finish()
    }
}
