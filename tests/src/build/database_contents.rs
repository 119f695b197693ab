//! What a database holds, without regard to pages.

use std::collections::BTreeMap;

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Bytes.
    Value(Vec<u8>),
    /// A bucket below this one.
    Bucket(Bucket),
}

/// A bucket: keys in order, each with bytes or a bucket of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// bolt's counter for `NextSequence`.
    pub sequence: u64,
    /// Keys in order. In the root there are only buckets.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

impl Bucket {
    /// Puts bytes under a key.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.entries.insert(key.into(), Node::Value(value.into()));
    }

    /// The bucket under `name`, made when it is not there.
    ///
    /// # Panics
    /// When a value stands under that name.
    pub fn bucket(&mut self, name: &str) -> &mut Bucket {
        match self.entries.entry(name.into()).or_insert_with(|| Node::Bucket(Bucket::default())) {
            Node::Bucket(bucket) => bucket,
            Node::Value(_) => panic!("{name} is a value"),
        }
    }

    /// The bytes under a key, when there are some.
    #[must_use]
    pub fn value(&self, key: &[u8]) -> Option<&[u8]> {
        match self.entries.get(key) {
            Some(Node::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Whether a bucket hangs below this one.
    #[must_use]
    pub fn has_buckets(&self) -> bool {
        self.entries.values().any(|node| matches!(node, Node::Bucket(_)))
    }

    /// Entries of all buckets directly below, as etcd 3.3 to 3.5 count them: a bucket in a bucket is one entry.
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

    /// The hash that `snapshot status` prints: of every bucket its name, then keys and values in order. A bucket in a
    /// bucket gives its name alone.
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
