//! Distributes the contents of a database over pages that have no number yet.

use super::database_contents::{Bucket, Node};
use super::layout::Layout;
use crate::seeded_random::SeededRandom;

/// Size of a page header, and also of a leaf element and of a branch element.
pub const HEADER: usize = 16;
/// Size of a bucket header: root page id and sequence.
pub const BUCKET_HEADER: usize = 16;

/// A page before it has a number; pages refer to each other by their index in the list.
pub enum Page {
    /// Elements in key order.
    Leaf(Vec<Element>),
    /// Separators, each with the index of its child page.
    Branch(Vec<(Vec<u8>, usize)>),
}

/// An element of a leaf page.
pub struct Element {
    pub key: Vec<u8>,
    pub value: Value,
}

/// The value of an element, which may depend on page numbers.
pub enum Value {
    Bytes(Vec<u8>),
    /// A bucket with its own pages.
    Root {
        page: usize,
        sequence: u64,
    },
    /// An inline bucket: the bytes of its header and its page.
    Inline(Vec<u8>),
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Inline(bytes) => bytes.len(),
            Self::Root { .. } => BUCKET_HEADER,
        }
    }
}

impl Page {
    /// Size of the page's header, elements, keys and values.
    pub fn size(&self) -> usize {
        match self {
            Self::Leaf(elements) => HEADER + elements.iter().map(leaf_size).sum::<usize>(),
            Self::Branch(children) => HEADER + children.iter().map(|(key, _)| HEADER + key.len()).sum::<usize>(),
        }
    }
}

fn leaf_size(element: &Element) -> usize {
    HEADER + element.key.len() + element.value.len()
}

/// Distributes a database over pages; the root bucket's root page is the last.
pub fn pack(root: &Bucket, layout: &Layout, rng: &mut SeededRandom) -> Vec<Page> {
    let mut pages = Vec::new();
    let last = Packer { layout, rng, pages: &mut pages }.bucket(root);
    debug_assert_eq!(last + 1, pages.len());
    pages
}

struct Packer<'p> {
    layout: &'p Layout,
    rng: &'p mut SeededRandom,
    pages: &'p mut Vec<Page>,
}

/// A page of the level below, with its first key as separator.
struct Child {
    first: Vec<u8>,
    page: usize,
}

impl Packer<'_> {
    fn bucket(&mut self, bucket: &Bucket) -> usize {
        let elements: Vec<Element> =
            bucket.entries.iter().map(|(key, node)| Element { key: key.clone(), value: self.value(node) }).collect();
        let mut level = self.leaves(elements);
        while level.len() > 1 {
            level = self.branches(level);
        }
        level[0].page
    }

    fn value(&mut self, node: &Node) -> Value {
        match node {
            Node::Value(bytes) => Value::Bytes(bytes.clone()),
            Node::Bucket(bucket) => match inline(bucket, self.layout.page_size) {
                Some(bytes) if self.rng.chance(self.layout.inline) => Value::Inline(bytes),
                _ => Value::Root { page: self.bucket(bucket), sequence: bucket.sequence },
            },
        }
    }

    fn capacity(&mut self) -> usize {
        let (low, high) = self.layout.fill;
        self.layout.page_size * self.rng.between(low, high) / 100
    }

    fn push(&mut self, page: Page) -> usize {
        self.pages.push(page);
        self.pages.len() - 1
    }

    fn leaves(&mut self, elements: Vec<Element>) -> Vec<Child> {
        let mut level = Vec::new();
        let mut elements = elements.into_iter().peekable();
        loop {
            let capacity = self.capacity();
            let mut leaf = Vec::new();
            let mut size = HEADER;
            while let Some(element) = elements.next_if(|e| leaf.is_empty() || size + leaf_size(e) <= capacity) {
                size += leaf_size(&element);
                leaf.push(element);
            }
            let first = leaf.first().map(|e: &Element| e.key.clone()).unwrap_or_default();
            let page = self.push(Page::Leaf(leaf));
            level.push(Child { first, page });
            if elements.peek().is_none() {
                return level;
            }
        }
    }

    fn branches(&mut self, children: Vec<Child>) -> Vec<Child> {
        let mut level = Vec::new();
        let mut rest = children.into_iter();
        while rest.len() > 0 {
            let capacity = self.capacity();
            let mut group: Vec<(Vec<u8>, usize)> = Vec::new();
            let mut size = HEADER;
            // bolt keeps at least two children below a branch, so the last child joins its neighbours if it would be alone.
            while rest.len() > 0 {
                let next = rest.as_slice().first().map_or(0, |child| HEADER + child.first.len());
                if group.len() >= 2 && size + next > capacity && rest.len() > 1 {
                    break;
                }
                size += next;
                group.extend(rest.next().map(|child| (child.first, child.page)));
            }
            let first = group[0].0.clone();
            let page = self.push(Page::Branch(group));
            level.push(Child { first, page });
        }
        level
    }
}

/// Returns the bytes of a bucket that bolt stores inline: it has no nested bucket and takes at most a quarter of a page.
fn inline(bucket: &Bucket, page_size: usize) -> Option<Vec<u8>> {
    if bucket.has_buckets() {
        return None;
    }
    let elements: Vec<Element> = bucket
        .entries
        .iter()
        .filter_map(|(key, node)| match node {
            Node::Value(value) => Some(Element { key: key.clone(), value: Value::Bytes(value.clone()) }),
            Node::Bucket(_) => None,
        })
        .collect();
    let page = Page::Leaf(elements);
    if page.size() > page_size / 4 {
        return None;
    }
    let mut bytes = vec![0; 8];
    bytes.extend_from_slice(&bucket.sequence.to_le_bytes());
    bytes.extend_from_slice(&page_bytes(&page, 0, 0, &|_| 0));
    Some(bytes)
}

/// Encodes a page up to the end of its last value. `number` returns the page id for an index in the list of pages.
pub fn page_bytes(page: &Page, id: u64, overflow: u32, number: &dyn Fn(usize) -> u64) -> Vec<u8> {
    let (flags, count): (u16, usize) = match page {
        Page::Leaf(elements) => (0x02, elements.len()),
        Page::Branch(children) => (0x01, children.len()),
    };
    let mut head = header(id, flags, count as u16, overflow);
    let mut pairs = Vec::new();
    match page {
        Page::Leaf(elements) => {
            for (i, element) in elements.iter().enumerate() {
                let position = (elements.len() - i) * HEADER + pairs.len();
                let bucket = u32::from(!matches!(element.value, Value::Bytes(_)));
                for field in [bucket, position as u32, element.key.len() as u32, element.value.len() as u32] {
                    head.extend_from_slice(&field.to_le_bytes());
                }
                pairs.extend_from_slice(&element.key);
                match &element.value {
                    Value::Bytes(bytes) | Value::Inline(bytes) => pairs.extend_from_slice(bytes),
                    Value::Root { page, sequence } => {
                        pairs.extend_from_slice(&number(*page).to_le_bytes());
                        pairs.extend_from_slice(&sequence.to_le_bytes());
                    }
                }
            }
        }
        Page::Branch(children) => {
            for (i, (key, child)) in children.iter().enumerate() {
                let position = (children.len() - i) * HEADER + pairs.len();
                head.extend_from_slice(&(position as u32).to_le_bytes());
                head.extend_from_slice(&(key.len() as u32).to_le_bytes());
                head.extend_from_slice(&number(*child).to_le_bytes());
                pairs.extend_from_slice(key);
            }
        }
    }
    head.extend_from_slice(&pairs);
    head
}

/// Encodes a page header.
pub fn header(id: u64, flags: u16, count: u16, overflow: u32) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().to_vec();
    bytes.extend_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&overflow.to_le_bytes());
    bytes
}
