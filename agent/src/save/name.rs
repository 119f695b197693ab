//! Names of snapshots, with places for what they are of.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use regex_lite::Regex;

use super::error::SaveError;

/// The name of a snapshot when only a directory is given.
const DEFAULT: &str = "etcd-{cluster}-{member}-{revision}-{time}.db";

/// What a place in a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The cluster's id, hexadecimal.
    Cluster,
    /// The member's name, or its id.
    Member,
    /// The latest revision in the snapshot.
    Revision,
    /// When it was taken: `20261123T084500Z`.
    Time,
}

const PLACES: [(&str, Place); 4] = [
    ("{cluster}", Place::Cluster),
    ("{member}", Place::Member),
    ("{revision}", Place::Revision),
    ("{time}", Place::Time),
];

/// Characters of a time in a name.
const TIME: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// The name of a file to be, in a directory that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    directory: PathBuf,
    pieces: Vec<Piece>,
}

/// What goes into the places.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub cluster: u64,
    pub member: String,
    pub revision: i64,
    pub time: SystemTime,
}

impl Template {
    /// Reads a path whose last part may have places; a directory stands for the usual name in it, with `extension` at its end.
    ///
    /// # Errors
    /// [`SaveError::Name`] when it is no name for a file, or names a place that there is not.
    pub fn parse(path: &Path, extension: Option<&str>) -> Result<Self, SaveError> {
        let wrong = |reason: &str| SaveError::Name { path: path.to_owned(), reason: reason.to_owned() };
        if path == Path::new("-") {
            return Err(wrong("only a file can be proven before it gets its name; ./- is one of that name"));
        }
        let is_directory = path.is_dir() || path.to_string_lossy().ends_with('/');
        let (directory, name) = if is_directory {
            let extension = extension.map(|extension| format!(".{extension}")).unwrap_or_default();
            (path, format!("{DEFAULT}{extension}"))
        } else {
            let name = path.file_name().ok_or_else(|| wrong("it names no file"))?;
            let name = name.to_str().ok_or_else(|| wrong("the name is not UTF-8"))?;
            (path.parent().unwrap_or(Path::new("")), name.to_owned())
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = name.as_str();
        while !rest.is_empty() {
            if let Some((word, place)) = PLACES.iter().find(|(word, _)| rest.starts_with(word)) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Place(*place));
                rest = rest.strip_prefix(word).unwrap_or_default();
                continue;
            }
            let mut letters = rest.chars();
            match letters.next() {
                Some('{') => return Err(wrong("places in a name are {cluster}, {member}, {revision} and {time}")),
                Some(letter) => text.push(letter),
                None => {}
            }
            rest = letters.as_str();
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { directory: directory.to_owned(), pieces })
    }

    /// Where the file will be.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the name has such a place.
    pub fn has(&self, place: Place) -> bool {
        self.pieces.contains(&Piece::Place(place))
    }

    /// The name, its places filled.
    pub fn fill(&self, facts: &Facts) -> PathBuf {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Place(Place::Cluster) => format!("{:x}", facts.cluster),
            Piece::Place(Place::Member) => facts.member.chars().map(tame).collect(),
            Piece::Place(Place::Revision) => facts.revision.to_string(),
            Piece::Place(Place::Time) => stamp(facts.time),
        });
        let name: String = pieces.collect();
        if self.directory == Path::new(".") { PathBuf::from(name) } else { self.directory.join(name) }
    }

    /// The name, if there are no places in it.
    pub fn fixed(&self) -> Option<PathBuf> {
        let facts = Facts { cluster: 0, member: String::new(), revision: 0, time: SystemTime::UNIX_EPOCH };
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_))).then(|| self.fill(&facts))
    }

    /// What the names of this template look like for snapshots of `cluster`, whichever member they are of.
    pub fn pattern(&self, cluster: u64) -> Option<Regex> {
        let mut pattern = String::from("^");
        let mut timed = false;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => pattern.push_str(&regex_lite::escape(text)),
                Piece::Place(Place::Cluster) => pattern.push_str(&format!("{cluster:x}")),
                Piece::Place(Place::Member) => pattern.push_str("[^/]+?"),
                Piece::Place(Place::Revision) => pattern.push_str("[0-9]+"),
                Piece::Place(Place::Time) if timed => pattern.push_str("[0-9]{8}T[0-9]{6}Z"),
                Piece::Place(Place::Time) => {
                    timed = true;
                    pattern.push_str("(?<time>[0-9]{8}T[0-9]{6}Z)");
                }
            }
        }
        pattern.push('$');
        Regex::new(&pattern).ok().filter(|_| timed)
    }
}

/// A character that any file name can have.
fn tame(letter: char) -> char {
    if letter.is_control() || matches!(letter, '/' | '\\' | '{' | '}') { '_' } else { letter }
}

/// A time as names have it: UTC, to the second.
fn stamp(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.chars().filter(|letter| !matches!(letter, '-' | ':')).collect()
}

/// The time that stands in a name.
pub(super) fn time(stamp: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| stamp.get(from..to);
    if stamp.len() != TIME {
        return None;
    }
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    );
    humantime::parse_rfc3339(&text).ok()
}

/// Now, as far as names tell it.
pub(super) fn now() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since.as_secs())).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let time = humantime::parse_rfc3339("2026-11-23T08:45:00Z").unwrap();
        Facts { cluster: 0xcafe, member: "m/1".into(), revision: 42, time }
    }

    #[test]
    fn places_are_filled() {
        let template = Template::parse(Path::new("dir/etcd-{cluster}-{member}-{revision}-{time}.db"), None).unwrap();
        assert_eq!(template.fill(&facts()), Path::new("dir/etcd-cafe-m_1-42-20261123T084500Z.db"));
        assert_eq!(Template::parse(Path::new("backup.db"), None).unwrap().fill(&facts()), Path::new("backup.db"));
        let directory = tempfile::tempdir().unwrap();
        let there = Template::parse(directory.path(), Some("zst")).unwrap().fill(&facts());
        assert_eq!(there.file_name().unwrap(), "etcd-cafe-m_1-42-20261123T084500Z.db.zst");
    }

    #[test]
    fn a_place_that_there_is_not_is_an_error() {
        for name in ["{host}.db", "a{", "..", "/"] {
            let parsed = Template::parse(Path::new(name), None);
            assert!(name == ".." || name == "/" || parsed.is_err(), "{name}: {parsed:?}");
        }
    }

    #[test]
    fn the_pattern_knows_its_own_names_only() {
        let template = Template::parse(Path::new("etcd-{cluster}-{member}-{revision}-{time}.db"), None).unwrap();
        let pattern = template.pattern(0xcafe).unwrap();
        let found = pattern.captures("etcd-cafe-a-b-3-42-20261123T084500Z.db").unwrap();
        assert_eq!(time(&found["time"]), Some(facts().time));
        for other in [
            "etcd-beef-a-42-20261123T084500Z.db",
            "etcd-cafe-a-42-20261123T084500Z.db.zst",
            "etcd-cafe-a-x-20261123.db",
            "my-etcd-cafe-a-42-20261123T084500Z.db",
        ] {
            assert!(!pattern.is_match(other), "{other}");
        }
        assert!(Template::parse(Path::new("backup.db"), None).unwrap().pattern(1).is_none());
        assert_eq!(time("20261399T084500Z"), None);
    }
}
