//! The last search for keys and its result.

use super::answers::{FoundWord, SearchProblem};

/// The last search. It is valid until the keys are read again.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub line: String,
    /// Ids of the found keys.
    pub hits: Vec<u32>,
    pub words: Vec<FoundWord>,
    pub problem: Option<SearchProblem>,
    /// Number of secrets whose values were not searched.
    pub unsearched: u64,
    /// Number of places that could not be read.
    pub lost: u64,
}
