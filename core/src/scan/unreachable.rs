//! Searches unreachable pages for revisions that bucket `key` lacks.
//!
//! Free pages keep their old contents, and in a snapshot that was streamed during writes they may even hold newer
//! revisions than the tree. So they are searched only if the tree lacks revisions. A lacking revision on such a page
//! proves that a write was lost, and can be recovered from there.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::offset::Offset;
use std::collections::BTreeSet;

use crate::bolt::leaf::Leaf;
use crate::bolt::page::PageKind;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::PageReader;
use crate::error::Error;
use crate::etcd::revision_key::{FullRevision, RevisionKey};
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::MAX_UNREACHABLE_REVISIONS;
use crate::progress::ScanProgress;
use crate::scan::scanner::Scan;
use crate::source::Source;

/// Number of revision ranges that a message lists.
const MAX_RANGES: usize = 4;

/// Number of pages between two checks for cancellation.
const PAGES_PER_CANCEL_CHECK: u64 = 128;

/// Revisions that exist only on unreachable pages.
#[derive(Debug, Default)]
pub(crate) struct Unreachable {
    mains: BTreeSet<Revision>,
    pages: u64,
    first: Option<(PageId, Offset)>,
}

impl Unreachable {
    /// Searches all pages outside `used` for revisions for which `is_missing` is true.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop.
    pub(crate) fn search<S: Source + ?Sized>(
        scan: &Scan<'_, S>,
        used: &PageSet,
        is_missing: impl Fn(FullRevision) -> bool,
        progress: &dyn ScanProgress,
    ) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut reader = PageReader::new(scan.source, scan.geometry);
        let free = PageId::FIRST.up_to(scan.geometry.present).filter(|page| !used.contains(*page));
        for (number, page) in (0u64..).zip(free) {
            if number.checked_rem(PAGES_PER_CANCEL_CHECK) == Some(0) && progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let Ok((header, bytes)) = reader.unit(page)? else { continue };
            if header.id != page || header.kind() != Some(PageKind::Leaf) {
                continue;
            }
            let before = found.mains.len();
            let keys = Leaf::new(header, bytes).pairs().map_while(|element| RevisionKey::parse(element.key));
            let mains = keys.filter(|key| is_missing(key.revision)).map(|key| key.revision.main);
            let limit = MAX_UNREACHABLE_REVISIONS.saturating_sub(before);
            found.mains.extend(mains.take(limit));
            if found.mains.len() > before {
                found.pages = found.pages.saturating_add(1);
                found.first.get_or_insert((page, scan.geometry.offset(page)));
            }
        }
        Ok(found)
    }

    /// The main revisions.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = Revision> {
        self.mains.iter().copied()
    }

    /// Returns the finding; `None` if no revision was found.
    pub(crate) fn finding(&self) -> Option<Finding> {
        let (page, offset) = self.first?;
        let number = self.mains.len();
        let at_least = if number >= MAX_UNREACHABLE_REVISIONS { "at least " } else { "" };
        let text = format!(
            "Unreachable pages hold {at_least}{number} revisions that bucket `key` lacks: {}. {} pages hold revisions that no earlier page holds; the first is page {page}.",
            ranges(&self.mains),
            self.pages
        );
        Some(Finding::new(Code::RevisionsUnreachable, text).page(page).offset(offset))
    }

    #[cfg(test)]
    pub(crate) fn of(mains: impl IntoIterator<Item = Revision>) -> Self {
        Self { mains: mains.into_iter().collect(), pages: 1, first: Some((PageId::FIRST, Offset::new(8192))) }
    }
}

/// Formats ranges as "4 to 9, 12, 15 to 16 and 3 further ranges".
fn ranges(mains: &BTreeSet<Revision>) -> String {
    let mut ranges: Vec<(Revision, Revision)> = Vec::new();
    for main in mains {
        match ranges.last_mut() {
            Some((_, to)) if to.checked_add(1) == Some(*main) => *to = *main,
            _ => ranges.push((*main, *main)),
        }
    }
    let formatted: Vec<String> = ranges
        .iter()
        .take(MAX_RANGES)
        .map(|(from, to)| if from == to { from.to_string() } else { format!("{from} to {to}") })
        .collect();
    match ranges.len().saturating_sub(MAX_RANGES) {
        0 => formatted.join(", "),
        more => format!("{} and {more} further ranges", formatted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted<const N: usize>(mains: [i64; N]) -> String {
        ranges(&mains.map(Revision::new).into())
    }

    #[test]
    fn ranges_are_joined_and_bounded() {
        assert_eq!(formatted([4, 5, 6, 9]), "4 to 6, 9");
        assert_eq!(formatted([1, 3, 5, 7, 9, 11]), "1, 3, 5, 7 and 2 further ranges");
    }
}
