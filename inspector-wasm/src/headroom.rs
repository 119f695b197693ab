//! Reserves memory before it is needed.

/// The minimum reservation in bytes.
const MIN_RESERVATION: usize = 32 * 1024 * 1024;
/// The maximum reservation in bytes.
const MAX_RESERVATION: usize = 256 * 1024 * 1024;

/// Keeps free space in the heap, so that the wasm memory grows in few large steps.
///
/// Left alone, the allocator grows the memory only as far as each request needs, often by one 64 KiB page. V8 spends
/// time on each growth in proportion to the whole memory; for a snapshot of 3 million revisions, that was a third of
/// the run time. Reserved space that was never written to takes no memory of the machine.
#[derive(Default)]
pub(crate) struct Headroom {
    /// The size of the memory at the last check. While it stays the same, there was enough space.
    seen: usize,
}

impl Headroom {
    /// Reserves memory if the memory has grown since the last call.
    pub(crate) fn keep(&mut self) {
        if memory_bytes() > self.seen {
            self.make();
        }
    }

    /// Reserves memory before work that may need much.
    pub(crate) fn make(&mut self) {
        let mut room = Vec::<u8>::new();
        // If the reservation fails, the allocator still grows the memory in small steps.
        if room.try_reserve_exact(memory_bytes().clamp(MIN_RESERVATION, MAX_RESERVATION)).is_ok() {
            // Freed immediately, so that the allocator can use it. `black_box` keeps the optimiser from removing both.
            drop(std::hint::black_box(room));
        }
        self.seen = memory_bytes();
    }
}

/// Returns the size of the wasm memory; 0 on other targets, which do not need this.
fn memory_bytes() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>().saturating_mul(64 * 1024);
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}
