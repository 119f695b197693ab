//! Memory ahead of need.

/// At least this much is asked for at once.
const STEP: usize = 32 * 1024 * 1024;
/// And at most this much.
const MAX_STEP: usize = 256 * 1024 * 1024;

/// Keeps free room in the heap, so that the wasm memory grows in few large steps.
///
/// The allocator grows it by what it needs at the moment, often by one 64 KiB page, and each growth costs V8 time in
/// proportion to the whole memory: on a snapshot of 3 million revisions that was a third of the time. Room that was
/// never written to takes no memory of the machine.
#[derive(Default)]
pub(crate) struct Headroom {
    /// The memory's size after the last look: while it has not grown, there was room.
    seen: usize,
}

impl Headroom {
    /// Makes room if the memory has grown since the last call.
    pub(crate) fn keep(&mut self) {
        if memory_bytes() > self.seen {
            self.make();
        }
    }

    /// Makes room for a step that may need much.
    pub(crate) fn make(&mut self) {
        let mut room = Vec::<u8>::new();
        // Where so much cannot be had, the allocator still gets along in small steps.
        if room.try_reserve_exact(memory_bytes().clamp(STEP, MAX_STEP)).is_ok() {
            // Freed at once: the allocator then has it. Unseen by the optimiser, which would leave both out.
            drop(std::hint::black_box(room));
        }
        self.seen = memory_bytes();
    }
}

/// Size of the wasm memory; 0 elsewhere, where nothing needs to be kept.
fn memory_bytes() -> usize {
    #[cfg(target_arch = "wasm32")]
    return core::arch::wasm32::memory_size::<0>().saturating_mul(64 * 1024);
    #[cfg(not(target_arch = "wasm32"))]
    return 0;
}
