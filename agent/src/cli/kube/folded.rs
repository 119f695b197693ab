//! Differences that `kube diff` counts but does not show.

use std::cell::Cell;

use etcdsnap::core::kubernetes::change_noise::{Noise, NoiseCounts};

use crate::cli::output;
use crate::cli::render::grouped_number::counted;

/// Counts of differences that are not shown.
#[derive(Default)]
pub struct Folded(Cell<NoiseCounts>);

impl Folded {
    /// Adds one difference.
    pub fn add(&self, noise: Noise) {
        let mut counts = self.0.get();
        counts.add(noise);
        self.0.set(counts);
    }

    /// Sets all counts to zero.
    pub fn reset(&self) {
        self.0.take();
    }

    /// Reports the counts.
    pub fn report(&self) {
        let named = self.0.get().named().into_iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<String> = named.map(|(count, one, many)| counted(count, one, many)).collect();
        if !parts.is_empty() {
            output::warn(&format!("Folded: {} (--all, --show-managed-fields).", parts.join(", ")));
        }
    }
}
