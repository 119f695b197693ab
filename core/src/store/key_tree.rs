//! A tree of keys, split into folders at slashes; only open folders are laid out.

use std::ops::Range;

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

/// The visible lines of a tree over sorted keys. Keys beside each other in a folder are one piece, so memory is 32 bytes
/// per folder that is seen and per gap between folders, however many keys there are.
#[derive(Debug, Default)]
pub struct Tree {
    pieces: Vec<TreePiece>,
}

/// A folder, or keys beside each other in one folder.
#[derive(Debug, Clone, Copy)]
struct TreePiece {
    /// Number of its first line.
    number: u32,
    /// The folder; or for keys their range, without the end of a name.
    line: TreeLine,
}

impl TreePiece {
    /// The number of its lines.
    fn len(&self) -> u32 {
        if self.line.folder { 1 } else { self.line.end.saturating_sub(self.line.start) }
    }
}

impl Tree {
    /// Lays out the top level; a single folder there is opened.
    #[must_use]
    pub fn new(index: &Index, order: &Order) -> Self {
        let all = TreeLine { depth: 0, start: 0, end: narrow(order.len()), from: 0, to: 0, folder: true, open: true };
        let mut tree = Self { pieces: inside(index, order, &all, 0) };
        tree.count_from(0);
        if let [only] = tree.pieces.as_slice()
            && only.line.folder
        {
            tree.toggle(index, order, 0);
        }
        tree
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.number.saturating_add(last.len()) as usize)
    }

    /// Whether there are no lines.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The lines in a range, from the top; fewer if there are not so many.
    pub fn lines<'t>(
        &'t self,
        index: &'t Index,
        order: &'t Order,
        range: Range<usize>,
    ) -> impl Iterator<Item = TreeLine> + 't {
        let numbers = range.start..range.end.min(self.len());
        numbers.filter_map(|number| {
            let piece = self.pieces.get(self.piece_at(number)?)?;
            if piece.line.folder {
                return Some(piece.line);
            }
            let start = piece.line.start.saturating_add(narrow(number).saturating_sub(piece.number));
            let to = narrow(order.name(index, start as usize).len());
            Some(TreeLine { start, end: start.saturating_add(1), to, ..piece.line })
        })
    }

    /// The index of the piece that has a line; `None` if there is no such line.
    fn piece_at(&self, number: usize) -> Option<usize> {
        let number = u32::try_from(number).ok().filter(|number| (*number as usize) < self.len())?;
        self.pieces.partition_point(|piece| piece.number <= number).checked_sub(1)
    }

    /// Numbers the lines of the pieces from an index on.
    fn count_from(&mut self, at: usize) {
        let before = at.checked_sub(1).and_then(|before| self.pieces.get(before));
        let mut number = before.map_or(0, |before| before.number.saturating_add(before.len()));
        for piece in self.pieces.iter_mut().skip(at) {
            piece.number = number;
            number = number.saturating_add(piece.len());
        }
    }

    /// Opens or closes the folder in a line; does nothing for a key.
    pub fn toggle(&mut self, index: &Index, order: &Order, line: usize) {
        if let Some(at) = self.piece_at(line) {
            self.toggle_piece(index, order, at);
        }
    }

    fn toggle_piece(&mut self, index: &Index, order: &Order, at: usize) {
        let Some(piece) = self.pieces.get_mut(at).filter(|piece| piece.line.folder) else { return };
        piece.line.open = !piece.line.open;
        let (line, below) = (piece.line, at.saturating_add(1));
        if line.open {
            self.pieces.splice(below..below, inside(index, order, &line, line.depth.saturating_add(1)));
        } else {
            let rest = self.pieces.get(below..).unwrap_or_default();
            let count = rest.iter().take_while(|inner| inner.line.depth > line.depth).count();
            self.pieces.drain(below..below.saturating_add(count));
        }
        self.count_from(below);
    }

    /// Opens all folders above a key; returns the key's line, or `None` if `number` is not the index of a key.
    pub fn reveal(&mut self, index: &Index, order: &Order, number: usize) -> Option<usize> {
        let key = u32::try_from(number).ok().filter(|_| number < order.len())?;
        loop {
            // The last piece that begins at or before the key contains it, because the pieces of a folder partition its
            // keys.
            let at = self.pieces.partition_point(|piece| piece.line.start <= key).checked_sub(1)?;
            let piece = self.pieces.get(at)?;
            if !piece.line.folder {
                return Some(piece.number.saturating_add(key.saturating_sub(piece.line.start)) as usize);
            }
            if piece.line.open {
                return None;
            }
            self.toggle_piece(index, order, at);
        }
    }
}

/// Indexes of keys and lengths of names fit 32 bits.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Returns the contents of a folder; their lines are not numbered yet.
fn inside(index: &Index, order: &Order, folder: &TreeLine, depth: u32) -> Vec<TreePiece> {
    let name = |number: u32| order.name(index, number as usize);
    let from = folder.to as usize;
    let mut pieces: Vec<TreePiece> = Vec::new();
    let mut start = folder.start;
    while start < folder.end {
        let first = name(start);
        let line =
            TreeLine { depth, start, end: start.saturating_add(1), from: folder.to, to: 0, folder: false, open: false };
        let Some(part) = part(first, from) else {
            match pieces.last_mut().filter(|last| !last.line.folder) {
                Some(keys) => keys.line.end = line.end,
                None => pieces.push(TreePiece { number: 0, line }),
            }
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
        pieces.push(TreePiece { number: 0, line: TreeLine { end, to: narrow(to), folder: true, ..line } });
        start = end;
    }
    pieces.shrink_to_fit();
    pieces
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
