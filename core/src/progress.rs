//! Reports the progress of a long scan, and cancels it.

/// Receives the progress of a scan and may cancel it.
///
/// Core calls it once per few hundred KiB of input, so an implementation may take a lock or update a progress bar.
pub trait ScanProgress {
    /// Reports that `bytes` more bytes of the input were processed.
    fn advance(&self, bytes: u64);

    /// Whether to stop; the scan then ends with [`Error::Cancelled`](crate::Error::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Ignores progress and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct IgnoreProgress;

impl ScanProgress for IgnoreProgress {
    fn advance(&self, _bytes: u64) {}
}
