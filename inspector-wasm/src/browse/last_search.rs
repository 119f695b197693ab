//! The last search for keys, and what it found.

use super::answers::{FoundWord, SearchProblem};

/// The last search, as long as the keys are those it was made of.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub line: String,
    /// Ids of the keys that it finds.
    pub hits: Vec<u32>,
    pub words: Vec<FoundWord>,
    pub problem: Option<SearchProblem>,
    /// Secrets whose values were not searched.
    pub unsearched: u64,
    /// Places that could not be read for it.
    pub lost: u64,
}
