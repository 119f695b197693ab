//! Which old snapshots go when a new one is in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::error::SaveError;
use super::name::{self, Place, Template};

/// How many snapshots of one template and cluster stay. One stays if either rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Keep {
    /// So many, the newest.
    pub count: Option<usize>,
    /// Those that are no older.
    pub within: Option<Duration>,
}

impl Keep {
    fn is_asked_for(&self) -> bool {
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

    /// Removes what need not stay: regular files in the template's directory whose names are of this template and cluster, never `newest`.
    /// Returns what was removed, and what could not be with the reason.
    pub(super) fn apply(&self, template: &Template, cluster: u64, newest: &Path, now: SystemTime) -> Removed {
        let mut done = Removed::default();
        let Some(pattern) = template.pattern(cluster).filter(|_| self.is_asked_for()) else { return done };
        let Ok(entries) = fs::read_dir(template.directory()) else { return done };
        let mut found: Vec<(SystemTime, PathBuf)> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
            .filter_map(|entry| {
                let name = entry.file_name();
                let time = name::time(&pattern.captures(name.to_str()?)?["time"])?;
                Some((time, template.directory().join(name)))
            })
            .filter(|(_, path)| path.file_name() != newest.file_name())
            .collect();
        found.sort_by(|a, b| b.cmp(a));
        for (place, (time, path)) in found.into_iter().enumerate() {
            // The newest is one of those that count.
            let counts = self.count.is_some_and(|count| place.saturating_add(1) < count);
            let young = self.within.is_some_and(|within| now.duration_since(time).map_or(true, |age| age <= within));
            if counts || young {
                continue;
            }
            match fs::remove_file(&path) {
                Ok(()) => done.removed.push(path),
                Err(cause) => done.left.push((path, crate::error::plain(&cause))),
            }
        }
        done
    }
}

/// What became of old snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Removed {
    pub removed: Vec<PathBuf>,
    pub left: Vec<(PathBuf, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = [
        "etcd-1-a-9-20261101T000000Z.db",
        "etcd-1-b-12-20261102T000000Z.db",
        "etcd-1-a-20-20261103T000000Z.db",
        "etcd-2-a-20-20261101T000000Z.db",
        "etcd-1-a-20-yesterday.db",
    ];

    fn after(keep: Keep) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        for name in NAMES {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join("etcd-1-a-1-20261031T000000Z.db")).unwrap();
        let template = Template::parse(directory.path(), None).unwrap();
        let newest = directory.path().join(NAMES[2]);
        let now = humantime::parse_rfc3339("2026-11-03T00:00:00Z").unwrap();
        let done = keep.apply(&template, 1, &newest, now);
        assert!(done.left.is_empty());
        let mut gone: Vec<_> =
            done.removed.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        gone.sort();
        gone
    }

    #[test]
    fn the_oldest_of_the_same_template_and_cluster_go() {
        let day = Duration::from_secs(86_400);
        assert_eq!(after(Keep::default()), [""; 0]);
        assert_eq!(after(Keep { count: Some(1), within: None }), [NAMES[0], NAMES[1]]);
        assert_eq!(after(Keep { count: Some(2), within: None }), [NAMES[0]]);
        assert_eq!(after(Keep { count: Some(9), within: None }), [""; 0]);
        assert_eq!(after(Keep { count: None, within: Some(day) }), [NAMES[0]]);
        assert_eq!(after(Keep { count: None, within: Some(day / 2) }), [NAMES[0], NAMES[1]]);
        assert_eq!(after(Keep { count: Some(2), within: Some(day * 2) }), [""; 0]);
    }

    #[test]
    fn a_name_without_time_cannot_be_kept_by_count() {
        let keep = Keep { count: Some(3), within: None };
        let template = Template::parse(Path::new("backup.db"), None).unwrap();
        assert!(keep.check(&template, Path::new("backup.db")).is_err());
        assert!(Keep::default().check(&template, Path::new("backup.db")).is_ok());
    }
}
