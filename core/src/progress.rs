//! How a caller follows and stops a long scan.

/// Progress and cancellation of a scan, given by the caller.
///
/// Core calls it every few hundred KiB of input, so an implementation may take a lock or update a bar.
pub trait Watch {
    /// `bytes` more bytes of the input were worked through.
    fn advance(&self, bytes: u64);

    /// Whether to stop; the scan then ends with [`Error::Cancelled`](crate::Error::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Follows nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn advance(&self, _bytes: u64) {}
}
