//! Names of snapshots, with placeholders for cluster, member, revision and time.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use etcdsnap_core::Revision;
use etcdsnap_core::key_syntax::is_unprintable;
use regex_lite::Regex;

use super::save_error::SaveError;
use crate::fsx::compressed_name::ENDINGS;
use crate::printable::printable_path;

/// The name of a snapshot if only a directory is given.
const DEFAULT_NAME: &str = "etcd-{cluster}-{member}-{revision}-{time}.db";

/// The value that a placeholder in a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placeholder {
    /// The cluster's id in hexadecimal.
    Cluster,
    /// The member's name, or its id.
    Member,
    /// The latest revision in the snapshot.
    Revision,
    /// The time when it was taken: `20261123T084500Z`.
    Time,
}

/// The placeholders as they are written in a name.
const PLACEHOLDERS: [(&[u8], Placeholder); 4] = [
    (b"{cluster}", Placeholder::Cluster),
    (b"{member}", Placeholder::Member),
    (b"{revision}", Placeholder::Revision),
    (b"{time}", Placeholder::Time),
];

/// Length of a time in a name.
const TIME_LEN: usize = 16;

/// The last second of the year 9999, since 1970: later times do not fit into that length.
const LAST_SECOND: u64 = 253_402_300_799;

/// The longest file name on common file systems, in bytes.
const MAX_NAME_LEN: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// Literal bytes; names need not be UTF-8.
    Text(Vec<u8>),
    Placeholder(Placeholder),
}

/// A name for files in an existing directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    directory: PathBuf,
    pieces: Vec<Piece>,
}

/// Whether a text contains a placeholder.
pub(super) fn has_placeholders(text: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|(word, _)| text.windows(word.len()).any(|part| part == *word))
}

/// The values that replace the placeholders.
#[derive(Debug, Clone)]
pub(super) struct PlaceholderValues {
    pub cluster: u64,
    pub member: String,
    pub revision: Revision,
    pub time: SystemTime,
}

impl Template {
    /// Parses a path whose last part may contain placeholders; for a directory, files get the default name in it, with `extension` at the end. If `is_directory` is `None`,
    /// the file system decides whether it is a directory.
    ///
    /// # Errors
    /// [`SaveError::Name`] when it cannot be the name of a file, or contains an unknown placeholder.
    pub fn parse(path: &Path, is_directory: Option<bool>, extension: Option<&str>) -> Result<Self, SaveError> {
        let wrong = |reason: &str| SaveError::Name { path: path.to_owned(), reason: reason.to_owned() };
        let is_directory = is_directory.unwrap_or_else(|| names_directory(path));
        let (directory, name) = if is_directory {
            let extension = extension.map(|extension| format!(".{extension}")).unwrap_or_default();
            (path, format!("{DEFAULT_NAME}{extension}").into())
        } else {
            let name = path.file_name().ok_or_else(|| wrong("it names no file"))?;
            (path.parent().unwrap_or(Path::new("")), name.to_owned())
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut rest = name.as_bytes();
        while let Some((first, others)) = rest.split_first() {
            if let Some((word, place)) = PLACEHOLDERS.iter().find(|(word, _)| rest.starts_with(word)) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Placeholder(*place));
                rest = rest.strip_prefix(*word).unwrap_or_default();
                continue;
            }
            if *first == b'{' {
                return Err(wrong("places in a name are {cluster}, {member}, {revision} and {time}"));
            }
            text.push(*first);
            rest = others;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(Self { directory: directory.to_owned(), pieces })
    }

    /// Makes a template for a stream, for which no file is created: `-`, or the name of a FIFO.
    pub fn for_stream(path: &Path) -> Self {
        Self { directory: PathBuf::from("."), pieces: vec![Piece::Text(path.as_os_str().as_bytes().to_vec())] }
    }

    /// Returns the directory of the files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the name contains this placeholder.
    pub fn has(&self, place: Placeholder) -> bool {
        self.pieces.contains(&Piece::Placeholder(place))
    }

    /// Returns the name in the directory, with values in place of the placeholders.
    pub fn fill(&self, facts: &PlaceholderValues) -> OsString {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(Placeholder::Cluster) => format!("{:x}", facts.cluster).into_bytes(),
            Piece::Placeholder(Placeholder::Member) => {
                facts.member.chars().map(safe_char).collect::<String>().into_bytes()
            }
            Piece::Placeholder(Placeholder::Revision) => facts.revision.to_string().into_bytes(),
            Piece::Placeholder(Placeholder::Time) => format_time(facts.time).into_bytes(),
        });
        OsString::from_vec(pieces.flatten().collect())
    }

    /// Returns the name in the directory if it has no placeholders.
    pub fn fixed(&self) -> Option<OsString> {
        let facts = PlaceholderValues {
            cluster: 0,
            member: String::new(),
            revision: Revision::ZERO,
            time: SystemTime::UNIX_EPOCH,
        };
        self.pieces.iter().all(|piece| matches!(piece, Piece::Text(_))).then(|| self.fill(&facts))
    }

    /// Returns the path of a file in the directory.
    pub fn path_of(&self, name: &OsStr) -> PathBuf {
        // A bare `-` would mean standard output.
        let is_plain = self.directory == Path::new(".") && name != "-";
        if is_plain { PathBuf::from(name) } else { self.directory.join(name) }
    }

    /// Checks the length of a file name.
    ///
    /// # Errors
    /// [`SaveError::Name`]; if the member's name makes it too long, the message suggests a shorter template.
    pub fn check_length(&self, name: &OsStr) -> Result<(), SaveError> {
        let length = name.len();
        if length <= MAX_NAME_LEN {
            return Ok(());
        }
        let advice = if self.has(Placeholder::Member) {
            let without = self.pieces.iter().filter(|piece| **piece != Piece::Placeholder(Placeholder::Member));
            let without = Self { directory: self.directory.clone(), pieces: without.cloned().collect() };
            format!("; leave {{member}} out of it: {}", printable_path(&without.as_written()))
        } else {
            String::new()
        };
        let reason = format!(
            "the name is too long: it would have {length} bytes, but a file name can have only {MAX_NAME_LEN}{advice}"
        );
        Err(SaveError::Name { path: self.path_of(name), reason })
    }

    /// Returns the path with its placeholders as they are written.
    fn as_written(&self) -> PathBuf {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Placeholder(place) => {
                PLACEHOLDERS.iter().find(|(_, other)| other == place).map_or_else(Vec::new, |(word, _)| word.to_vec())
            }
        });
        self.directory.join(OsString::from_vec(pieces.flatten().collect()).to_string_lossy().replace("--", "-"))
    }

    /// Returns a warning if the extension of the name does not match the compression; `extension` is the right one.
    pub fn extension_warning(&self, extension: Option<&str>) -> Option<String> {
        let end = match self.pieces.last() {
            Some(Piece::Text(text)) => ENDINGS.into_iter().find(|form| text.ends_with(form.as_bytes())),
            _ => None,
        };
        let named = end.map(|end| if end == ".zstd" { "zst" } else { end.trim_start_matches('.') });
        match (named, extension) {
            (named, extension) if named == extension => None,
            (_, Some(extension)) => Some(format!(
                "The file is compressed, but its name does not show it: use a name that ends with .{extension}. etcdsnap reads it under any name; for etcdutl it must be unpacked."
            )),
            (_, None) => Some(format!(
                "The name ends with {}, but the file is not compressed: give --compress, or use another extension.",
                end.unwrap_or_default()
            )),
        }
    }

    /// Returns a pattern for names of this template, limited to `cluster` if names contain the cluster's id. `None` for a template without a time.
    pub fn pattern(&self, cluster: u64) -> Option<Pattern> {
        let mut pieces = self.pieces.clone();
        if let Some(Piece::Text(text)) = pieces.last_mut()
            && let Some(form) = ENDINGS.iter().find(|form| text.ends_with(form.as_bytes()))
        {
            text.truncate(text.len().saturating_sub(form.len()));
        }
        let mut pattern = String::from("^");
        let (mut timed, mut revised) = (false, false);
        for piece in &pieces {
            match piece {
                Piece::Text(text) => pattern.push_str(&regex_lite::escape(&bytes_as_chars(text))),
                Piece::Placeholder(Placeholder::Cluster) => pattern.push_str(&format!("{cluster:x}")),
                Piece::Placeholder(Placeholder::Member) => pattern.push_str("[^/]+?"),
                Piece::Placeholder(Placeholder::Revision) if revised => pattern.push_str("[0-9]+"),
                Piece::Placeholder(Placeholder::Revision) => {
                    revised = true;
                    pattern.push_str("(?<revision>[0-9]+)");
                }
                Piece::Placeholder(Placeholder::Time) if timed => pattern.push_str("[0-9]{8}T[0-9]{6}Z"),
                Piece::Placeholder(Placeholder::Time) => {
                    timed = true;
                    pattern.push_str("(?<time>[0-9]{8}T[0-9]{6}Z)");
                }
            }
        }
        let forms = ENDINGS.map(regex_lite::escape).join("|");
        pattern.push_str(&format!("(?:{forms})?$"));
        Regex::new(&pattern).ok().filter(|_| timed).map(Pattern)
    }
}

/// Recognizes names of one template.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Returns the time in a name of this template, and the revision if the template has it.
    pub fn parse(&self, name: &OsStr) -> Option<(SystemTime, Option<Revision>)> {
        let name = bytes_as_chars(name.as_bytes());
        let found = self.0.captures(&name)?;
        let revision = found.name("revision").and_then(|revision| revision.as_str().parse().ok());
        Some((parse_time(found.name("time")?.as_str())?, revision))
    }
}

/// Maps each byte to the character with the same code, so that text patterns match names that are not UTF-8.
fn bytes_as_chars(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// Replaces a character that some file systems do not allow in names.
fn safe_char(letter: char) -> char {
    if is_unprintable(letter) || matches!(letter, '/' | '\\' | '{' | '}') { '_' } else { letter }
}

/// Whether a path names a directory: an existing one, or with a trailing slash.
#[must_use]
pub fn names_directory(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/")
}

/// Formats a time for names: UTC, in seconds.
fn format_time(time: SystemTime) -> String {
    let last = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(LAST_SECOND)).unwrap_or(time);
    let text = humantime::format_rfc3339_seconds(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string();
    text.chars().filter(|letter| !matches!(letter, '-' | ':')).collect()
}

/// Parses a time in a name.
fn parse_time(stamp: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| stamp.get(from..to);
    if stamp.len() != TIME_LEN {
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

/// Returns the current time, with the precision of names.
///
/// # Errors
/// [`SaveError::Clock`] if this machine's clock is beyond the year 9999, which names cannot express.
pub(super) fn now() -> Result<SystemTime, SaveError> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(since)).filter(|_| since <= LAST_SECOND);
    time.ok_or(SaveError::Clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> PlaceholderValues {
        let time = humantime::parse_rfc3339("2026-11-23T08:45:00Z").unwrap();
        PlaceholderValues { cluster: 0xcafe, member: "m/1".into(), revision: Revision::new(42), time }
    }

    #[test]
    fn placeholders_are_replaced() {
        let template =
            Template::parse(Path::new("dir/etcd-{cluster}-{member}-{revision}-{time}.db"), None, None).unwrap();
        assert_eq!(template.path_of(&template.fill(&facts())), Path::new("dir/etcd-cafe-m_1-42-20261123T084500Z.db"));
        assert_eq!(Template::parse(Path::new("backup.db"), None, None).unwrap().fill(&facts()), Path::new("backup.db"));
        let directory = tempfile::tempdir().unwrap();
        let there = Template::parse(directory.path(), None, Some("zst")).unwrap().fill(&facts());
        assert_eq!(there, "etcd-cafe-m_1-42-20261123T084500Z.db.zst");
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        for name in ["{host}.db", "a{", "..", "/"] {
            let parsed = Template::parse(Path::new(name), None, None);
            assert!(name == ".." || name == "/" || parsed.is_err(), "{name}: {parsed:?}");
        }
    }

    #[test]
    fn the_pattern_matches_only_its_own_names() {
        let template = Template::parse(Path::new("etcd-{cluster}-{member}-{revision}-{time}.db"), None, None).unwrap();
        let pattern = template.pattern(0xcafe).unwrap();
        let parse = |name: &str| pattern.parse(OsStr::new(name));
        for form in ["", ".gz", ".zst", ".zstd", ".zip"] {
            let name = format!("etcd-cafe-a-b-3-42-20261123T084500Z.db{form}");
            assert_eq!(parse(&name), Some((facts().time, Some(Revision::new(42)))), "{form}");
        }
        for other in [
            "etcd-beef-a-42-20261123T084500Z.db",
            "etcd-cafe-a-42-20261123T084500Z.db.xz",
            "etcd-cafe-a-42-20261123T084500Z.db.gz.zst",
            "etcd-cafe-a-x-20261123.db",
            "etcd-cafe-a-42-20261399T084500Z.db",
            "my-etcd-cafe-a-42-20261123T084500Z.db",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
        assert!(Template::parse(Path::new("backup.db"), None, None).unwrap().pattern(1).is_none());
        assert_eq!(parse_time("20261399T084500Z"), None);
    }

    #[test]
    fn compressed_and_plain_files_of_a_template_count_together() {
        for template in ["{time}", "{time}.zst", "{time}.gz"] {
            let pattern = Template::parse(Path::new(template), None, None).unwrap().pattern(1).unwrap();
            for form in ["", ".gz", ".zst"] {
                let name = format!("20261123T084500Z{form}");
                assert_eq!(pattern.parse(OsStr::new(&name)), Some((facts().time, None)), "{template} {name}");
            }
        }
    }

    #[test]
    fn a_members_name_cannot_hide_or_reorder_parts_of_a_file_name() {
        let template = Template::parse(Path::new("{member}.db"), None, None).unwrap();
        let file =
            template.fill(&PlaceholderValues { member: "a\u{202e}b\u{200b}c\u{9b}/\u{e0041}d".into(), ..facts() });
        assert_eq!(file, Path::new("a_b_c___d.db"));
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_with_a_shorter_template() {
        let directory = tempfile::tempdir().unwrap();
        let template = Template::parse(directory.path(), None, None).unwrap();
        let long = template.fill(&PlaceholderValues { member: "m".repeat(230), ..facts() });
        let error = template.check_length(&long).unwrap_err().to_string();
        assert!(error.contains("etcd-{cluster}-{revision}-{time}.db"), "{error}");
        template.check_length(&template.fill(&facts())).unwrap();
        let template = Template::parse(Path::new(&"x".repeat(300)), None, None).unwrap();
        assert!(!template.check_length(&template.fill(&facts())).unwrap_err().to_string().contains("{member}"));
    }

    #[test]
    fn an_extension_that_does_not_match_the_compression_is_reported() {
        let of =
            |name: &str, extension| Template::parse(Path::new(name), None, None).unwrap().extension_warning(extension);
        for (name, extension) in [
            ("a.db", None),
            ("a.zst", Some("zst")),
            ("{time}.zstd", Some("zst")),
            ("{time}.gz", Some("gz")),
            ("{time}", None),
        ] {
            assert_eq!(of(name, extension), None, "{name}");
        }
        assert!(of("q-{time}.db", Some("zst")).unwrap().contains("ends with .zst"));
        assert!(of("q-{time}", Some("gz")).unwrap().contains("ends with .gz"));
        assert!(of("q.db.gz", Some("zst")).unwrap().contains("ends with .zst"));
        assert!(of("q.db.gz", None).unwrap().contains("ends with .gz"));
    }

    #[test]
    fn times_beyond_the_year_9999_are_harmless() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(format_time(at(LAST_SECOND)), "99991231T235959Z");
        assert_eq!(format_time(at(LAST_SECOND + 1)), "99991231T235959Z");
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let path = Path::new(OsStr::from_bytes(b"d\xff/b\xfe.(\xc3\x28)-{member}-{time}.db"));
        let template = Template::parse(path, None, None).unwrap();
        let file = template.fill(&facts());
        assert_eq!(file.as_os_str().as_bytes(), b"b\xfe.(\xc3\x28)-m_1-20261123T084500Z.db");
        let pattern = template.pattern(1).unwrap();
        assert_eq!(pattern.parse(&file), Some((facts().time, None)));
        assert_eq!(pattern.parse(OsStr::from_bytes(b"b\xfd.(\xc3\x28)-m_1-20261123T084500Z.db")), None);
    }
}
