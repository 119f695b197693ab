//! A tree of keys, split into folders at slashes; only open folders are laid out.

use crate::store::index::Index;
use crate::store::sorted_keys::Order;

/// A line of the tree: a folder, or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLine {
    /// Number of enclosing folders.
    pub depth: u32,
    /// Index of its first key in the sorted keys.
    pub start: u32,
    /// Index after its last key.
    pub end: u32,
    /// Length of the part of the name that the enclosing folders show already.
    pub from: u32,
    /// End of the part of the name that this line shows.
    pub to: u32,
    /// Whether it is a folder, whose keys share the first `to` bytes.
    pub folder: bool,
    /// Whether the folder is open, so that its contents follow.
    pub open: bool,
}

/// The visible lines of a tree over sorted keys. Memory: 28 bytes per visible line.
#[derive(Debug, Default)]
pub struct Tree {
    lines: Vec<TreeLine>,
}

impl Tree {
    /// Lays out the top level; a single folder there is opened.
    #[must_use]
    pub fn new(index: &Index, order: &Order) -> Self {
        let all = TreeLine { depth: 0, start: 0, end: narrow(order.len()), from: 0, to: 0, folder: true, open: true };
        let mut tree = Self { lines: inside(index, order, &all, 0) };
        if let [only] = tree.lines.as_slice()
            && only.folder
        {
            tree.toggle(index, order, 0);
        }
        tree
    }

    /// The lines, from the top.
    #[must_use]
    pub fn lines(&self) -> &[TreeLine] {
        &self.lines
    }

    /// Opens or closes a folder; does nothing for a key.
    pub fn toggle(&mut self, index: &Index, order: &Order, at: usize) {
        let Some(line) = self.lines.get_mut(at).filter(|line| line.folder) else { return };
        line.open = !line.open;
        let (line, below) = (*line, at.saturating_add(1));
        if line.open {
            self.lines.splice(below..below, inside(index, order, &line, line.depth.saturating_add(1)));
        } else {
            let rest = self.lines.get(below..).unwrap_or_default();
            let count = rest.iter().take_while(|inner| inner.depth > line.depth).count();
            self.lines.drain(below..below.saturating_add(count));
        }
    }

    /// Opens all folders above a key; returns the key's line, or `None` if `number` is not the index of a key.
    pub fn reveal(&mut self, index: &Index, order: &Order, number: usize) -> Option<usize> {
        let key = u32::try_from(number).ok().filter(|_| number < order.len())?;
        loop {
            // The last line that begins at or before the key contains it, because the lines of a folder partition its
            // keys.
            let at = self.lines.partition_point(|line| line.start <= key).checked_sub(1)?;
            let line = self.lines.get(at)?;
            if !line.folder {
                return Some(at);
            }
            if line.open {
                return None;
            }
            self.toggle(index, order, at);
        }
    }
}

/// Indexes of keys and lengths of names fit 32 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns the lines of a folder's contents.
fn inside(index: &Index, order: &Order, folder: &TreeLine, depth: u32) -> Vec<TreeLine> {
    let name = |number: u32| order.name(index, number as usize);
    let from = folder.to as usize;
    let mut lines = Vec::new();
    let mut start = folder.start;
    while start < folder.end {
        let first = name(start);
        let line = TreeLine {
            depth,
            start,
            end: start.saturating_add(1),
            from: folder.to,
            to: narrow(first.len()),
            folder: false,
            open: false,
        };
        let Some(part) = part(first, from) else {
            lines.push(line);
            start = line.end;
            continue;
        };
        let end = end_of(&name, start, folder.end, first.get(..part).unwrap_or_default());
        // A folder that contains only one folder shares a line with it: up to the last slash in the common prefix of
        // its first and last key.
        let last = name(end.saturating_sub(1));
        let alike = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let slash = first.get(..alike).and_then(|alike| alike.iter().rposition(|byte| *byte == b'/'));
        let to = slash.map_or(part, |slash| slash.saturating_add(1));
        lines.push(TreeLine { end, to: narrow(to), folder: true, ..line });
        start = end;
    }
    lines
}

/// Returns the end of the path component of a name that begins at `from` and ends with a slash; `None` without a slash.
fn part(name: &[u8], from: usize) -> Option<usize> {
    let slash = name.get(from..)?.iter().position(|byte| *byte == b'/')?;
    Some(from.saturating_add(slash).saturating_add(1))
}

/// Returns the index after the last key, from `start` on and before `end`, that begins with `prefix`. Most folders are
/// small, so the step starts at one and grows.
fn end_of<'n>(name: &dyn Fn(u32) -> &'n [u8], start: u32, end: u32, prefix: &[u8]) -> u32 {
    let belongs = |number: u32| name(number).starts_with(prefix);
    let (mut low, mut step) = (start, 1u32);
    let mut high = end;
    loop {
        let next = low.saturating_add(step);
        if next >= end {
            break;
        }
        if !belongs(next) {
            high = next;
            break;
        }
        low = next;
        step = step.saturating_mul(2);
    }
    // The key at `low` has the prefix, the one at `high` does not.
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if belongs(middle) { low = middle } else { high = middle }
    }
    high
}
