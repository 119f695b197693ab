//! Completes keys of the snapshot that a command line names, one path segment at a time.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory};
use clap_complete::engine::CompletionCandidate;
use etcdsnap::core::key_syntax::{key_bytes, key_text, printable};
use etcdsnap::core::store::{Index, Key, KeyRange};
use etcdsnap::core::{FileKind, Revision, sniff};
use etcdsnap::{NoProgress, Snapshot};

use super::{CommandLine, KEY_TAG};
use crate::cli::args::Args;
use crate::cli::global_flags;

/// Completion gives up after this time. A file that takes longer is probably in the page cache at the next press of TAB.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Compressed files larger than this are not unpacked: each press of TAB would unpack them again.
const MAX_COMPRESSED_LEN: u64 = 16 << 20;

/// Bytes read from the start of a file to recognize its format.
const HEAD_LEN: usize = 128 << 10;

/// Candidates returned at most: more than a person reads, and bash is slow with each.
const MAX_CANDIDATES: usize = 1000;

/// The keys that a command accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeySet {
    Live,
    Deleted,
    /// All keys with a history.
    All,
}

/// A snapshot that the command line names, with the revision and the keys to complete.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedSnapshot {
    file: PathBuf,
    revision: Revision,
    which: KeySet,
}

/// Returns the keys that start with the typed text, up to the next slash; nothing if there is no such file, it takes too long, or any other error occurs.
pub fn matching(line: &CommandLine, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str().and_then(TypedKey::new) else { return Vec::new() };
    let named = named_snapshots(line);
    let (sender, receiver) = mpsc::channel();
    // Reading may hang (a disk, a network, an endless compressed file): the thread is then abandoned, and the process ends without it.
    let thread = thread::Builder::new().spawn(move || {
        let mut parts = Continuations::default();
        for named in &named {
            parts.read(named, &typed);
        }
        // The receiver is gone if this took too long.
        let _ = sender.send(parts.texts(&typed));
    });
    if thread.is_err() {
        return Vec::new();
    }
    let found = receiver.recv_timeout(TIME_LIMIT).unwrap_or_default().into_iter();
    found.map(|text| CompletionCandidate::new(text).tag(Some(KEY_TAG.into()))).collect()
}

/// The typed part of a key, plain or in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TypedKey {
    bytes: Vec<u8>,
    quoted: bool,
}

impl TypedKey {
    fn new(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix('"') else {
            return Some(Self { bytes: text.as_bytes().to_vec(), quoted: false });
        };
        // An escape that is not typed completely yet is ignored.
        let whole = (0..=rest.len().min(3)).filter_map(|cut| rest.get(..rest.len() - cut));
        let bytes = whole.into_iter().find_map(|text| key_bytes(&format!("\"{text}\"")))?;
        Some(Self { bytes, quoted: true })
    }

    /// Returns a key, or a folder with a slash at its end, as a continuation of the typed text. A shell quotes spaces and the like itself.
    fn text(&self, part: &[u8], folder: bool) -> String {
        let plain = |text: &&str| !text.is_empty() && !text.starts_with('"') && printable(text) == *text;
        if let (false, Some(text)) = (self.quoted, std::str::from_utf8(part).ok().filter(plain)) {
            return text.to_owned();
        }
        let mut text = format!("\"{}\"", part.escape_ascii());
        if let (false, true) = (self.quoted, key_text(part) != text) {
            text = key_text(part);
        }
        if folder && text.ends_with('"') {
            text.pop();
        }
        text
    }
}

/// The continuations of the typed text: the first ones in order, and the last one, so that a shell sees the longest common prefix.
#[derive(Debug, Default)]
struct Continuations {
    first: BTreeSet<(Vec<u8>, bool)>,
    last: Option<(Vec<u8>, bool)>,
}

impl Continuations {
    fn read(&mut self, named: &NamedSnapshot, typed: &TypedKey) -> Option<()> {
        if !is_quick_to_read(&named.file) {
            return None;
        }
        let snapshot = Snapshot::open(&named.file, None, &NoProgress).ok()?;
        let store = snapshot.store().ok()?;
        let revision = store.at(named.revision).ok()?;
        let query = store.query(KeyRange::prefix(&typed.bytes), revision);
        let (index, _) = snapshot.keys(&store, &query, &NoProgress).ok()?;
        self.add_keys(&index, typed.bytes.len(), named.which);
        Some(())
    }

    fn add_keys(&mut self, index: &Index, from: usize, which: KeySet) {
        let wanted = |state: &Key<'_>| match which {
            KeySet::All => true,
            KeySet::Live => !state.deleted,
            KeySet::Deleted => state.deleted,
        };
        for state in index.iter().filter(wanted) {
            // A slash at the start of a key does not make a folder.
            let from = from.max(1);
            let rest = state.key.get(from..).unwrap_or_default();
            match rest.iter().position(|byte| *byte == b'/') {
                Some(slash) => self.add(state.key.get(..=from + slash).unwrap_or(state.key), true),
                None => self.add(state.key, false),
            }
        }
    }

    fn add(&mut self, part: &[u8], folder: bool) {
        let is = |other: &(Vec<u8>, bool)| (other.0.as_slice(), other.1).cmp(&(part, folder));
        if self.last.as_ref().is_none_or(|last| is(last).is_lt()) {
            self.last = Some((part.to_vec(), folder));
        }
        if self.first.len() == MAX_CANDIDATES && self.first.last().is_some_and(|last| is(last).is_le()) {
            return;
        }
        self.first.insert((part.to_vec(), folder));
        if self.first.len() > MAX_CANDIDATES {
            self.first.pop_last();
        }
    }

    fn texts(mut self, typed: &TypedKey) -> Vec<String> {
        self.first.extend(self.last);
        self.first.iter().map(|(part, folder)| typed.text(part, *folder)).collect()
    }
}

/// Whether a file is cheap enough to read for completion: not a pipe, which would be emptied, and not a large compressed file.
fn is_quick_to_read(path: &Path) -> bool {
    let Ok(about) = path.metadata() else { return false };
    if !about.is_file() {
        return false;
    }
    let mut head = Vec::new();
    let Ok(file) = File::open(path) else { return false };
    match file.take(HEAD_LEN as u64).read_to_end(&mut head).map(|_| sniff(&head)) {
        Ok(FileKind::Bolt) => true,
        Ok(FileKind::Gzip | FileKind::Zip | FileKind::Zstd) => about.len() <= MAX_COMPRESSED_LEN,
        _ => false,
    }
}

/// Finds the snapshots that the command line names; the line may be incomplete.
fn named_snapshots(line: &CommandLine) -> Vec<NamedSnapshot> {
    let command = Args::command().ignore_errors(true);
    let words = global_flags::move_flags_behind_command(line.words.clone(), &command);
    let matches = command.try_get_matches_from(words).ok();
    let Some((name, below)) = matches.as_ref().and_then(ArgMatches::subcommand) else { return Vec::new() };
    let deleted = below.try_get_one("deleted").ok().flatten().copied().unwrap_or(false);
    let which = match (name, deleted) {
        ("history", _) => KeySet::All,
        (_, true) => KeySet::Deleted,
        (_, false) => KeySet::Live,
    };
    // `diff` has two files, or two revisions of one file.
    let revision = |id: &str| below.try_get_one(id).ok().flatten().copied();
    let file = |id: &str| below.try_get_one::<PathBuf>(id).ok().flatten();
    let (a, b) = (file("a"), file("b").or_else(|| file("a")));
    [(file("file"), "rev"), (a, "rev_a"), (b, "rev_b")]
        .into_iter()
        .filter_map(|(file, id)| {
            Some(NamedSnapshot { file: expand_home(file?), revision: revision(id).unwrap_or_default(), which })
        })
        .collect()
}

/// Replaces a leading `~`, which the shell has not replaced yet.
fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn named_by(line: &str, at: usize) -> Vec<(String, i64, KeySet)> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let named = named_snapshots(&CommandLine { words, at });
        let plain = |named: NamedSnapshot| (named.file.to_str().unwrap().to_owned(), named.revision.get(), named.which);
        named.into_iter().map(plain).collect()
    }

    #[test]
    fn the_file_is_found_at_any_position() {
        let plain = [("f.db".to_owned(), 0, KeySet::Live)];
        for line in [
            "etcdsnap keys f.db ",
            "etcdsnap keys -w json f.db /reg",
            "etcdsnap -w json keys f.db /reg",
            "etcdsnap get f.db /reg",
            "etcdsnap usage --depth 3 f.db /",
            "etcdsnap export f.db --prefix /reg",
            "etcdsnap export --prefix=/reg f.db",
            "etcdsnap export f.db --prefix",
            "etcdsnap keys f.db --filter nonsense --limit many --from /r",
        ] {
            assert_eq!(named_by(line, 3), plain, "{line}");
        }
        assert_eq!(named_by("etcdsnap get f.db --rev 7 /r", 5), [("f.db".to_owned(), 7, KeySet::Live)]);
        assert_eq!(named_by("etcdsnap keys f.db --deleted /r", 4), [("f.db".to_owned(), 0, KeySet::Deleted)]);
        assert_eq!(named_by("etcdsnap history f.db ", 3), [("f.db".to_owned(), 0, KeySet::All)]);
        let two = [("a.db".to_owned(), 0, KeySet::Live), ("b.db".to_owned(), 0, KeySet::Live)];
        assert_eq!(named_by("etcdsnap diff a.db b.db --prefix ", 5), two);
        let revisions = [("a.db".to_owned(), 5, KeySet::Live), ("a.db".to_owned(), 0, KeySet::Live)];
        assert_eq!(named_by("etcdsnap diff a.db --rev-a 5 --prefix /", 6), revisions);
        assert_eq!(named_by("etcdsnap keys", 1), []);
        assert_eq!(named_by("etcdsnap ke", 1), []);
    }

    #[test]
    fn only_keys_with_unusual_bytes_are_quoted() {
        let typed = |text: &str| TypedKey::new(text).unwrap();
        assert_eq!(typed("/a").text(b"/a b", false), "/a b");
        assert_eq!(typed("").text(b"\xff\x00raw", false), "\"\\xff\\x00raw\"");
        assert_eq!(typed("").text(b"\xff/", true), "\"\\xff/");
        assert_eq!(typed("\"\\xff").text(b"\xff/web", false), "\"\\xff/web\"");
        assert_eq!(typed("\"a").text(b"a b", false), "\"a b\"");
        assert_eq!(typed("\"\\xff\\x0").bytes, b"\xff");
        assert_eq!(typed("\"\\xff\\").bytes, b"\xff");
        assert_eq!(typed("\"").bytes, b"");
        assert_eq!(TypedKey::new("\"\\q and more"), None);
    }

    #[test]
    fn the_last_of_many_candidates_is_returned() {
        let mut parts = Continuations::default();
        for number in (0..MAX_CANDIDATES * 3).rev() {
            parts.add(format!("/a/{number:06}").as_bytes(), false);
        }
        let texts = parts.texts(&TypedKey::new("/a/").unwrap());
        assert_eq!(texts.len(), MAX_CANDIDATES + 1);
        assert_eq!((texts[0].as_str(), texts[MAX_CANDIDATES].as_str()), ("/a/000000", "/a/002999"));
    }
}
