//! Groups the objects of a store by type and namespace, from its sorted keys.

use super::registry_keys::{Object, object_below};
use crate::store::{Index, Order};

/// Consecutive keys of objects of one type in one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectGroup {
    /// The index of its first key in the order.
    pub from: u32,
    /// The index after its last key.
    pub to: u32,
    /// The number of its keys that are not deleted.
    pub live: u32,
}

/// All groups, 12 bytes each, in the order of the keys. API servers with several prefixes have some types twice.
#[derive(Debug, Default)]
pub struct ObjectGroups(Vec<ObjectGroup>);

impl ObjectGroups {
    /// Groups the keys below `prefixes`.
    #[must_use]
    pub fn of(index: &Index, order: &Order, prefixes: &[Vec<u8>]) -> Self {
        let mut groups: Vec<ObjectGroup> = Vec::new();
        let mut last: Option<&[u8]> = None;
        for number in 0..order.len() {
            let found = order.get(index, number);
            let (Some(key), Ok(at)) = (found, u32::try_from(number)) else { continue };
            let below = object_below(key.key, prefixes).and_then(|object| before_name(key.key, &object));
            let is_next = below.is_some() && below == last;
            last = below;
            if below.is_none() {
                continue;
            }
            let live = u32::from(!key.deleted);
            match groups.last_mut().filter(|_| is_next) {
                Some(group) => {
                    group.to = at.saturating_add(1);
                    group.live = group.live.saturating_add(live);
                }
                None => groups.push(ObjectGroup { from: at, to: at.saturating_add(1), live }),
            }
        }
        Self(groups)
    }

    /// Returns all groups.
    #[must_use]
    pub fn list(&self) -> &[ObjectGroup] {
        &self.0
    }
}

/// Returns the common beginning of the keys of all objects of this type and namespace.
#[must_use]
pub fn before_name<'k>(key: &'k [u8], object: &Object<'_>) -> Option<&'k [u8]> {
    key.get(..key.len().checked_sub(object.name.len())?)
}
