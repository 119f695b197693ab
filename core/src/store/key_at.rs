//! The place of a key in its index: four bytes, because there are lists with one for each key.

use std::num::NonZeroU32;

use crate::store::key_hash::Short;

/// Number of shards of an index, by the hash of the key: each thread can merge one.
pub(crate) const SHARDS: usize = 64;

/// Returns the number of the shard with the keys of a hash. Tables within a shard use other bits.
#[inline]
pub(crate) fn shard_of(hash: Short) -> usize {
    hash.0 as usize % SHARDS
}

/// Bits of a key's number in its shard.
const NUMBER_BITS: u32 = u32::BITS - SHARDS.ilog2();

/// Most keys of a shard. Keys are dealt by a secret hash, so all shards together then hold four billion, in more memory
/// than anyone has.
pub(crate) const MOST_IN_SHARD: usize = (1 << NUMBER_BITS) - 1;

/// Place of a key in its index. An `Option` of it is not larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyAt(NonZeroU32);

impl KeyAt {
    /// `None` if there is no such shard, or a shard cannot have that number.
    #[inline]
    pub(crate) fn new(shard: usize, number: u32) -> Option<Self> {
        let is_possible = shard < SHARDS && (number as usize) < MOST_IN_SHARD;
        let shard = u32::try_from(shard).ok().filter(|_| is_possible)?;
        NonZeroU32::new((shard << NUMBER_BITS | number).saturating_add(1)).map(Self)
    }

    /// The index of the shard.
    #[inline]
    pub(crate) fn shard(self) -> usize {
        (self.0.get().saturating_sub(1) >> NUMBER_BITS) as usize
    }

    /// The number of the key in its shard.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0.get().saturating_sub(1) & ((1 << NUMBER_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_another() {
        assert_eq!((size_of::<KeyAt>(), size_of::<Option<KeyAt>>()), (4, 4));
        let last = u32::try_from(MOST_IN_SHARD).unwrap() - 1;
        for (shard, number) in [(0, 0), (0, last), (1, 0), (63, 0), (63, last)] {
            let at = KeyAt::new(shard, number).unwrap();
            assert_eq!((at.shard(), at.number()), (shard, number));
        }
        assert_eq!([KeyAt::new(64, 0), KeyAt::new(0, last + 1)], [None, None]);
    }
}
