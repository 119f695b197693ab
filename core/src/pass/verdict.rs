//! The passes of a verdict: reads leaves in file order, walks the subtrees of bucket `key`, checks the history of its
//! keys.

use crate::error::Error;
use crate::etcd::history_check::HistoryOutcome;
use crate::pass::{Pass, in_order};
use crate::progress::ScanProgress;
use crate::scan::conclude::{Conclusion, HISTORY_SHARES};
use crate::scan::digest_strip::DigestStrip;
use crate::scan::leaf_prefetch::{PrefetchedDigests, ScatteredLeaves};
use crate::scan::scanner::{Scan, ScanPart};
use crate::source::Source;

/// Reads leaves that are scattered in the file, in strips in file order. Has no pieces if the leaves are in order
/// already.
pub struct ReadingAhead<'s, S: Source + ?Sized> {
    scan: Scan<'s, S>,
    leaves: ScatteredLeaves,
}

impl<'s, S: Source + ?Sized> Scan<'s, S> {
    /// Begins the verdict: creates the pass that reads the scattered leaves.
    ///
    /// # Errors
    /// A read fails, or memory for one bit per page runs out.
    pub fn read_ahead(self) -> Result<ReadingAhead<'s, S>, Error> {
        let leaves = self.scattered_leaves()?;
        Ok(ReadingAhead { scan: self, leaves })
    }
}

impl<'s, S: Source + ?Sized> Pass for ReadingAhead<'s, S> {
    type Gathered = Vec<(usize, DigestStrip)>;
    type Outcome = Walking<'s, S>;

    fn pieces(&self) -> usize {
        self.leaves.strips()
    }

    fn begin(&self) -> Self::Gathered {
        Vec::new()
    }

    fn take(&self, piece: usize, gathered: &mut Self::Gathered, progress: &dyn ScanProgress) -> Result<(), Error> {
        gathered.push((piece, self.leaves.digest(piece, self.scan.source, self.scan.geometry, progress)?));
        Ok(())
    }

    fn finish(self, gathered: Vec<Self::Gathered>, _watch: &dyn ScanProgress) -> Result<Self::Outcome, Error> {
        let ahead = PrefetchedDigests::new(self.leaves, in_order(gathered));
        Ok(Walking { scan: self.scan, ahead })
    }
}

/// Walks the subtrees of bucket `key`.
pub struct Walking<'s, S: Source + ?Sized> {
    scan: Scan<'s, S>,
    ahead: PrefetchedDigests,
}

impl<'s, S: Source + ?Sized> Pass for Walking<'s, S> {
    type Gathered = Vec<(usize, ScanPart)>;
    type Outcome = Resolving<'s, S>;

    fn pieces(&self) -> usize {
        self.scan.parts()
    }

    fn begin(&self) -> Self::Gathered {
        Vec::new()
    }

    fn take(&self, piece: usize, gathered: &mut Self::Gathered, progress: &dyn ScanProgress) -> Result<(), Error> {
        gathered.push((piece, self.scan.run(piece, &self.ahead, progress)?));
        Ok(())
    }

    fn finish(self, gathered: Vec<Self::Gathered>, _watch: &dyn ScanProgress) -> Result<Self::Outcome, Error> {
        Ok(Resolving { scan: self.scan, parts: in_order(gathered) })
    }
}

/// Checks the history of each key; a piece is a share of all keys.
pub struct Resolving<'s, S: Source + ?Sized> {
    scan: Scan<'s, S>,
    parts: Vec<ScanPart>,
}

impl<S: Source + ?Sized> Pass for Resolving<'_, S> {
    type Gathered = Vec<(usize, HistoryOutcome)>;
    type Outcome = Conclusion;

    fn pieces(&self) -> usize {
        HISTORY_SHARES
    }

    fn begin(&self) -> Self::Gathered {
        Vec::new()
    }

    fn take(&self, piece: usize, gathered: &mut Self::Gathered, _watch: &dyn ScanProgress) -> Result<(), Error> {
        gathered.push((piece, self.scan.histories(piece, &self.parts)));
        Ok(())
    }

    fn finish(self, gathered: Vec<Self::Gathered>, progress: &dyn ScanProgress) -> Result<Self::Outcome, Error> {
        self.scan.conclude(self.parts, in_order(gathered), progress)
    }
}
