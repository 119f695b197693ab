//! Which old snapshots are removed when a new one is in place.
//!
//! Only a snapshot that is proven to be an older one of the same cluster: by the cluster's id in its name, by the attribute that `save` left on it, or by its own
//! members ([`origin`](super::origin)). Snapshots with a later revision than the new one stay, too: a cluster that was created anew from the same
//! peer URLs and token has the same id, and its first, empty snapshots must not push out the good ones.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::SaveError;
use super::name::{Pattern, Place, Template};
use super::origin::{self, Contents, Members, Origin};
use rustix::fs::FileType;

use crate::error::plain;
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::printable::printable_path;

/// How many snapshots of one template and cluster stay. One stays if either rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// So many, the newest.
    pub count: Option<usize>,
    /// Those that are no older.
    pub within: Option<Duration>,
}

/// What became of old snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pruned {
    pub removed: Vec<PathBuf>,
    /// Those that could not be removed, and why.
    pub not_removed: Vec<(PathBuf, String)>,
    /// Why others stay, in sentences for the person who asked for them to be removed.
    pub notes: Vec<String>,
}

/// The snapshot that is in place now, proven.
#[derive(Debug, Clone)]
pub(super) struct Newest {
    /// Its name in the directory.
    pub name: OsString,
    pub cluster: u64,
    /// Ids of the cluster's members, as the server lists them; empty when it did not.
    pub members: Vec<u64>,
    /// The server's revision when it was taken, or a little before.
    pub revision: i64,
    pub taken: SystemTime,
}

impl Keep {
    /// Whether anything is to be removed at all.
    pub(super) fn is_asked_for(&self) -> bool {
        self.count.is_some() || self.within.is_some()
    }

    /// Whether the name tells snapshots apart.
    ///
    /// # Errors
    /// [`SaveError::Name`] when it does not.
    pub(super) fn check(&self, template: &Template, path: &Path) -> Result<(), SaveError> {
        if self.is_asked_for() && !template.has(Place::Time) {
            let reason = "--keep and --keep-within need a name with {time}, or a directory: which file is older is told by its name";
            return Err(SaveError::Name { path: path.to_owned(), reason: reason.into() });
        }
        if self.count == Some(0) {
            return Err(SaveError::Name { path: path.to_owned(), reason: "--keep 0 would keep nothing".into() });
        }
        Ok(())
    }

    /// Removes what need not stay of the regular files in `directory`, the template's, whose names are of this template; never `newest`. Reads old snapshots where
    /// their names prove too little, so it may take a while.
    pub(super) fn apply(&self, directory: &Directory, template: &Template, newest: &Newest) -> Pruned {
        let mut done = Pruned::default();
        let Some(pattern) = template.pattern(newest.cluster).filter(|_| self.is_asked_for()) else { return done };
        let old = match list(directory, template, &pattern, newest) {
            Ok(old) => old,
            Err(cause) => {
                let directory = printable_path(template.directory());
                done.notes.push(format!("No old snapshot was removed, because {directory} cannot be listed: {}. Give this user read permission on the directory.", plain(&cause)));
                return done;
            }
        };
        let mut stay: BTreeMap<Stays, Vec<PathBuf>> = BTreeMap::new();
        let mut removed_members = None;
        let mut kept = 1_usize;
        for snapshot in old {
            match newest.relation(directory, &snapshot, template.has(Place::Cluster), &mut removed_members) {
                Relation::Older => {}
                Relation::OtherCluster => continue,
                Relation::Stays(reason) => {
                    stay.entry(reason).or_default().push(snapshot.path);
                    continue;
                }
            }
            let counts = self.count.is_some_and(|count| kept < count);
            let age = newest.taken.duration_since(snapshot.time).unwrap_or_default();
            if counts || self.within.is_some_and(|within| age <= within) {
                kept = kept.saturating_add(1);
                continue;
            }
            match snapshot.remove(directory) {
                Ok(true) => done.removed.push(snapshot.path),
                Ok(false) => {}
                Err(cause) => done.not_removed.push((snapshot.path, plain(&cause))),
            }
        }
        done.notes.extend(stay.iter().map(|(reason, paths)| reason.describe(newest, paths)));
        done
    }
}

/// An old snapshot, by its name.
struct Old {
    time: SystemTime,
    name: OsString,
    path: PathBuf,
    revision: Option<i64>,
    identity: FileIdentity,
}

impl Old {
    /// Whether it was there still, and the same, and was removed.
    fn remove(&self, directory: &Directory) -> std::io::Result<bool> {
        let name = Path::new(&self.name);
        if !directory.has(name, self.identity).is_ok_and(|same| same) {
            return Ok(false);
        }
        directory.remove(name, false).map(|()| true)
    }

    /// What it says of itself.
    fn contents(&self, directory: &Directory) -> Option<Contents> {
        Contents::of(origin::open(directory, Path::new(&self.name))?, &self.path)
    }
}

/// The snapshots of a template but for the newest, the latest first. Those from the future, by a clock that was wrong, are left out: they would push out all others.
fn list(directory: &Directory, template: &Template, pattern: &Pattern, newest: &Newest) -> std::io::Result<Vec<Old>> {
    let mut old = Vec::new();
    for name in directory.names()? {
        let name = name?;
        let Some((time, revision)) = pattern.parse(&name) else { continue };
        if time > newest.taken || newest.name == name {
            continue;
        }
        let Ok(Some(facts)) = directory.look(Path::new(&name)) else { continue };
        if FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile {
            let path = template.path_of(&name);
            old.push(Old { time, name, path, revision, identity: FileIdentity::of_stat(&facts) });
        }
    }
    old.sort_by(|a, b| (b.time, &b.path).cmp(&(a.time, &a.path)));
    Ok(old)
}

/// What an old snapshot is to the newest.
enum Relation {
    /// An older one of the same cluster.
    Older,
    OtherCluster,
    /// One that stays, and of which a person should know.
    Stays(Stays),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stays {
    Unproven,
    LaterRevision,
}

impl Stays {
    fn describe(self, newest: &Newest, paths: &[PathBuf]) -> String {
        let first = paths.first().map(|path| printable_path(path)).unwrap_or_default();
        let (snapshots, others) = match paths.len() {
            1 => ("1 old snapshot".to_owned(), String::new()),
            2 => ("2 old snapshots".to_owned(), " and another".to_owned()),
            count => (format!("{count} old snapshots"), format!(" and {} others", count.saturating_sub(1))),
        };
        match self {
            Self::Unproven => format!(
                "{snapshots} ({first}{others}) stayed, because nothing proves of which cluster. Put {{cluster}} into the name, for example etcd-{{cluster}}-{{time}}.db."
            ),
            Self::LaterRevision => format!(
                "{snapshots} ({first}{others}) stayed, because their revision is later than the new one's, {}: the cluster was restored or created anew. Remove them when you no longer need them.",
                newest.revision
            ),
        }
    }
}

impl Newest {
    /// `removed_members` holds the members that the newest snapshot says were removed, once that was read.
    fn relation(
        &self,
        directory: &Directory,
        old: &Old,
        named: bool,
        removed_members: &mut Option<Vec<u64>>,
    ) -> Relation {
        let attached = || origin::open(directory, Path::new(&old.name)).and_then(|file| Origin::attached(&file));
        let (proven, revision) = if named {
            let read =
                || attached().and_then(|origin| origin.revision).or_else(|| Some(old.contents(directory)?.revision));
            (true, old.revision.or_else(read))
        } else {
            match attached() {
                Some(origin) if origin.cluster != self.cluster => return Relation::OtherCluster,
                Some(origin) => (true, old.revision.or(origin.revision)),
                None => match old.contents(directory) {
                    Some(contents) => {
                        let removed = removed_members.get_or_insert_with(|| {
                            let name = Path::new(&self.name);
                            let contents = origin::open(directory, name).and_then(|file| Contents::of(file, name));
                            contents.map(|newest| newest.removed).unwrap_or_default()
                        });
                        let members = Members { current: &self.members, removed };
                        (members.prove(&contents.members), Some(contents.revision))
                    }
                    None => (false, None),
                },
            }
        };
        if !proven {
            Relation::Stays(Stays::Unproven)
        } else if revision.is_some_and(|revision| revision > self.revision) {
            Relation::Stays(Stays::LaterRevision)
        } else {
            Relation::Older
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NAMES: [&str; 8] = [
        "etcd-1-a-9-20261101T000000Z.db",
        "etcd-1-b-12-20261102T000000Z.db.zst",
        "etcd-1-a-20-20261103T000000Z.db",
        "etcd-2-a-20-20261101T000000Z.db",
        "etcd-1-a-20-yesterday.db",
        "etcd-1-a-8-20991231T000000Z.db",
        "etcd-1-a-21-20261030T000000Z.db",
        "etcd-1-a-7-20261029T000000Z.db.gz",
    ];

    fn file_name(path: &Path) -> String {
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    fn newest(name: &str) -> Newest {
        let taken = humantime::parse_rfc3339("2026-11-03T00:00:00Z").unwrap();
        Newest { name: name.into(), cluster: 1, members: Vec::new(), revision: 20, taken }
    }

    fn after(keep: Keep) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for name in NAMES {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("etcd-1-a-1-20261031T000000Z.db")).unwrap();
        let template = Template::parse(directory.path(), None).unwrap();
        let done = keep.apply(&Directory::open(directory.path()).unwrap(), &template, &newest(NAMES[2]));
        assert!(done.not_removed.is_empty());
        let later = done.notes.iter().any(|note| note.contains(NAMES[6]) && note.contains("later"));
        assert_eq!((later, done.notes.len()), (keep.is_asked_for(), usize::from(keep.is_asked_for())), "{done:?}");
        let mut gone: Vec<_> = done.removed.iter().map(|path| file_name(path)).collect();
        gone.sort();
        gone
    }

    #[test]
    fn the_oldest_of_the_same_template_and_cluster_go_in_all_forms() {
        let day = Duration::from_secs(86_400);
        let gone = |indexes: &[usize]| {
            let mut names: Vec<_> = indexes.iter().map(|index| NAMES[*index]).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(after(Keep::default()), [""; 0]);
        assert_eq!(after(Keep { count: Some(1), within: None }), gone(&[0, 1, 7]));
        assert_eq!(after(Keep { count: Some(2), within: None }), gone(&[0, 7]));
        assert_eq!(after(Keep { count: Some(9), within: None }), [""; 0]);
        assert_eq!(after(Keep { count: None, within: Some(day) }), gone(&[0, 7]));
        assert_eq!(after(Keep { count: None, within: Some(day / 2) }), gone(&[0, 1, 7]));
        assert_eq!(after(Keep { count: Some(2), within: Some(day * 2) }), gone(&[7]));
    }

    /// A template without the cluster's id, and files of which nothing or the attribute says whose they are.
    #[test]
    fn without_a_proof_nothing_goes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |number: u32| directory.path().join(format!("etcd-2026110{number}T000000Z.db"));
        let attach = |number: u32, cluster: u64, revision: i64| {
            let file = fs::File::options().write(true).open(at(number)).unwrap();
            Origin { cluster, revision: Some(revision) }.attach(&file);
        };
        (1..=3).for_each(|number| fs::write(at(number), "").unwrap());
        let template = Template::parse(&directory.path().join("etcd-{time}.db"), None).unwrap();
        let keep = Keep { count: Some(1), within: None };
        let folder = Directory::open(directory.path()).unwrap();
        let newest = newest("etcd-20261103T000000Z.db");
        let done = keep.apply(&folder, &template, &newest);
        assert_eq!((done.removed.len(), done.not_removed.len(), done.notes.len()), (0, 0, 1), "{done:?}");
        assert!(done.notes[0].starts_with("2 old snapshots (") && done.notes[0].contains("{cluster}"), "{done:?}");
        attach(1, 2, 10);
        attach(2, 1, 10);
        if origin::open(&folder, Path::new("etcd-20261101T000000Z.db"))
            .and_then(|file| Origin::attached(&file))
            .is_none()
        {
            return;
        }
        let done = keep.apply(&folder, &template, &newest);
        assert_eq!((done.removed, done.notes.len()), (vec![at(2)], 0));
        assert!(at(1).exists(), "another cluster's");
        attach(1, 1, 21);
        let done = keep.apply(&folder, &template, &newest);
        assert!(done.removed.is_empty() && done.notes[0].contains("later than the new one's, 20"), "{done:?}");
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_said() {
        let template = Template::parse(Path::new("/nowhere/etcd-{time}.db"), None).unwrap();
        let none = Directory::from_readable(tempfile::tempfile().unwrap(), "/nowhere".into());
        let done = Keep { count: Some(1), within: None }.apply(&none, &template, &newest("x"));
        assert!(done.notes[0].contains("cannot be listed"), "{done:?}");
    }

    #[test]
    fn a_name_without_time_cannot_be_kept_by_count() {
        let keep = Keep { count: Some(3), within: None };
        let template = Template::parse(Path::new("backup.db"), None).unwrap();
        assert!(keep.check(&template, Path::new("backup.db")).is_err());
        assert!(Keep::default().check(&template, Path::new("backup.db")).is_ok());
    }
}
