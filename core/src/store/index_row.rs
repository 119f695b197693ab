//! A key in an index: its hash, its name's place and its state, in 56 bytes.
//!
//! ```text
//! ├ hash, 96 bits ┼ name u32 ┼ state, 40 bytes ┤
//! state: length of the name u16 · revision u40 · sub u24 · create revision u40 · page u32 · index u16 · version u32 ·
//!        bytes of the newest entry u32 · how many of them are neither name nor value u8 · bytes of older entries u32 ·
//!        entries u32 · tombstones u8 · flags u8
//! ```
//! A file can claim more in any field. Such a state does not fit here and is kept [whole](PackedState::whole) elsewhere;
//! so nothing is cut off. Leases are kept elsewhere, too, because most files have none.

use crate::bolt::page_id::PageId;
use crate::etcd::revision::Revision;
use crate::etcd::revision_key::FullRevision;
use crate::store::chunks::Name;
use crate::store::entry::EntryPlace;
use crate::store::key_hash::Short;
use crate::store::key_state::KeyState;

/// The key is deleted.
const DELETED: u8 = 1;
/// The state is kept whole elsewhere, at the number in `older_bytes`.
const WHOLE: u8 = 2;

/// A key in an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexRow {
    pub hash: Short,
    /// Where its name is; the length is in the state.
    pub name_at: u32,
    pub state: PackedState,
}

impl IndexRow {
    /// The place of its name.
    #[inline]
    pub fn name(&self) -> Name {
        Name { at: self.name_at, len: self.state.name_len }
    }
}

/// A state with numbers of ordinary size, without its lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PackedState {
    main: u32,
    create: u32,
    page: u32,
    version: u32,
    newest_bytes: u32,
    older_bytes: u32,
    revisions: u32,
    /// Stands here because it fills a gap.
    pub name_len: u16,
    sub: u16,
    index: u16,
    /// Bytes of the newest entry that are neither its value nor the name.
    overhead: u8,
    tombstones: u8,
    main_high: u8,
    create_high: u8,
    sub_high: u8,
    flags: u8,
}

impl PackedState {
    /// Packs a state without its lease; `None` if a number is too large. The length of the name is the one in its
    /// [place](Name).
    #[inline]
    pub fn pack(state: &KeyState, name_len: u16) -> Option<Self> {
        let (main, main_high) = split(state.revision.main)?;
        let (create, create_high) = split(state.create_revision)?;
        let sub = u32::try_from(state.revision.sub).ok()?;
        let overhead = state.newest_bytes.checked_sub(state.value_len)?.checked_sub(u32::from(name_len))?;
        let older_bytes = state.bytes.checked_sub(u64::from(state.newest_bytes))?;
        Some(Self {
            main,
            create,
            page: u32::try_from(state.place.page.get()).ok()?,
            version: u32::try_from(state.version).ok()?,
            newest_bytes: state.newest_bytes,
            older_bytes: u32::try_from(older_bytes).ok()?,
            revisions: state.revisions,
            name_len,
            // The truncation is intended: the upper byte is below.
            sub: sub as u16,
            index: u16::try_from(state.place.index).ok()?,
            overhead: u8::try_from(overhead).ok()?,
            tombstones: u8::try_from(state.tombstones).ok()?,
            main_high,
            create_high,
            sub_high: u8::try_from(sub >> 16).ok()?,
            flags: if state.deleted { DELETED } else { 0 },
        })
    }

    /// Stands for a state that is kept whole, by its number there.
    pub fn whole(number: u32, name_len: u16) -> Self {
        Self { name_len, older_bytes: number, flags: WHOLE, ..Self::default() }
    }

    /// The number of the state among those that are kept whole; `None` if it is here.
    #[inline]
    pub fn whole_number(&self) -> Option<u32> {
        (self.flags & WHOLE != 0).then_some(self.older_bytes)
    }

    /// Does the same as [`KeyState::merge`] with a state of the same key; `None`, and nothing is changed, if a state is
    /// kept whole or a number becomes too large.
    #[inline]
    pub fn merge(&mut self, other: &Self) -> Option<bool> {
        if (self.flags | other.flags) & WHOLE != 0 {
            return None;
        }
        let newer = self.order() < other.order();
        let (newest, older) = if newer { (other, &*self) } else { (&*self, other) };
        let older_bytes = newest
            .older_bytes
            .checked_add(older.newest_bytes)
            .and_then(|bytes| bytes.checked_add(older.older_bytes))?;
        *self = Self {
            older_bytes,
            revisions: newest.revisions.checked_add(older.revisions)?,
            tombstones: newest.tombstones.checked_add(older.tombstones)?,
            ..*newest
        };
        Some(newer)
    }

    /// The revision of the newest entry, and its place, in the order of [`KeyState::merge`].
    #[inline]
    fn order(&self) -> (u64, u64) {
        let revision = u64::from(self.main_high) << 56
            | u64::from(self.main) << 24
            | u64::from(self.sub_high) << 16
            | u64::from(self.sub);
        (revision, u64::from(self.page) << 16 | u64::from(self.index))
    }

    /// Unpacks a state that is not kept whole.
    #[inline]
    pub fn unpack(&self, lease: i64) -> KeyState {
        let sub = i64::from(u32::from(self.sub_high) << 16 | u32::from(self.sub));
        KeyState {
            revision: FullRevision { main: joined(self.main, self.main_high), sub },
            deleted: self.flags & DELETED != 0,
            create_revision: joined(self.create, self.create_high),
            version: i64::from(self.version),
            lease,
            value_len: self
                .newest_bytes
                .saturating_sub(u32::from(self.overhead))
                .saturating_sub(u32::from(self.name_len)),
            place: EntryPlace { page: PageId::new(u64::from(self.page)), index: u32::from(self.index) },
            newest_bytes: self.newest_bytes,
            bytes: u64::from(self.newest_bytes).saturating_add(u64::from(self.older_bytes)),
            revisions: self.revisions,
            tombstones: u32::from(self.tombstones),
        }
    }
}

/// The lower 32 and the upper 8 bits of a revision; `None` if it has more, or is negative.
#[inline]
fn split(revision: Revision) -> Option<(u32, u8)> {
    let high = u8::try_from(revision.get() >> 32).ok()?;
    // The truncation is intended.
    Some((revision.get() as u32, high))
}

#[inline]
fn joined(low: u32, high: u8) -> Revision {
    Revision::new(i64::from(high) << 32 | i64::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> KeyState {
        KeyState {
            revision: FullRevision { main: Revision::new((1 << 40) - 1), sub: (1 << 24) - 1 },
            deleted: true,
            create_revision: Revision::new((1 << 39) + 5),
            version: i64::from(u32::MAX),
            lease: 7,
            value_len: u32::MAX - 1000 - 255,
            place: EntryPlace { page: PageId::new(u32::MAX.into()), index: 65_535 },
            newest_bytes: u32::MAX,
            bytes: 2 * u64::from(u32::MAX),
            revisions: u32::MAX,
            tombstones: 255,
        }
    }

    #[test]
    fn a_row_is_56_bytes() {
        assert_eq!(size_of::<IndexRow>(), 56);
    }

    #[test]
    fn packed_states_unpack_to_the_same() {
        let least = KeyState {
            revision: FullRevision::default(),
            deleted: false,
            create_revision: Revision::ZERO,
            version: 0,
            lease: 0,
            value_len: 0,
            place: EntryPlace::default(),
            newest_bytes: 0,
            bytes: 0,
            revisions: 0,
            tombstones: 0,
        };
        for (state, name_len) in [(state(), 1000), (least, 0)] {
            let packed = PackedState::pack(&state, name_len).unwrap();
            assert_eq!((packed.unpack(state.lease), packed.whole_number()), (state, None));
        }
        assert_eq!(PackedState::whole(u32::MAX, 3).whole_number(), Some(u32::MAX));
    }

    #[test]
    fn states_that_do_not_fit_are_refused() {
        let wide: [fn(&mut KeyState); 15] = [
            |state| state.revision.main = Revision::new(1 << 40),
            |state| state.revision.main = Revision::NONE,
            |state| state.revision.sub = 1 << 24,
            |state| state.revision.sub = -1,
            |state| state.create_revision = Revision::new(1 << 40),
            |state| state.create_revision = Revision::NONE,
            |state| state.version = 1 << 32,
            |state| state.version = -1,
            |state| state.value_len -= 1,
            |state| state.value_len += 256,
            |state| state.place.page = PageId::new(1 << 32),
            |state| state.place.index = 1 << 16,
            |state| state.bytes += 1,
            |state| state.bytes = u64::from(u32::MAX) - 1,
            |state| state.tombstones = 1 << 8,
        ];
        for (number, widen) in wide.into_iter().enumerate() {
            let mut state = state();
            widen(&mut state);
            assert_eq!(PackedState::pack(&state, 1000), None, "{number}");
        }
    }

    #[test]
    fn packed_states_are_merged_as_others_are() {
        let one = |main, sub, page, index, bytes| KeyState {
            revision: FullRevision { main: Revision::new(main), sub },
            place: EntryPlace { page: PageId::new(page), index },
            version: main >> 8,
            deleted: sub == 1,
            newest_bytes: 50,
            value_len: 10,
            bytes,
            revisions: 3,
            tombstones: 100,
            ..state()
        };
        let much = u64::from(u32::MAX) + 20;
        let states = [
            one(1 << 33, 0, 9, 9, 50),
            one(1 << 33, 1, 2, 3, 90),
            one(1 << 33, 1, 2, 4, 50),
            one(1 << 33, 1, 3, 0, 60),
            one(1 << 32, 1 << 17, 7, 7, 50),
            one((1 << 33) - 1, 1 << 16, 7, 7, much),
            KeyState { tombstones: 200, ..one(5, 0, 7, 7, 50) },
            KeyState { revisions: u32::MAX, ..one(6, 0, 7, 7, 50) },
        ];
        let mut refused = 0;
        for (a, b) in states.iter().flat_map(|a| states.iter().map(move |b| (a, b))) {
            let [mut packed, other] = [a, b].map(|state| PackedState::pack(state, 20).unwrap());
            let mut expected = *a;
            let newer = expected.merge(b);
            match packed.merge(&other) {
                Some(packed_newer) => assert_eq!((packed.unpack(7), packed_newer), (expected, newer), "{a:?} {b:?}"),
                None => {
                    refused += 1;
                    assert_eq!(packed, PackedState::pack(a, 20).unwrap());
                    let is_saturated = u64::from(a.revisions) + u64::from(b.revisions) > u64::from(u32::MAX);
                    assert!(is_saturated || PackedState::pack(&expected, 20).is_none(), "{a:?} {b:?}");
                }
            }
        }
        assert!(refused > 0);
        let mut packed = PackedState::pack(&states[0], 20).unwrap();
        assert_eq!(packed.merge(&PackedState::whole(0, 20)), None);
        assert_eq!(PackedState::whole(0, 20).merge(&packed), None);
    }
}
