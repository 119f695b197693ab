//! A set of page ids: one bit per page of the file.

use crate::bolt::page_id::PageId;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// A set of page ids, such as the pages visited so far. Threads that walk parts of one tree share a set, so that no
/// page is processed twice.
#[derive(Debug)]
pub struct PageSet {
    words: Vec<AtomicU64>,
    pages: u64,
}

impl PageSet {
    /// Creates an empty set for page ids below `pages`. The caller limits `pages` by the file's size, not by a number
    /// in the file alone.
    ///
    /// # Errors
    /// [`Error::Memory`] if memory for one bit per page runs out.
    pub fn new(pages: u64) -> Result<Self, Error> {
        let count = pages.div_ceil(64);
        let too_much = Error::Memory { what: "one bit per page", bytes: count.saturating_mul(8) };
        let len = usize::try_from(count).map_err(|_| too_much.clone())?;
        let mut words = Vec::new();
        words.try_reserve_exact(len).map_err(|_| too_much)?;
        words.resize_with(len, AtomicU64::default);
        Ok(Self { words, pages })
    }

    /// Copies the set; later changes of one do not change the other.
    ///
    /// # Errors
    /// The same errors as [`PageSet::new`].
    pub fn copy(&self) -> Result<Self, Error> {
        let copy = Self::new(self.pages)?;
        for (to, from) in copy.words.iter().zip(&self.words) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Ok(copy)
    }

    fn word_and_bit(&self, page: PageId) -> Option<(&AtomicU64, u64)> {
        let (word, bit) = page.in_bitmap()?;
        (page.get() < self.pages).then(|| self.words.get(word)).flatten().map(|word| (word, bit))
    }

    /// Adds a page; returns false if the set already contains it or it is out of range.
    pub fn insert(&self, page: PageId) -> bool {
        self.word_and_bit(page).is_some_and(|(word, bit)| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }

    /// Whether the page is in the set.
    #[must_use]
    pub fn contains(&self, page: PageId) -> bool {
        self.word_and_bit(page).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// The number of pages in the set.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).fold(0, u64::saturating_add)
    }
}
