//! Removes old snapshots once a new one is saved.
//!
//! Only snapshots that are proven to be older ones of the same cluster ([`relation`](super::relation)) count. The rules say how many of those stay; unproven ones neither
//! count nor are removed.

use etcdsnap_core::Revision;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::FileType;

use super::name_template::{Pattern, Placeholder, Template};
use super::origin::FileIn;
use super::relation::{NewSnapshot, ProofDepth, Relation, StayReason};
use super::same_history::PastEntries;
use super::save_error::SaveError;
use crate::error::plain;
use crate::fsx::directory::Directory;
use crate::fsx::file_identity::FileIdentity;
use crate::printable::printable_path;

/// How many snapshots `--keep-within` alone keeps at least, including the new one and regardless of age: a wrong clock must not remove everything.
const MIN_KEPT_BY_AGE: usize = 3;

/// By how much the clocks of two machines that save into one directory may differ without a message.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The rules for keeping snapshots of one template and cluster. A snapshot stays if either rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// Keep this many of the newest.
    pub count: Option<usize>,
    /// Keep those that are younger than this; alone, it always leaves the newest three.
    pub within: Option<Duration>,
}

/// The result of removing old snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct RetentionResult {
    pub removed: Vec<PathBuf>,
    /// Those that could not be removed, with the reason.
    pub not_removed: Vec<(PathBuf, String)>,
    /// Explains in sentences why others stay.
    pub notes: Vec<String>,
}

impl Keep {
    /// Whether the rules remove any snapshots at all.
    pub(super) fn removes_any(&self) -> bool {
        self.count.is_some() || self.within.is_some()
    }

    /// Checks that names of the template differ from snapshot to snapshot.
    ///
    /// # Errors
    /// [`SaveError::Name`] if they do not.
    pub(super) fn check(&self, template: &Template, path: &Path) -> Result<(), SaveError> {
        if self.removes_any() && !template.has(Placeholder::Time) {
            let missing = match fs::symlink_metadata(path) {
                Err(_) if template.fixed().is_some() => {
                    " If it is meant to be a directory: it does not exist (is it mounted?)."
                }
                _ => "",
            };
            let reason = format!(
                "--keep and --keep-within need a name with {{time}}, or an existing directory: the name shows which file is older.{missing}"
            );
            return Err(SaveError::Name { path: path.to_owned(), reason });
        }
        if self.count == Some(0) {
            return Err(SaveError::Name { path: path.to_owned(), reason: "--keep 0 would keep nothing".into() });
        }
        Ok(())
    }

    /// Removes those regular files in `directory`, the template's, that match the template and need not stay; never `newest`. Reads old snapshots if their
    /// names and marks prove too little, so it may take a while.
    pub(super) fn apply(
        &self,
        directory: &Directory,
        template: &Template,
        newest: &NewSnapshot<'_>,
    ) -> RetentionResult {
        let mut done = RetentionResult::default();
        let Some(pattern) = template.pattern(newest.cluster).filter(|_| self.removes_any()) else { return done };
        let (old, future) = match list(directory, template, &pattern, newest) {
            Ok(listed) => listed,
            Err(cause) => {
                let directory = printable_path(template.directory());
                done.notes.push(format!("No old snapshot was removed, because {directory} cannot be listed: {}. Give this user read permission on the directory.", plain(&cause)));
                return done;
            }
        };
        done.notes.extend(future_note(directory, &future, newest));
        if old.is_empty() {
            return done;
        }
        let snapshot = newest.snapshot();
        let store = snapshot.as_ref().and_then(|snapshot| snapshot.store().ok());
        let past_entries = store.as_ref().and_then(PastEntries::of);
        if past_entries.is_none() && !newest.is_packed() {
            let note = "No old snapshot was removed, because the new one could not be read again for comparison.";
            done.notes.push(note.into());
            return done;
        }
        let newest = &NewSnapshot {
            past_entries: past_entries.as_ref(),
            marked: newest.supports_marks(old.iter().map(|old| old.file_in(directory))),
            ..*newest
        };
        let mut stay: BTreeMap<StayReason, Vec<PathBuf>> = BTreeMap::new();
        let mut kept = 1_usize;
        for snapshot in old {
            let by_count = match (self.count, self.within) {
                (Some(count), _) => kept < count,
                (None, _) => kept < MIN_KEPT_BY_AGE,
            };
            let age = newest.taken.duration_since(snapshot.time).unwrap_or_default();
            let wanted = by_count || self.within.is_some_and(|within| age <= within);
            let depth = if wanted { ProofDepth::Cheap } else { ProofDepth::Full };
            match newest.relation(
                snapshot.file_in(directory),
                snapshot.revision,
                template.has(Placeholder::Cluster),
                depth,
            ) {
                Relation::Older if wanted => kept = kept.saturating_add(1),
                Relation::Older => match snapshot.remove(directory) {
                    Ok(true) => done.removed.push(snapshot.path),
                    Ok(false) => {}
                    Err(cause) => done.not_removed.push((snapshot.path, plain(&cause))),
                },
                Relation::OtherCluster => {}
                Relation::Stays(reason) => stay.entry(reason).or_default().push(snapshot.path),
            }
        }
        done.notes.extend(stay.iter().map(|(reason, paths)| reason.describe(newest.revision, paths)));
        done
    }
}

/// An old snapshot, found by its name.
struct OldSnapshot {
    time: SystemTime,
    name: OsString,
    path: PathBuf,
    revision: Option<Revision>,
    identity: FileIdentity,
}

impl OldSnapshot {
    /// Removes it; returns whether it still existed unchanged.
    fn remove(&self, directory: &Directory) -> std::io::Result<bool> {
        let name = Path::new(&self.name);
        if !directory.has(name, self.identity)? {
            return Ok(false);
        }
        directory.remove(name, false).map(|()| true)
    }

    fn file_in<'d>(&'d self, directory: &'d Directory) -> FileIn<'d> {
        FileIn { directory, name: &self.name }
    }
}

/// Lists the snapshots of a template except the newest, latest first; and separately those with a time in the future, which come from a wrong clock and would displace all others.
fn list(
    directory: &Directory,
    template: &Template,
    pattern: &Pattern,
    newest: &NewSnapshot<'_>,
) -> std::io::Result<(Vec<OldSnapshot>, Vec<OldSnapshot>)> {
    let mut old = Vec::new();
    for name in directory.names()? {
        let name = name?;
        let Some((time, revision)) = pattern.parse(&name) else { continue };
        if newest.name == name {
            continue;
        }
        let Some(facts) = directory.stat(Path::new(&name))? else { continue };
        if FileType::from_raw_mode(facts.st_mode) == FileType::RegularFile {
            let path = template.path_of(&name);
            old.push(OldSnapshot { time, name, path, revision, identity: FileIdentity::of_stat(&facts) });
        }
    }
    old.sort_by(|a, b| (b.time, &b.path).cmp(&(a.time, &a.path)));
    Ok(old.into_iter().partition(|old| old.time <= newest.taken))
}

/// Describes the snapshots from the future, except those of other clusters.
fn future_note(directory: &Directory, future: &[OldSnapshot], newest: &NewSnapshot<'_>) -> Option<String> {
    let is_ahead = |old: &&OldSnapshot| old.time.duration_since(newest.taken).is_ok_and(|ahead| ahead > MAX_CLOCK_SKEW);
    let ahead = future.iter().filter(is_ahead).filter(|old| !newest.is_of_other_cluster(old.file_in(directory)));
    let paths: Vec<_> = ahead.map(|old| old.path.clone()).collect();
    (!paths.is_empty()).then(|| StayReason::Future.describe(newest.revision, &paths))
}

#[cfg(test)]
mod tests {
    use std::cell::OnceCell;

    use super::super::origin::Origin;
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

    fn apply(keep: Keep, template: &Template, file: &Path) -> RetentionResult {
        apply_of(1, keep, template, file)
    }

    fn apply_of(cluster: u64, keep: Keep, template: &Template, file: &Path) -> RetentionResult {
        let taken = humantime::parse_rfc3339("2026-11-03T00:00:00Z").unwrap();
        let removed = OnceCell::new();
        let directory = Directory::open(file.parent().unwrap()).unwrap();
        let opened = fs::File::open(file).unwrap();
        let newest =
            NewSnapshot::new((&opened, file.file_name().unwrap(), file), cluster, &[], Revision::new(20), &removed);
        keep.apply(&directory, template, &NewSnapshot { taken, ..newest })
    }

    /// Writes a real snapshot to this path, as the newest.
    fn put_snapshot(path: &Path) {
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db"), path).unwrap();
    }

    /// Puts a mark on a file; returns whether the file system supports marks.
    fn attach(path: &Path, cluster: u64, revision: i64) -> bool {
        let file = fs::File::options().write(true).open(path).unwrap();
        Origin { cluster, revision: Some(Revision::new(revision)), last: None }
            .write_mark(&file, path.file_name().unwrap());
        let directory = Directory::open(path.parent().unwrap()).unwrap();
        Origin::of(FileIn { directory: &directory, name: path.file_name().unwrap() }).is_some()
    }

    fn after(keep: Keep) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for name in NAMES {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("etcd-1-a-1-20261031T000000Z.db")).unwrap();
        let template = Template::parse(directory.path(), None, None).unwrap();
        let file = directory.path().join(NAMES[2]);
        put_snapshot(&file);
        let done = apply(keep, &template, &file);
        assert!(done.not_removed.is_empty());
        let says = |name: &str, words: &str| done.notes.iter().any(|note| note.contains(name) && note.contains(words));
        let asked = keep.removes_any();
        assert_eq!((says(NAMES[6], "later"), says(NAMES[5], "in the future")), (asked, asked), "{done:?}");
        assert_eq!(done.notes.len(), if asked { 2 } else { 0 }, "{done:?}");
        let mut gone: Vec<_> = done.removed.iter().map(|path| file_name(path)).collect();
        gone.sort();
        gone
    }

    #[test]
    fn the_oldest_of_the_same_template_and_cluster_are_removed() {
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
        // By age alone the newest three stay.
        assert_eq!(after(Keep { count: None, within: Some(day) }), gone(&[7]));
        assert_eq!(after(Keep { count: None, within: Some(Duration::ZERO) }), gone(&[7]));
        assert_eq!(after(Keep { count: Some(1), within: Some(day) }), gone(&[0, 7]));
        assert_eq!(after(Keep { count: Some(2), within: Some(day * 2) }), gone(&[7]));
    }

    /// Tests a template without the cluster's id: only marks, if there are any, show which cluster a file belongs to.
    #[test]
    fn without_a_proof_nothing_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |number: u32| directory.path().join(format!("etcd-2026110{number}T000000Z.db"));
        (1..=3).for_each(|number| fs::write(at(number), "").unwrap());
        let template = Template::parse(&directory.path().join("etcd-{time}.db"), None, None).unwrap();
        let keep = Keep { count: Some(1), within: None };
        let file = at(3);
        put_snapshot(&file);
        let done = apply(keep, &template, &file);
        assert_eq!((done.removed.len(), done.not_removed.len(), done.notes.len()), (0, 0, 1), "{done:?}");
        assert!(done.notes[0].starts_with("2 old snapshots (") && done.notes[0].contains("{cluster}"), "{done:?}");
        attach(&at(1), 2, 10);
        if !attach(&at(2), 1, 10) {
            return;
        }
        let done = apply(keep, &template, &file);
        assert_eq!((done.removed, done.notes.len()), (vec![at(2)], 0));
        assert!(at(1).exists(), "another cluster's");
        attach(&at(1), 1, 21);
        let done = apply(keep, &template, &file);
        assert!(done.removed.is_empty() && done.notes[0].contains("later than the new one's, 20"), "{done:?}");
    }

    /// A name with the cluster's id, and copies of one such file.
    #[test]
    fn a_copy_without_its_own_mark_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let names =
            ["etcd-1-a-20-20261103T000000Z.db", "etcd-1-a-9-20261102T000000Z.db", "etcd-1-a-8-20261101T000000Z.db"];
        let copy = "etcd-1-a-before-upgrade-8-20261101T000000Z.db";
        names.iter().chain([&copy]).for_each(|name| fs::write(at(name), name).unwrap());
        let template = Template::parse(directory.path(), None, None).unwrap();
        let keep = Keep { count: Some(2), within: None };
        put_snapshot(&at(names[0]));
        // Only one file has a mark, which shows that the file system supports marks.
        if !attach(&at(names[2]), 1, 8) {
            return;
        }
        let done = apply(keep, &template, &at(names[0]));
        assert!(done.removed.is_empty() && done.notes.len() == 1, "{done:?}");
        assert!(done.notes[0].starts_with("2 old snapshots (") && done.notes[0].contains("lacks the mark"), "{done:?}");
        attach(&at(names[1]), 1, 9);
        // `cp -a` copies the mark, too, which then belongs to another name.
        let mark = "user.etcdsnap.origin";
        let mut value = [0; 512];
        let len = rustix::fs::getxattr(at(names[2]), mark, &mut value[..]).unwrap();
        rustix::fs::setxattr(at(copy), mark, &value[..len], rustix::fs::XattrFlags::empty()).unwrap();
        let done = apply(keep, &template, &at(names[0]));
        assert_eq!(done.removed, [at(names[2])], "{done:?}");
        assert!(done.notes.len() == 1 && done.notes[0].contains(copy), "{done:?}");
    }

    #[test]
    fn a_snapshot_with_an_unreadable_revision_stays() {
        let directory = tempfile::tempdir().unwrap();
        let at = |day: u32| directory.path().join(format!("etcd-1-2026110{day}T000000Z.db.zst"));
        (1..=3).for_each(|day| fs::write(at(day), "no snapshot").unwrap());
        let template = Template::parse(&directory.path().join("etcd-{cluster}-{time}.db.zst"), None, None).unwrap();
        let keep = Keep { count: Some(1), within: None };
        // If the new one itself cannot be read, all stay.
        let done = apply(keep, &template, &at(3));
        assert!(done.removed.is_empty() && done.notes[0].contains("could not be read again"), "{done:?}");
        put_snapshot(&at(3));
        let done = apply(keep, &template, &at(3));
        assert!(done.removed.is_empty() && done.notes[0].contains("revision cannot be read"), "{done:?}");
        assert!(done.notes[0].contains("{cluster}-{revision}-{time}"), "{done:?}");
        // The revision of a compressed snapshot is read, too.
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/sample.db");
        fs::write(at(1), zstd::encode_all(&fs::read(&sample).unwrap()[..], 1).unwrap()).unwrap();
        let done = apply(keep, &template, &at(3));
        assert!(done.removed.is_empty(), "{done:?}");
        assert!(done.notes.iter().any(|note| note.contains("later than the new one's, 20")), "{done:?}");
    }

    /// The id of a cluster that was started with the defaults proves nothing by itself.
    #[test]
    fn a_default_cluster_id_needs_common_keys_as_proof() {
        let directory = tempfile::tempdir().unwrap();
        let at = |day: u32| directory.path().join(format!("etcd-cdf818194e3a8c32-7-2026110{day}T000000Z.db"));
        (1..=3).for_each(|day| fs::write(at(day), "").unwrap());
        let template =
            Template::parse(&directory.path().join("etcd-{cluster}-{revision}-{time}.db"), None, None).unwrap();
        let keep = Keep { count: Some(1), within: None };
        put_snapshot(&at(3));
        let done = apply_of(0xcdf8_1819_4e3a_8c32, keep, &template, &at(3));
        assert!(done.removed.is_empty() && done.notes[0].contains("started with its defaults"), "{done:?}");
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_reported() {
        let template = Template::parse(Path::new("/nowhere/etcd-{time}.db"), None, None).unwrap();
        let none = Directory::from_readable(tempfile::tempfile().unwrap(), "/nowhere".into());
        let (file, name, removed) = (tempfile::tempfile().unwrap(), OsString::from("x"), OnceCell::new());
        let newest = NewSnapshot::new((&file, &name, Path::new("/nowhere/x")), 1, &[], Revision::new(20), &removed);
        let done = Keep { count: Some(1), within: None }.apply(&none, &template, &newest);
        assert!(done.notes[0].contains("cannot be listed"), "{done:?}");
    }

    #[test]
    fn a_name_without_time_cannot_be_kept_by_count() {
        let keep = Keep { count: Some(3), within: None };
        let template = Template::parse(Path::new("backup.db"), None, None).unwrap();
        assert!(keep.check(&template, Path::new("backup.db")).is_err());
        assert!(Keep::default().check(&template, Path::new("backup.db")).is_ok());
    }
}
