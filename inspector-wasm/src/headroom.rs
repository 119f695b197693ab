//! Reserves memory before it is needed.

/// The minimum reservation in bytes.
const STEP: usize = 32 * 1024 * 1024;
/// The maximum reservation in bytes.
const MAX_STEP: usize = 256 * 1024 * 1024;

/// Keeps free space in the heap, so that the wasm memory grows in few large steps.
///
/// By itself the allocator grows it by the current need, often one 64 KiB page, and each growth costs V8 time in
/// proportion to the whole memory: for a snapshot of 3 million revisions, a third of the time. Space that was
/// never written to takes no memory of the machine.
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

    /// Reserves memory for a step that may need much.
    pub(crate) fn make(&mut self) {
        let mut room = Vec::<u8>::new();
        // If the reservation fails, the allocator still grows in small steps.
        if room.try_reserve_exact(memory_bytes().clamp(STEP, MAX_STEP)).is_ok() {
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
