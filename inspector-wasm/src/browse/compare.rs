//! What another file, or another revision of this one, does not have alike.

use etcdsnap_core::Source;
use etcdsnap_core::store::{Change, Direction, Index, Key, KeyAt, Store, compare};
use etcdsnap_core::words::{is_secret, key_bytes, key_text};
use serde::Deserialize;

use super::answers::{ChangeRow, Differences, Side, narrow};
use super::reading::{Purpose, Reading, query, unread};
use super::view::{Refusal, View, value_at};

/// The other side, and how it differs.
pub(crate) struct Comparison<'s, S: Source + ?Sized> {
    /// None when the other side is another revision of the same file.
    store: Option<Store<'s, S>>,
    index: Index,
    changes: Vec<Changed>,
    /// What was asked for last, and the changes that are of it, in its order.
    shown: Option<(Differing, Vec<u32>)>,
}

/// Which changes the page wants, and in which order; as `Differing` in `calls.ts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Differing {
    pub kinds: Vec<String>,
    pub by: Column,
    pub down: bool,
    /// The other side is shown as the earlier one.
    pub turned: bool,
}

/// A column that they are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Column {
    Key,
    Kind,
    /// The revision of the later side, or of the earlier one where the key was removed.
    Revision,
    /// Bytes of the value, likewise.
    Size,
    /// By how much the value grew.
    Growth,
}

#[derive(Clone, Copy)]
struct Changed {
    before: Option<KeyAt>,
    after: Option<KeyAt>,
}

impl Changed {
    fn kind(self) -> &'static str {
        match (self.before, self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        }
    }
}

impl<S: Source + ?Sized> Comparison<'_, S> {
    /// The changes that are asked for, in their order: those that are alike in it stay in the order of the keys.
    fn places(&self, index: &Index, differing: &Differing) -> Vec<u32> {
        let Differing { kinds, by, down, turned } = differing;
        let wanted = |(_, change): &(u32, &Changed)| kinds.iter().any(|kind| kind == change.kind());
        let way = if *down { Direction::Down } else { Direction::Up };
        let rank = |change: &Changed| {
            let (here, there) =
                (change.before.and_then(|at| index.at(at)), change.after.and_then(|at| self.index.at(at)));
            let (before, after) = if *turned { (there, here) } else { (here, there) };
            let last = after.or(before);
            let bytes = |key: Option<Key<'_>>| key.map_or(0, |key| i64::from(key.value_len));
            match by {
                Column::Key => 0,
                Column::Kind => match (before.is_some(), after.is_some()) {
                    (false, _) => 0,
                    (_, false) => 1,
                    _ => 2,
                },
                Column::Revision => last.map_or(0, |key| key.revision.main),
                Column::Size => bytes(last),
                Column::Growth => bytes(after).saturating_sub(bytes(before)),
            }
        };
        let chosen = (0u32..).zip(&self.changes).filter(wanted);
        let mut ranked: Vec<(i64, u32)> = chosen.map(|(place, change)| (way.turn(rank(change)), place)).collect();
        if *by == Column::Key {
            if *down {
                ranked.reverse();
            }
        } else {
            ranked.sort_unstable();
        }
        ranked.into_iter().map(|(_, place)| place).collect()
    }
}

impl<'s, S: Source + ?Sized> View<'s, S> {
    /// Begins to compare with another store, or with another revision of this one; 0 is the latest.
    pub(crate) fn begin_compare(&mut self, other: Option<Store<'s, S>>, revision: i64) -> Result<(), Refusal> {
        let of = other.as_ref().unwrap_or(&self.store);
        let revision = of.at(revision).map_err(|cause| format!("{cause}."))?;
        let lost = of.lost().clone();
        let purpose = Purpose::Other(other.map(Box::new), Index::new(query(revision)));
        self.reading = Some(Reading::new(&lost, purpose));
        Ok(())
    }

    pub(crate) fn finish_compare(&mut self) -> Result<Differences, Refusal> {
        let Some(Reading { purpose: Purpose::Other(other, index), lost, .. }) = self.reading.take() else {
            return Err(unread());
        };
        let revision = index.revision();
        let found = compare(&self.index, &index);
        let changes: Vec<Changed> = found
            .iter()
            .map(|change| match change {
                Change::Added(new) => Changed { before: None, after: index.place(new.key) },
                Change::Removed(old) => Changed { before: self.index.place(old.key), after: None },
                Change::Changed(old, new) => Changed { before: self.index.place(old.key), after: index.place(new.key) },
            })
            .collect();
        let count = |kind: &str| changes.iter().filter(|change| change.kind() == kind).count();
        let [added, removed, changed] = ["added", "removed", "changed"].map(count);
        let differences = Differences {
            added: narrow(added),
            removed: narrow(removed),
            changed: narrow(changed),
            alike: narrow(self.live().saturating_sub(removed).saturating_sub(changed)),
            lost: lost.places,
            revision,
        };
        self.comparison = Some(Comparison { store: other.map(|store| *store), index, changes, shown: None });
        Ok(differences)
    }

    pub(crate) fn changes(&mut self, from: u32, count: u32, differing: Differing) -> Vec<ChangeRow> {
        let Some(comparison) = &mut self.comparison else { return Vec::new() };
        if comparison.shown.as_ref().is_none_or(|(shown, _)| *shown != differing) {
            let places = comparison.places(&self.index, &differing);
            comparison.shown = Some((differing, places));
        }
        let shown = comparison.shown.as_ref().map(|(_, places)| places.as_slice()).unwrap_or_default();
        let places = shown.iter().skip(from as usize).take(count as usize);
        let row = |place: &u32| {
            let change = comparison.changes.get(*place as usize)?;
            let before = change.before.and_then(|at| self.index.at(at));
            let after = change.after.and_then(|at| comparison.index.at(at));
            let key = before.or(after)?.key;
            Some(ChangeRow {
                kind: change.kind(),
                key: key_text(key),
                secret: is_secret(key),
                before: before.map(Side::from),
                after: after.map(Side::from),
            })
        };
        places.filter_map(row).collect()
    }

    /// Both values of a key.
    pub(crate) fn sides(&self, key: &str) -> Result<[Option<Vec<u8>>; 2], Refusal> {
        let comparison = self.comparison.as_ref().ok_or("Nothing is compared.")?;
        let key = key_bytes(key).unwrap_or_default();
        let value = |index: &Index, store: &Store<'s, S>| {
            let state = index.get(&key).filter(|state| !state.deleted);
            state.map(|state| value_at(store, state.place)).transpose()
        };
        let other = comparison.store.as_ref().unwrap_or(&self.store);
        Ok([value(&self.index, &self.store)?, value(&comparison.index, other)?])
    }
}
