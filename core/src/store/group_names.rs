//! Numbers the names of key groups, which several threads find side by side.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::key_hash::{ByHash, Short, short};

/// Number of recent groups that a thread finds without hashing: consecutive keys belong to a few groups.
const RECENT: usize = 64;

/// Names, each with a number.
#[derive(Debug, Default)]
pub(crate) struct GroupNames {
    numbers: ByHash<Short, u32>,
    names: Vec<Box<[u8]>>,
}

impl GroupNames {
    /// Returns the number of a name; assigns one to a new name.
    fn number(&mut self, name: &[u8], hash: Short) -> u32 {
        *self.numbers.entry(hash).or_insert_with(|| {
            self.names.push(name.into());
            u32::try_from(self.names.len().saturating_sub(1)).unwrap_or(u32::MAX)
        })
    }

    /// Returns all names, indexed by number.
    pub fn into_names(self) -> Vec<Box<[u8]>> {
        self.names
    }
}

/// The groups found by all threads, with one thread's cache.
#[derive(Debug)]
pub(crate) struct Groups {
    all: Arc<Mutex<GroupNames>>,
    /// Numbers of the groups that this thread has found.
    known: ByHash<Short, u32>,
    /// Recently found groups, in slots chosen by their last bytes.
    recent: Vec<Option<(Box<[u8]>, u32)>>,
}

impl Default for Groups {
    fn default() -> Self {
        Self::over(Arc::default())
    }
}

impl Groups {
    /// Creates a handle to the same groups for another thread.
    pub fn beside(&self) -> Self {
        Self::over(Arc::clone(&self.all))
    }

    fn over(all: Arc<Mutex<GroupNames>>) -> Self {
        Self { all, known: ByHash::default(), recent: vec![None; RECENT] }
    }

    /// Returns the number of a group; assigns one to a new group.
    #[inline]
    pub fn number(&mut self, name: &[u8]) -> u32 {
        let slot = slot(name);
        match self.recent.get(slot) {
            Some(Some((recent, number))) if **recent == *name => *number,
            _ => self.find(name, slot),
        }
    }

    #[inline(never)]
    fn find(&mut self, name: &[u8], slot: usize) -> u32 {
        let (all, hash) = (&self.all, short(name));
        let number = *self.known.entry(hash).or_insert_with(|| {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.number(name, hash)
        });
        if let Some(recent) = self.recent.get_mut(slot) {
            *recent = Some((name.into(), number));
        }
        number
    }

    /// Returns the number of each of these groups among `others`; adds missing ones to `others`.
    pub fn numbers_among(&self, others: &mut GroupNames) -> Vec<u32> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.names.iter().map(|name| others.number(name, short(name))).collect()
    }
}

/// Slot of a name among the recent ones: names of groups often end alike, and differ before the end, too.
fn slot(name: &[u8]) -> usize {
    let last = name.iter().rev().take(8);
    let mixed = last.fold(name.len(), |mixed, byte| mixed.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    mixed % RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number_in_all_threads() {
        let mut one = Groups::default();
        let mut other = one.beside();
        let name = |number: u32| format!("/registry/{number}/").into_bytes();
        for number in 0..500 {
            assert_eq!(one.number(&name(number)), other.number(&name(number)));
        }
        let numbers: Vec<u32> = (0..500).map(|number| other.number(&name(number))).collect();
        assert_eq!(numbers, (0..500).collect::<Vec<_>>());
        let mut all = GroupNames::default();
        all.number(b"before", short(b"before"));
        assert_eq!(one.numbers_among(&mut all), (1..501).collect::<Vec<_>>());
        assert_eq!(all.into_names().len(), 501);
    }
}
