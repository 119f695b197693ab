//! Decides whether an old snapshot is an older one of the same cluster and so may be removed, or must stay.
//!
//! That needs two proofs. First the cluster: by the mark that `save` put on the file ([`origin`](super::origin)), or, on file systems without marks, by the cluster's id
//! in its name or by its members. Then the history ([`same_history`](super::same_history)), because ids prove too little: etcd servers that were started with their defaults share
//! one id, and a cluster that was wiped and created again with the same peer URLs and token has the same id as before; its snapshots must not displace the good ones. If the histories cannot be
//! compared, because compactions have removed everything that both had, the id counts, unless it is one of the defaults. A snapshot with a later revision than the new one, or an
//! unreadable revision, stays.

use etcdsnap_core::Revision;
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::origin::{FileIn, Members, Origin, RecordedMembers};
use super::same_history::{self, History, PastEntries};
use crate::grouped_number::{grouped, grouped_revision};
use crate::printable::printable_path;
use crate::snapshot::Snapshot;

/// Ids of clusters with one member at a default peer URL (`http://localhost:2380` and the like) and the default token, shared by etcd servers all over the world.
/// Source: `computeMemberId` and `genID` in etcd's `membership`, which hash URLs and token.
const DEFAULT_CLUSTERS: [u64; 4] =
    [0xcdf8_1819_4e3a_8c32, 0x1c45_a069_f3a1_d796, 0x888e_081e_8766_f4c2, 0xc9be_114f_c2da_2776];

/// The new snapshot, verified and in place.
#[derive(Clone, Copy)]
pub(super) struct NewSnapshot<'n> {
    /// An open handle to it.
    pub file: &'n File,
    /// Its name in its directory, once it has one.
    pub name: &'n OsStr,
    /// Its path, for messages.
    pub path: &'n Path,
    pub cluster: u64,
    /// Ids of the cluster's members, as the server lists them; empty if it did not.
    pub members: &'n [u64],
    /// The server's revision when it was taken, or slightly before.
    pub revision: Revision,
    pub taken: SystemTime,
    /// Whether the file system supports marks, so that a file without a mark is not ours.
    pub marked: bool,
    /// Its old entries; `None` if they cannot be read, or it is compressed and large.
    pub past_entries: Option<&'n PastEntries<'n>>,
    /// The removed members that it records, once they were read.
    pub removed: &'n OnceCell<Vec<u64>>,
}

/// How much is read to decide the relation of two snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProofDepth {
    /// Only name and mark: enough to recognize a snapshot that stays.
    Cheap,
    /// Also the snapshot itself, if name and mark prove too little.
    Full,
}

/// The relation of an old snapshot to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// An older snapshot of the same cluster.
    Older,
    OtherCluster,
    /// It stays, and the user should know why.
    Stays(StayReason),
}

/// Why a snapshot stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StayReason {
    Unproven,
    Unmarked,
    LaterRevision,
    UnknownRevision,
    OtherHistory,
    DefaultCluster,
    Future,
}

impl StayReason {
    /// Explains why one snapshot stays, as the end of a sentence.
    pub fn reason(self, revision: Revision) -> String {
        match self {
            Self::Unproven => "nothing proves which cluster it belongs to".into(),
            Self::Unmarked => "it lacks the mark that etcdsnap puts on a file: it is a copy, or was renamed or changed".into(),
            Self::LaterRevision => format!("its revision is later than the new one's, {}: the cluster was restored or created again", grouped_revision(revision)),
            Self::UnknownRevision => "its revision cannot be read".into(),
            Self::OtherHistory => "its keys have another history than those of the new one: it belongs to another cluster with the same id, or to the time before the cluster was restored or created again".into(),
            Self::DefaultCluster => "the cluster's id is that of every etcd started with its defaults, and the two snapshots have no keys in common to compare".into(),
            Self::Future => "its name contains a time in the future: a clock was wrong then, or this machine's is now".into(),
        }
    }

    /// Explains in sentences why some snapshots stay, and what to do.
    pub fn describe(self, revision: Revision, paths: &[PathBuf]) -> String {
        let first = paths.first().map(|path| printable_path(path)).unwrap_or_default();
        let (snapshots, others, each) = match paths.len() {
            1 => ("1 old snapshot".to_owned(), String::new(), ""),
            2 => ("2 old snapshots".to_owned(), " and another".to_owned(), "of each: "),
            count => (
                format!("{} old snapshots", grouped(count as u64)),
                format!(" and {} others", grouped((count as u64).saturating_sub(1))),
                "of each: ",
            ),
        };
        let advice = match self {
            Self::Unproven => {
                "Put {cluster} and {revision} into the name, for example etcd-{cluster}-{revision}-{time}.db."
            }
            Self::UnknownRevision => "Put {revision} into the name, for example etcd-{cluster}-{revision}-{time}.db.",
            Self::Unmarked => {
                "It does not count and is not removed. To keep a file for good without this note, move it into another directory, or put a prefix before its name."
            }
            Self::LaterRevision | Self::OtherHistory => "Remove it when you no longer need it.",
            Self::DefaultCluster => {
                "Start each etcd cluster with its own --initial-cluster-token, give each cluster its own directory, and remove what you no longer need."
            }
            Self::Future => "It does not count and is not removed. Set the clock, or remove or rename the file.",
        };
        format!("{snapshots} ({first}{others}) stayed, {each}because {}. {advice}", self.reason(revision))
    }
}

impl<'n> NewSnapshot<'n> {
    /// Creates one with only these facts, as if the file system had no marks.
    pub fn new(
        (file, name, path): (&'n File, &'n OsStr, &'n Path),
        cluster: u64,
        members: &'n [u64],
        revision: Revision,
        removed: &'n OnceCell<Vec<u64>>,
    ) -> Self {
        let taken = SystemTime::UNIX_EPOCH;
        Self { file, name, path, cluster, members, revision, taken, marked: false, past_entries: None, removed }
    }

    /// Whether files here have marks: this one has, or one of the `others`.
    pub fn supports_marks<'p>(&self, mut others: impl Iterator<Item = FileIn<'p>>) -> bool {
        Origin::read_mark(self.file, self.name).is_some() || others.any(|other| Origin::of(other).is_some())
    }

    /// Whether the mark says that a file belongs to another cluster.
    pub fn is_of_other_cluster(&self, file: FileIn<'_>) -> bool {
        Origin::of(file).is_some_and(|origin| origin.cluster != self.cluster)
    }

    /// Decides the relation of the snapshot `old`. `revision` is the one in its name; `named` says that the name contains this cluster's id.
    pub fn relation(&self, old: FileIn<'_>, revision: Option<Revision>, named: bool, depth: ProofDepth) -> Relation {
        let origin = Origin::of(old);
        let is_default = DEFAULT_CLUSTERS.contains(&self.cluster);
        let depth = if is_default { ProofDepth::Full } else { depth };
        let contents = OnceCell::new();
        let contents = || contents.get_or_init(|| RecordedMembers::of(old.open()?, &old.display_path())).as_ref();
        match origin {
            Some(origin) if origin.cluster != self.cluster => return Relation::OtherCluster,
            Some(_) => {}
            None if self.marked => return Relation::Stays(StayReason::Unmarked),
            None if named => {}
            None if contents().is_some_and(|contents| self.prove(&contents.members)) => {}
            None => return Relation::Stays(StayReason::Unproven),
        }
        let revision = revision.or_else(|| origin.and_then(|origin| origin.revision));
        let is_late = |revision: Revision| revision > self.revision;
        if revision.is_some_and(is_late) {
            return Relation::Stays(StayReason::LaterRevision);
        }
        let last = origin.and_then(|origin| origin.last);
        let mut history = match (self.past_entries, last) {
            (Some(past_entries), Some(last)) => past_entries.continues(last),
            _ => History::Unknown,
        };
        if depth == ProofDepth::Full && (revision.is_none() || history == History::Unknown) {
            let snapshot = old.open().and_then(|file| same_history::open(file, &old.display_path()));
            let store = snapshot.as_ref().and_then(|snapshot| snapshot.store().ok());
            let found = store.as_ref().filter(|store| store.is_whole());
            match revision.or_else(|| found.map(|store| store.current())) {
                None => return Relation::Stays(StayReason::UnknownRevision),
                Some(revision) if is_late(revision) => return Relation::Stays(StayReason::LaterRevision),
                Some(_) => {}
            }
            if let (Some(past_entries), Some(store), History::Unknown) = (self.past_entries, found, history) {
                history = past_entries.continues_store(store);
            }
        }
        match history {
            History::Other => Relation::Stays(StayReason::OtherHistory),
            History::Unknown if is_default => Relation::Stays(StayReason::DefaultCluster),
            History::Same | History::Unknown => Relation::Older,
        }
    }

    fn contents(&self) -> Option<RecordedMembers> {
        RecordedMembers::of(self.file.try_clone().ok()?, self.path)
    }

    /// Opens its contents; a compressed one is unpacked, unless it is large.
    pub fn snapshot(&self) -> Option<Snapshot> {
        same_history::open(self.file.try_clone().ok()?, self.path)
    }

    /// Whether it is compressed.
    pub fn is_packed(&self) -> bool {
        self.file.try_clone().is_ok_and(|file| same_history::is_packed(file, self.path))
    }

    /// Whether a snapshot with these members can only belong to this cluster.
    fn prove(&self, members: &[u64]) -> bool {
        let removed = self.removed.get_or_init(|| self.contents().map(|contents| contents.removed).unwrap_or_default());
        Members { current: self.members, removed }.prove(members)
    }
}
