//! One read of a file, for the verdict and for every question: cut into pieces that an executor has taken by any thread, in any order.
//!
//! ```text
//! verdict    ReadingAhead ──► Walking ──► Resolving ──► Conclusion
//!            strips of the    subtrees    the history
//!            file             of `key`    of the keys
//! question   Reading ──► what each thread gathered, and what could not be read
//!            leaves in the order of the file
//! ```
//!
//! Each is a [`Pass`]. What comes next is made of the finished one alone, so no executor can take a step too early, twice, or not at all. Nothing here
//! starts a thread: the agent has a pool, the page one worker, and tests and [`run`] take the pieces one after the other.

pub mod reading;
pub mod verdict;

use crate::error::Error;
use crate::progress::Watch;

/// Work over a file whose pieces any thread may take, in any order, each once.
pub trait Pass: Sized {
    /// What a thread gathers from the pieces that it takes.
    type Gathered: Send;
    /// What all pieces together lead to: the next pass, or an answer.
    type Outcome;

    /// How many pieces there are.
    fn pieces(&self) -> usize;

    /// Nothing gathered yet.
    fn begin(&self) -> Self::Gathered;

    /// Takes a piece, by its number.
    ///
    /// # Errors
    /// When bytes cannot be read, or the watch asks to stop.
    fn take(&self, piece: usize, gathered: &mut Self::Gathered, watch: &dyn Watch) -> Result<(), Error>;

    /// Ends the pass, with what every thread gathered: all pieces are taken.
    ///
    /// # Errors
    /// As [`Pass::take`].
    fn finish(self, gathered: Vec<Self::Gathered>, watch: &dyn Watch) -> Result<Self::Outcome, Error>;
}

/// Runs a pass on this thread, piece after piece.
///
/// # Errors
/// As [`Pass::take`].
pub fn run<P: Pass>(pass: P, watch: &dyn Watch) -> Result<P::Outcome, Error> {
    let mut gathered = pass.begin();
    (0..pass.pieces()).try_for_each(|piece| pass.take(piece, &mut gathered, watch))?;
    pass.finish(vec![gathered], watch)
}

/// What was gathered, in the order of the pieces.
fn in_order<T>(gathered: Vec<Vec<(usize, T)>>) -> Vec<T> {
    let mut all: Vec<(usize, T)> = gathered.into_iter().flatten().collect();
    all.sort_by_key(|(piece, _)| *piece);
    all.into_iter().map(|(_, one)| one).collect()
}
