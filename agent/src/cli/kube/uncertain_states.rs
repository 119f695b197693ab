//! What a damaged file leaves open about objects: they may be older than they were, or deleted.

use etcdsnap::Cluster;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::store::{Key, UnreadRevisions};
use etcdsnap::core::{Revision, RevisionRange};
use etcdsnap::grouped_number::{counted, grouped, grouped_revision};
use serde_json::{Map, Value};

use crate::cli::output;

/// Ranges that are named.
const NAMED: usize = 5;

/// Says how many of the living objects of a cluster that are asked for may be older than they were, or deleted.
pub fn tell_living(cluster: &Cluster, is_wanted: impl Fn(&Object<'_>) -> bool) {
    let (all, uncertain) = cluster.uncertain(is_wanted);
    tell(&cluster.unread, all, uncertain);
}

/// Says how many of some objects, by the revisions that wrote or deleted them last, may have been changed since.
pub fn tell_of(unread: &UnreadRevisions, revisions: impl Iterator<Item = Revision>) {
    let (mut all, mut uncertain) = (0_u64, 0_u64);
    for revision in revisions {
        all = all.saturating_add(1);
        uncertain = uncertain.saturating_add(u64::from(unread.may_follow(revision)));
    }
    tell(unread, all, uncertain);
}

/// Says how many of some objects that are deleted, each with the revision that wrote its last state, may have been changed before their deletion, or made anew since.
pub fn tell_deleted<'k>(unread: &UnreadRevisions, states: impl Iterator<Item = (Key<'k>, Revision)>) {
    let uncertain = states.filter(|(key, written)| may_be_older(unread, key, *written)).count();
    if uncertain > 0 {
        let what = counted(uncertain as u64, "deleted object", "deleted objects");
        output::warn(&format!(
            "{what} may have been changed once more before the deletion, or made anew since: {}.",
            are_lost(unread)
        ));
    }
}

fn tell(unread: &UnreadRevisions, all: u64, uncertain: u64) {
    if uncertain == 0 {
        return;
    }
    let (what, than) = match (uncertain, all) {
        (1, 1) => ("The object of this answer".to_owned(), "it was"),
        (some, all) if some == all => (format!("All {} objects of this answer", grouped(all)), "they were"),
        (some, all) => {
            (format!("{} of the {} of this answer", grouped(some), counted(all, "object", "objects")), "they were")
        }
    };
    output::warn(&format!("{what} may be older than {than}, or deleted: {}.", are_lost(unread)));
}

/// Whether a state of a key that was written at a revision may not be the last one that it had.
pub fn may_be_older(unread: &UnreadRevisions, key: &Key<'_>, written: Revision) -> bool {
    unread.may_follow(key.revision.main) || (key.deleted && unread.may_lie_between(written, key.revision.main))
}

/// Which revisions are lost, as a sentence without its full stop.
pub fn are_lost(unread: &UnreadRevisions) -> String {
    let ranges = unread.ranges();
    let mut names: Vec<String> = ranges.iter().take(NAMED).map(name).collect();
    let more = ranges.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("and {} more ranges", grouped(more as u64)));
    }
    match ranges {
        [RevisionRange { from, to: None }] if *from <= Revision::FIRST => {
            "nobody knows which revisions are lost".into()
        }
        [RevisionRange { from, to: Some(to) }] if from == to => format!("revision {} is lost", grouped_revision(*from)),
        _ => format!("revisions {} are lost", names.join(", ")),
    }
}

/// A range as a person writes it.
pub fn name(range: &RevisionRange) -> String {
    match range.to {
        Some(to) if to == range.from => grouped_revision(to),
        Some(to) => format!("{} to {}", grouped_revision(range.from), grouped_revision(to)),
        None => format!("{} and later", grouped_revision(range.from)),
    }
}

/// Puts in that a file is damaged, and the revisions that it has lost: a range without an end has no `to`.
pub fn put(object: &mut Map<String, Value>, name: &'static str, unread: &UnreadRevisions) {
    object.insert("damaged".into(), true.into());
    object.insert(name.into(), unread.ranges().iter().map(range).collect());
}

/// A range in JSON.
pub fn range(range: &RevisionRange) -> Value {
    let mut object = Map::new();
    object.insert("from".into(), range.from.into());
    if let Some(to) = range.to {
        object.insert("to".into(), to.into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_named() {
        let range = |from, to: Option<i64>| RevisionRange { from: Revision::new(from), to: to.map(Revision::new) };
        assert_eq!(name(&range(1_234, Some(1_234))), "1,234");
        assert_eq!(name(&range(5, Some(8))), "5 to 8");
        assert_eq!(name(&range(90, None)), "90 and later");
        assert_eq!(are_lost(&UnreadRevisions::any()), "nobody knows which revisions are lost");
    }
}
