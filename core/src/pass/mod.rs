//! Passes over a file, for the verdict and for queries. A pass is split into pieces that any thread may take, in any
//! order.
//!
//! ```text
//! verdict    ReadingAhead ──► Walking ──► Resolving ──► Conclusion
//!            strips of the    subtrees    the history
//!            file             of `key`    of the keys
//! query      Reading ──► the partial answer of each thread, and the damage that makes them incomplete
//!            leaves in file order
//! ```
//!
//! Each step is a [`Pass`]. Finishing a pass creates the next one, so no caller can run a step too early, twice, or not
//! at all. Nothing here starts a thread: the agent has a thread pool, the web page one worker, and
//! tests and [`run`] take the pieces one after the other.

pub mod reading;
pub mod verdict;

use crate::error::Error;
use crate::progress::ScanProgress;

/// Work over a file, split into pieces. Any thread may take any piece, in any order, each once.
pub trait Pass: Sized {
    /// Results that one thread collects from its pieces.
    type Gathered: Send;
    /// Result of all pieces: the next pass, or an answer.
    type Outcome;

    /// The number of pieces.
    fn pieces(&self) -> usize;

    /// Creates an empty collection for one thread.
    fn begin(&self) -> Self::Gathered;

    /// Processes one piece, given by its number.
    ///
    /// # Errors
    /// A read fails, or `progress` requests a stop.
    fn take(&self, piece: usize, gathered: &mut Self::Gathered, progress: &dyn ScanProgress) -> Result<(), Error>;

    /// Ends the pass after all pieces were taken, with the collections of all threads.
    ///
    /// # Errors
    /// The same errors as [`Pass::take`].
    fn finish(self, gathered: Vec<Self::Gathered>, progress: &dyn ScanProgress) -> Result<Self::Outcome, Error>;
}

/// Runs a pass on this thread, piece after piece.
///
/// # Errors
/// The same errors as [`Pass::take`].
pub fn run<P: Pass>(pass: P, progress: &dyn ScanProgress) -> Result<P::Outcome, Error> {
    let mut gathered = pass.begin();
    (0..pass.pieces()).try_for_each(|piece| pass.take(piece, &mut gathered, progress))?;
    pass.finish(vec![gathered], progress)
}

/// Sorts the results by the numbers of their pieces.
fn in_order<T>(gathered: Vec<Vec<(usize, T)>>) -> Vec<T> {
    let mut all: Vec<(usize, T)> = gathered.into_iter().flatten().collect();
    all.sort_by_key(|(piece, _)| *piece);
    all.into_iter().map(|(_, one)| one).collect()
}
