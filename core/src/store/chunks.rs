//! Lists that never move their items.
//!
//! A vector that doubles frees its old memory, and while many vectors grow side by side, as the shards of an index do,
//! nothing else fits there: a third of the memory for two million keys was empty. Here only the first chunk doubles, so
//! that a short list stays short.

/// Number of items in a chunk.
const CHUNK: usize = 256;

/// Size of a chunk of names in bytes, unless one name is longer.
const NAMES: usize = 16 << 10;

/// A list of items, addressed by index.
#[derive(Debug)]
pub(crate) struct Chunks<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new() }
    }
}

impl<T> Chunks<T> {
    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        self.chunks.last().map_or(0, |last| full.saturating_add(last.len()))
    }

    /// Reserves memory for one more item; returns false if memory runs out.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.chunks.last().is_none_or(|last| last.len() >= CHUNK) {
            let mut next = Vec::new();
            let whole = if self.chunks.is_empty() { 0 } else { CHUNK };
            if next.try_reserve_exact(whole).is_err() || self.chunks.try_reserve(1).is_err() {
                return false;
            }
            self.chunks.push(next);
        }
        self.chunks.last_mut().is_some_and(|last| last.try_reserve(1).is_ok())
    }

    /// Appends an item; memory must have been reserved.
    pub(crate) fn push(&mut self, item: T) {
        if self.has_room()
            && let Some(last) = self.chunks.last_mut()
        {
            last.push(item);
        }
    }

    /// The item at index `number`.
    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.chunks.get(number / CHUNK)?.get(number % CHUNK)
    }

    /// The item at index `number`, mutable.
    #[inline]
    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.chunks.get_mut(number / CHUNK)?.get_mut(number % CHUNK)
    }

    /// Iterates over all items in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

/// Place of a name in [`Names`], in 6 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    /// Index of its chunk times 2^16, plus its offset in the chunk.
    pub at: u32,
    /// Its length, or [`LONG`].
    pub len: u16,
}

/// Stands for the length of a name that is not shorter; four bytes before the name then hold the length.
const LONG: u16 = u16::MAX;

/// Storage for the bytes of many names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    chunks: Vec<Vec<u8>>,
}

impl Names {
    /// Adds a name; `None` if memory runs out or the list is full.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Option<Name> {
        let len = u16::try_from(bytes.len()).unwrap_or(LONG);
        let long = u32::try_from(bytes.len()).ok()?.to_le_bytes();
        let head: &[u8] = if len == LONG { &long } else { &[] };
        let need = bytes.len().saturating_add(head.len());
        let fits = |last: &Vec<u8>| last.is_empty() || last.len().saturating_add(need) <= NAMES;
        if !self.chunks.last().is_some_and(fits) {
            let whole = if self.chunks.is_empty() { need } else { NAMES.max(need) };
            let mut next = Vec::new();
            next.try_reserve_exact(whole).ok()?;
            self.chunks.try_reserve(1).ok()?;
            self.chunks.push(next);
        }
        let chunk = u32::try_from(self.chunks.len().checked_sub(1)?).ok()?.checked_mul(1 << 16)?;
        let last = self.chunks.last_mut()?;
        let at = chunk.checked_add(u32::try_from(last.len()).ok()?)?;
        last.try_reserve(need).ok()?;
        last.extend_from_slice(head);
        last.extend_from_slice(bytes);
        Some(Name { at, len })
    }

    /// The bytes of a name. A name of another list gives wrong or no bytes.
    #[inline]
    pub(crate) fn get(&self, Name { at, len }: Name) -> &[u8] {
        let chunk = self.chunks.get((at >> 16) as usize);
        let bytes = chunk.and_then(|bytes| bytes.get((at & 0xffff) as usize..)).unwrap_or_default();
        let name = if len == LONG { after_length(bytes) } else { bytes.get(..usize::from(len)) };
        name.unwrap_or_default()
    }
}

/// A name after its length.
#[cold]
fn after_length(bytes: &[u8]) -> Option<&[u8]> {
    let (len, name) = bytes.split_first_chunk()?;
    name.get(..u32::from_le_bytes(*len) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_at_their_numbers() {
        let mut list = Chunks::default();
        for number in 0..1000 {
            assert_eq!((list.len(), list.has_room()), (number, true));
            list.push(number);
        }
        assert!(list.iter().copied().eq(0..1000));
        *list.get_mut(700).unwrap() = 7;
        assert_eq!((list.get(700), list.get(999), list.get(1000)), (Some(&7), Some(&999), None));
    }

    #[test]
    fn names_of_any_length_come_back() {
        let mut names = Names::default();
        let name =
            |number: usize| vec![number as u8; number * 37 % 5000 + usize::from(number.is_multiple_of(50)) * 70_000];
        let places: Vec<Name> = (0..500).map(|number| names.add(&name(number)).unwrap()).collect();
        for (number, place) in places.iter().enumerate() {
            assert!(names.get(*place) == name(number), "{number}");
        }
        for length in [0, 1, 65_534, 65_535, 65_536] {
            let place = names.add(&vec![b'n'; length]).unwrap();
            assert_eq!(names.get(place), vec![b'n'; length]);
        }
    }
}
