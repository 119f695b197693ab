//! The result of comparing a snapshot with the members of its cluster, which reveals a diverged member when a backup is made, not only when it is restored.

use etcdsnap_core::Revision;
use serde::Serialize;

use crate::client::{ListedMember, StoreHash};
use crate::grouped_number::grouped_revision;

/// The result of comparing a snapshot with the members of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The revision at which they were compared.
    pub revision: Revision,
    /// `HashKV` of the file. For a compressed or streamed file, the hash from the snapshot's own member; `None` if neither is known.
    pub hash: Option<u32>,
    /// All members of the cluster except learners, which return no hash.
    pub members: Vec<ComparedMember>,
}

/// The result for one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedMember {
    /// Its id in hexadecimal.
    pub member_id: String,
    /// Its name; empty until it was started for the first time.
    pub name: String,
    /// The endpoint where it was asked; `None` if it was not reached.
    pub endpoint: Option<String>,
    /// Whether this member sent the snapshot.
    pub is_source: bool,
    /// The result.
    pub outcome: Outcome,
    /// Its `HashKV`, if it returned one.
    pub hash: Option<u32>,
    /// Why it was not compared, or how it differs if it returned no hash.
    pub reason: Option<String>,
}

/// The result of comparing a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It has the data of the snapshot.
    Same,
    /// It has different data.
    Differs,
    /// It was not reached, or its answer cannot be compared; this proves nothing.
    NotCompared,
}

impl Comparison {
    /// Returns the members with this result.
    pub fn with(&self, outcome: Outcome) -> impl Iterator<Item = &ComparedMember> {
        self.members.iter().filter(move |member| member.outcome == outcome)
    }

    /// Counts the members that have the data of the snapshot, including its own.
    #[must_use]
    pub fn same(&self) -> usize {
        self.with(Outcome::Same).count()
    }

    /// Counts the members that have other data than the snapshot.
    #[must_use]
    pub fn differing(&self) -> usize {
        self.with(Outcome::Differs).count()
    }

    /// Whether any member has other data than the snapshot.
    #[must_use]
    pub fn is_diverged(&self) -> bool {
        self.differing() > 0
    }

    /// Describes which members differ, and what to do; `None` if none differs.
    #[must_use]
    pub fn describe_divergence(&self) -> Option<String> {
        if !self.is_diverged() {
            return None;
        }
        let differing: Vec<&ComparedMember> = self.with(Outcome::Differs).collect();
        let same: Vec<&ComparedMember> = self.with(Outcome::Same).collect();
        // Members that differ from the snapshot may also differ from each other.
        let alike = differing.iter().map(|member| hashes_like(&differing, member)).max().unwrap_or_default();
        // As in Raft, a majority of all members decides.
        let decides = |count: usize| count.saturating_mul(2) > self.members.len();
        let at = format!("at revision {}", grouped_revision(self.revision));
        let others = names(differing.iter().copied());
        let source_is_alone = differing.iter().any(|member| member.is_source);
        Some(if source_is_alone {
            format!(
                "The file differs from its own member: {at} the hash of the file is not that of {others}. The member's memory or disk may be faulty. Take another snapshot from another member (--endpoints), and compare the two with `etcdsnap diff`."
            )
        } else if decides(same.len()) {
            format!(
                "Members of the cluster have diverged: {at} the data of {others} are not those of this snapshot and of {}. The snapshot is good. Remove {others} from the cluster (etcdctl member remove) and add it again with an empty data directory.",
                names(same.into_iter())
            )
        } else if decides(alike) {
            format!(
                "The member that sent this snapshot has diverged: {at} {others} have other data. Do not restore from this file. Take another snapshot from one of the others (--endpoints), and compare the two with `etcdsnap diff`."
            )
        } else {
            format!(
                "Members of the cluster have diverged, and there is no majority for any of them: {at} {others} do not have the data of this snapshot{}. Take a snapshot from each member (--endpoints), and compare them with `etcdsnap diff`.",
                if same.is_empty() { String::new() } else { format!(" and of {}", names(same.into_iter())) }
            )
        })
    }
}

/// Counts the members with the same hash as this one.
fn hashes_like(members: &[&ComparedMember], one: &ComparedMember) -> usize {
    members.iter().filter(|member| member.hash.is_some() && member.hash == one.hash).count()
}

/// Formats the names of members.
pub(crate) fn names<'m>(members: impl Iterator<Item = &'m ComparedMember>) -> String {
    members.map(ComparedMember::display_name).collect::<Vec<_>>().join(", ")
}

impl ComparedMember {
    pub(super) fn new(listed: &ListedMember, source: u64) -> Self {
        Self {
            member_id: format!("{:x}", listed.id),
            name: listed.name.clone(),
            endpoint: None,
            is_source: listed.id == source,
            outcome: Outcome::NotCompared,
            hash: None,
            reason: None,
        }
    }

    /// Returns its name, or its id.
    #[must_use]
    pub fn display_name(&self) -> String {
        if self.name.is_empty() { self.member_id.clone() } else { crate::printable(&self.name) }
    }

    /// Stores the member's hash; `differs` is `None` if it cannot be compared.
    pub(super) fn set_hash(&mut self, theirs: &StoreHash, differs: Option<bool>) {
        self.hash = Some(theirs.hash);
        self.outcome = match differs {
            Some(true) => Outcome::Differs,
            Some(false) => Outcome::Same,
            None => Outcome::NotCompared,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a comparison of members a, b, c …; the first is the snapshot's own.
    fn comparison(hashes: &[Option<u32>]) -> Comparison {
        let member = |(number, hash): (usize, &Option<u32>)| ComparedMember {
            member_id: format!("{number}"),
            name: char::from(b'a' + number as u8).to_string(),
            endpoint: None,
            is_source: number == 0,
            outcome: match hash {
                None => Outcome::NotCompared,
                hash if *hash == hashes[0] => Outcome::Same,
                Some(_) => Outcome::Differs,
            },
            hash: *hash,
            reason: None,
        };
        Comparison {
            revision: Revision::new(7),
            hash: hashes[0],
            members: hashes.iter().enumerate().map(member).collect(),
        }
    }

    fn description(hashes: &[Option<u32>]) -> String {
        comparison(hashes).describe_divergence().unwrap_or_default()
    }

    #[test]
    fn a_majority_decides_which_members_have_diverged() {
        assert_eq!(description(&[Some(1), Some(1), Some(1)]), "");
        assert_eq!(description(&[Some(1), None, None]), "");
        let other = description(&[Some(1), Some(2), Some(1)]);
        assert!(other.contains("at revision 7 the data of b are not those of this snapshot and of a, c"), "{other}");
        let own = description(&[Some(1), Some(2), Some(2)]);
        assert!(own.contains("The member that sent this snapshot has diverged") && own.contains("b, c have"), "{own}");
        for undecided in [
            &[Some(1), Some(2)][..],
            &[Some(1), Some(2), None],
            &[Some(1), Some(2), Some(3)],
            &[Some(1), Some(2), Some(1), None, None],
            &[Some(1), Some(2), Some(2), None, None],
        ] {
            assert!(description(undecided).contains("there is no majority"), "{}", description(undecided));
        }
        let five = description(&[Some(1), Some(2), Some(3), Some(1), Some(1)]);
        assert!(five.contains("b, c are not those of this snapshot and of a, d, e"), "{five}");
    }

    #[test]
    fn members_that_lack_revisions_differ() {
        let mut behind = comparison(&[Some(1), Some(2), Some(2)]);
        behind.members.iter_mut().skip(1).for_each(|member| member.hash = None);
        let words = behind.describe_divergence().unwrap();
        assert!(words.contains("no majority"), "{words}");
    }

    #[test]
    fn a_file_can_differ_from_its_own_member() {
        let mut alone = comparison(&[Some(1), Some(1), Some(1)]);
        alone.members[0].outcome = Outcome::Differs;
        let words = alone.describe_divergence().unwrap();
        assert!(words.contains("The file differs from its own member") && words.contains("not that of a"), "{words}");
    }
}
