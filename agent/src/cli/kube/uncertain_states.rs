//! Warnings that objects from a damaged file may be outdated or deleted.

use etcdsnap::Cluster;
use etcdsnap::core::kubernetes::registry_keys::Object;
use etcdsnap::core::store::{Key, UnreadRevisions};
use etcdsnap::core::{Revision, RevisionRange};
use etcdsnap::grouped_number::{counted, grouped, grouped_revision};
use serde_json::{Map, Value};

use crate::cli::output;

/// Maximum number of ranges in a message.
const NAMED: usize = 5;

/// Reports how many of the wanted live objects of a cluster may be outdated or deleted.
pub fn report_living(cluster: &Cluster, is_wanted: impl Fn(&Object<'_>) -> bool) {
    let (all, uncertain) = cluster.uncertain(is_wanted);
    report(&cluster.unread, all, uncertain);
}

/// Reports how many of some objects, given by the revisions that last wrote or deleted them, may have changed since.
pub fn report_of(unread: &UnreadRevisions, revisions: impl Iterator<Item = Revision>) {
    let (mut all, mut uncertain) = (0_u64, 0_u64);
    for revision in revisions {
        all = all.saturating_add(1);
        uncertain = uncertain.saturating_add(u64::from(unread.may_follow(revision)));
    }
    report(unread, all, uncertain);
}

/// Reports how many deleted objects may have had a later state before the deletion, or may have been created again since. `states` has the revision that wrote the last known state of each.
pub fn report_deleted<'k>(unread: &UnreadRevisions, states: impl Iterator<Item = (Key<'k>, Revision)>) {
    let uncertain = states.filter(|(key, written)| may_be_older(unread, key, *written)).count();
    if uncertain > 0 {
        let what = counted(uncertain as u64, "deleted object", "deleted objects");
        output::warn(&format!(
            "{what} may have been changed once more before the deletion, or made anew since: {}.",
            are_lost(unread)
        ));
    }
}

fn report(unread: &UnreadRevisions, all: u64, uncertain: u64) {
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

/// Whether the key may have had a later state than the one written at this revision.
pub fn may_be_older(unread: &UnreadRevisions, key: &Key<'_>, written: Revision) -> bool {
    unread.may_follow(key.revision.main) || (key.deleted && unread.may_lie_between(written, key.revision.main))
}

/// Says which revisions are lost, as a sentence without its full stop.
pub fn are_lost(unread: &UnreadRevisions) -> String {
    let ranges = unread.ranges();
    let mut names: Vec<String> = ranges.iter().take(NAMED).map(name).collect();
    let more = ranges.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(format!("and {} more ranges", grouped(more as u64)));
    }
    match ranges {
        [RevisionRange { from, to: None }] if *from <= Revision::FIRST => {
            "it is unknown which revisions are lost".into()
        }
        [RevisionRange { from, to: Some(to) }] if from == to => format!("revision {} is lost", grouped_revision(*from)),
        _ => format!("revisions {} are lost", names.join(", ")),
    }
}

/// Formats a range for people.
pub fn name(range: &RevisionRange) -> String {
    match range.to {
        Some(to) if to == range.from => grouped_revision(to),
        Some(to) => format!("{} to {}", grouped_revision(range.from), grouped_revision(to)),
        None => format!("{} and later", grouped_revision(range.from)),
    }
}

/// Adds to a JSON object that the file is damaged, and which revisions it has lost; a range without an end has no `to`.
pub fn put(object: &mut Map<String, Value>, name: &'static str, unread: &UnreadRevisions) {
    object.insert("damaged".into(), true.into());
    object.insert(name.into(), unread.ranges().iter().map(range).collect());
}

/// Formats a range as JSON.
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
        assert_eq!(are_lost(&UnreadRevisions::any()), "it is unknown which revisions are lost");
    }
}
