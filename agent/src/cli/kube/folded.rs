//! Differences that `kube diff` counts but does not show.

use std::cell::Cell;

use crate::cli::output;
use crate::cli::render::grouped_number::counted;

/// Counts of differences that are not shown.
#[derive(Default)]
pub struct Folded {
    pub leases: Cell<u64>,
    pub events: Cell<u64>,
    pub managed: Cell<u64>,
    pub alike: Cell<u64>,
}

impl Folded {
    /// Adds one to a count.
    pub fn add(count: &Cell<u64>) {
        count.set(count.get().saturating_add(1));
    }

    /// Reports the counts.
    pub fn report(&self) {
        let parts: Vec<String> = [
            (&self.leases, "Lease", "Leases"),
            (&self.events, "Event", "Events"),
            (&self.managed, "object that differs in managedFields alone", "objects that differ in managedFields alone"),
            (&self.alike, "object whose fields are alike", "objects whose fields are alike"),
        ]
        .into_iter()
        .filter(|(count, ..)| count.get() > 0)
        .map(|(count, one, many)| counted(count.get(), one, many))
        .collect();
        if !parts.is_empty() {
            output::warn(&format!("Folded: {} (--all, --show-managed-fields).", parts.join(", ")));
        }
    }
}
