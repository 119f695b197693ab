//! Keys as a tree of folders, by the slashes in their names, of which as much is laid out as is open.

use crate::store::index::Index;
use crate::store::sorted_keys::Order;

/// A line of the tree: a folder, or a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Folders above it.
    pub depth: u32,
    /// The number of its first key in the order.
    pub start: u32,
    /// The number behind its last key.
    pub end: u32,
    /// The bytes of the name that the folders above it say already.
    pub from: u32,
    /// Where the part ends that this line says.
    pub to: u32,
    /// Whether it is a folder: all its keys begin alike up to `to`.
    pub folder: bool,
    /// Whether the lines behind it are what is in it.
    pub open: bool,
}

/// The lines of a tree over an order of keys. Memory: 28 bytes for each line that is laid out.
#[derive(Debug, Default)]
pub struct Tree {
    lines: Vec<Line>,
}

impl Tree {
    /// The tree with its top alone laid out; a single folder there is open.
    #[must_use]
    pub fn new(index: &Index, order: &Order) -> Self {
        let all = Line { depth: 0, start: 0, end: narrow(order.len()), from: 0, to: 0, folder: true, open: true };
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
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Opens a folder, or closes it; nothing happens to a key.
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

    /// Opens all folders above a key and says which line it has; none for a number that is no key's.
    pub fn reveal(&mut self, index: &Index, order: &Order, number: usize) -> Option<usize> {
        let key = u32::try_from(number).ok().filter(|_| number < order.len())?;
        loop {
            // The last line that begins at or before the key has it: the lines of a folder share out its keys.
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

/// Numbers of keys and lengths of names have 32 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What is in a folder.
fn inside(index: &Index, order: &Order, folder: &Line, depth: u32) -> Vec<Line> {
    let name = |number: u32| order.name(index, number as usize);
    let from = folder.to as usize;
    let mut lines = Vec::new();
    let mut start = folder.start;
    while start < folder.end {
        let first = name(start);
        let line = Line {
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
        // A folder with nothing but one folder in it is one line with it: to the last slash up to which its first and its last key are alike.
        let last = name(end.saturating_sub(1));
        let alike = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let slash = first.get(..alike).and_then(|alike| alike.iter().rposition(|byte| *byte == b'/'));
        let to = slash.map_or(part, |slash| slash.saturating_add(1));
        lines.push(Line { end, to: narrow(to), folder: true, ..line });
        start = end;
    }
    lines
}

/// The end of the part of a name that begins at `from` and ends with a slash; none when there is no slash.
fn part(name: &[u8], from: usize) -> Option<usize> {
    let slash = name.get(from..)?.iter().position(|byte| *byte == b'/')?;
    Some(from.saturating_add(slash).saturating_add(1))
}

/// The number behind the last key, from `start` on and before `end`, that begins with `prefix`. Small folders are many: the steps grow from one.
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
    // `low` belongs, `high` does not.
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        if belongs(middle) { low = middle } else { high = middle }
    }
    high
}
