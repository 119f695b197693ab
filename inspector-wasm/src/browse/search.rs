//! The list of keys: the result of a search, in an order.
//!
//! A search is started; if it has a condition on values, all leaves are read; then it is finished. It always finds deleted keys, too, and counts them separately.

use etcdsnap_core::Source;
use etcdsnap_core::kubernetes::key_search::{KeySearch, SearchError};
use etcdsnap_core::kubernetes::value_search::ValueSearch;
use serde::Deserialize;

use super::answers::{Found, FoundWord, SearchProblem, narrow};
use super::last_search::Search;
use super::purpose::{Purpose, Reading};
use super::sorting::Ordering;
use super::view::{Refusal, View, to_refusal};

/// Which keys or objects are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Show {
    #[default]
    Live,
    Deleted,
    All,
}

impl Show {
    pub(crate) fn has(self, deleted: bool) -> bool {
        match self {
            Self::Live => !deleted,
            Self::Deleted => deleted,
            Self::All => true,
        }
    }
}

impl<S: Source + ?Sized> View<'_, S> {
    /// Starts a search; returns true if it must read the file.
    pub(crate) fn begin_search(&mut self, line: &str) -> Result<bool, Refusal> {
        if self.search.as_ref().is_some_and(|search| search.line == line) {
            return Ok(false);
        }
        let mut found = Search { line: line.to_owned(), ..Search::default() };
        let asked = match KeySearch::parse(line) {
            Ok(asked) => asked,
            Err(SearchError { text, why }) => {
                found.problem = Some(SearchProblem { text, why });
                self.search = Some(found);
                return Ok(false);
            }
        };
        found.words = asked
            .words()
            .map(|(word, start)| FoundWord {
                text: String::from_utf8_lossy(word.bytes()).into_owned(),
                cased: word.is_cased(),
                start,
            })
            .collect();
        found.hits = self.all.numbers(&self.index, |key| asked.holds(key, &self.prefixes));
        if !asked.is_about_values() {
            self.search = Some(found);
            return Ok(false);
        }
        // Until the file is read to its end, there is no result.
        self.search = None;
        let values = ValueSearch::new(asked, &self.index, &self.all, &found.hits).map_err(to_refusal)?;
        self.begin(self.store.lost(), Purpose::Values(values, found));
        Ok(true)
    }

    /// Finishes a search and lists what it found.
    pub(crate) fn finish_search(&mut self, show: Show, order: Ordering) -> Result<Found, Refusal> {
        if let Some(Reading { purpose: Purpose::Values(values, mut search), lost, .. }) =
            self.reading.take_if(|reading| matches!(reading.purpose, Purpose::Values(..)))
        {
            (search.hits, search.unsearched) = values.finish(&self.all, search.hits);
            search.lost = lost.places;
            self.search = Some(search);
        }
        let Some(search) = &self.search else { return Err("Nothing was searched.".into()) };
        let is_deleted = |id: &u32| self.all.get(&self.index, *id as usize).is_some_and(|key| key.deleted);
        let deleted = search.hits.iter().filter(|id| is_deleted(id)).count();
        // If the search has an error, the list stays unchanged.
        if search.problem.is_none() {
            self.listed = search.hits.iter().copied().filter(|id| show.has(is_deleted(id))).collect();
            self.all.rank(&self.index, &mut self.listed, order.rank(), order.way());
        }
        Ok(Found {
            total: narrow(self.listed.len()),
            live: narrow(search.hits.len().saturating_sub(deleted)),
            deleted: narrow(deleted),
            words: search.words.clone(),
            problem: search.problem.clone(),
            unsearched: search.unsearched,
            lost: search.lost,
        })
    }
}
