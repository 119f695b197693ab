//! A member's data directory: this module finds, opens and reads the files; core judges their contents.

mod directory_report;
mod in_use;
pub(crate) mod member_files;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use etcdsnap_core::data_dir::{
    DatabaseFacts, DirectoryFindings, DirectoryParts, Segment, SegmentPosition, SnapFile, WriteAheadLog, judge,
    read_segment, read_snap,
};
use etcdsnap_core::etcd::version;
use etcdsnap_core::store::{OpenedStore, Store};
use etcdsnap_core::{Code, Finding, Report, Source, Verdict};

use crate::error::{Error, PathlessError};
use crate::input::{Body, FileSource, Input};
use crate::parallel_verify;
use crate::progress::Stage;
use crate::verify_options::{Sha256, VerifyOptions};

pub use crate::input::database_path::is_data_dir;
use directory_report::Reading;
pub use directory_report::{DirectoryReport, LogFacts, SnapshotFacts, Standing, TornFacts};
pub use in_use::is_locked;
use member_files::{Listing, MemberFiles};

/// How often a directory is read at most, if it is written to meanwhile and does not look sound.
const MAX_ATTEMPTS: u32 = 4;

/// The pause between two attempts: etcd commits its database every 100 ms.
const PAUSE: Duration = Duration::from_millis(150);

/// Findings that are normal for the database of a running member.
const NORMAL_FOR_MEMBER: &[Code] = &[Code::TrailerMissing];

/// Findings that are normal for a member that was killed soon after its first start: the log has all entries, and its first ones repair the database.
const NORMAL_FOR_NEW_MEMBER: &[Code] =
    &[Code::TrailerMissing, Code::EntryMissing, Code::MembersMissing, Code::StoreEmpty];

/// Verifies a member's data directory: the database, the `.snap` files, the write-ahead log, and their consistency. It writes nothing and takes no lock.
/// `wal_dir` is the directory of the log if it is elsewhere. The SHA-256 setting in `options` has no effect: a member's database has none.
///
/// A server may run on the directory; then the report says so, and describes only the moment of reading.
///
/// # Errors
/// - [`Error::Directory`]: `path` is not a data directory of etcd.
/// - [`Error::Open`], [`Error::Scan`]: a file cannot be read, or memory ran out.
/// - [`Error::Cancelled`]: the caller asked to stop.
pub fn verify_directory(
    path: impl AsRef<Path>,
    wal_dir: Option<&Path>,
    options: VerifyOptions<'_>,
) -> Result<DirectoryReport, Error> {
    let files = MemberFiles::find(path.as_ref(), wal_dir)?;
    let mut attempt = 1;
    loop {
        let is_last = attempt >= MAX_ATTEMPTS;
        match read_once(&files, &options) {
            // etcd may remove old files while they are read.
            Err(Error::Open { cause, .. }) if cause.kind() == io::ErrorKind::NotFound && !is_last => {}
            Err(error) => return Err(error),
            Ok(report) if report.is_in_use() && report.verdict == Verdict::Damaged && !is_last => {}
            Ok(report) => return Ok(report),
        }
        attempt += 1;
        thread::sleep(PAUSE);
    }
}

/// Reads everything once: the `.snap` files first and the log last, in the order in which etcd writes them, so that each later file is newer.
fn read_once(files: &MemberFiles, options: &VerifyOptions<'_>) -> Result<DirectoryReport, Error> {
    let listing = files.list()?;
    let is_in_use = in_use::is_in_use(files, &listing);
    let snaps = read_snaps(files, &listing, options)?;
    let found = read_database(files, options)?;
    let (log, log_changed) = read_log(files, &listing, options)?;
    let database = found.as_ref().ok();
    let changed = log_changed || database.is_some_and(|database| database.changed);
    let is_in_use = is_in_use || changed || in_use::is_in_use(files, &listing);
    let is_judged = database.is_none_or(|database| !database.is_doubtful());
    let mut findings = DirectoryFindings::default();
    let facts = database.filter(|_| is_judged).and_then(|database| database.facts.as_ref());
    let judgement = judge(&DirectoryParts {
        database: facts,
        log: &log,
        log_folder: files.log_name(),
        snaps: &snaps,
        snap_databases: &listing.snap_databases,
        is_in_use,
    });
    match &found {
        Err(why) if judgement.log_is_complete => {
            findings.push(MemberFiles::DATABASE, Finding::new(Code::DatabaseRebuilt, *why));
        }
        Err(why) => findings.push(MemberFiles::DATABASE, Finding::new(Code::DatabaseMissing, *why)),
        Ok(database) if is_judged => {
            let lacks = judgement.uncommitted > 0 || judgement.unapplied.is_some_and(|lacking| lacking > 0);
            let but = if judgement.log_is_complete && lacks { NORMAL_FOR_NEW_MEMBER } else { NORMAL_FOR_MEMBER };
            findings.append(MemberFiles::DATABASE, &database.report.findings, but);
        }
        Ok(_) => {}
    }
    findings.extend(log.findings.clone());
    findings.extend(judgement.findings.clone());
    let status = found.ok().filter(|_| is_judged).and_then(|database| database.report.status);
    let reading = Reading {
        snap_files: snaps.len(),
        database_judged: is_judged,
        server_running: is_in_use,
        changed_while_read: changed,
    };
    Ok(DirectoryReport::new(findings, log, judgement, status, reading))
}

/// The report about the database, and the facts that matter to the other files.
struct ReadDatabase {
    report: Report,
    facts: Option<DatabaseFacts>,
    /// Whether it was written to while it was read.
    changed: bool,
}

impl ReadDatabase {
    /// Whether findings of damage may only mean that the pages were read at different moments. If all pages fit together, nothing was missed.
    fn is_doubtful(&self) -> bool {
        self.changed && self.report.verdict == Verdict::Damaged
    }
}

/// Reads the database; the inner error says why there is none.
fn read_database(
    files: &MemberFiles,
    options: &VerifyOptions<'_>,
) -> Result<Result<ReadDatabase, &'static str>, Error> {
    let path = files.database();
    let Some(file) = member_files::open_if_there(&path)? else { return Ok(Err("the file is missing")) };
    let facts = file.metadata().map_err(|cause| Error::Open { path: path.clone(), cause })?;
    if facts.len() == 0 {
        // bolt treats an empty file as a new database.
        return Ok(Err("the file is empty"));
    }
    let input = Input::of_file(file, &path)?;
    let without_hash = VerifyOptions { sha256: Sha256::Skip, ..*options };
    let source = match (&input.body, input.foreign_report()) {
        (_, Some(report)) => return Ok(Ok(ReadDatabase { report, facts: None, changed: false })),
        (Body::Plain(source), None) => source,
        (Body::Packed(_), None) => {
            let mut report = crate::verify_input(&input, &without_hash)?;
            report.findings.push(Finding::new(
                Code::NotASnapshot,
                "the file is compressed, but etcd reads only an uncompressed one",
            ));
            report.verdict = report.findings.verdict();
            return Ok(Ok(ReadDatabase { report, facts: None, changed: false }));
        }
    };
    let report = match parallel_verify::run(source, &without_hash).map_err(|failure| failure.at(&path)) {
        Err(Error::Changed { .. }) if source.assert_unchanged().is_err() => {
            // The file became shorter: a defragmentation replaced it, or it was truncated.
            return Err(Error::Changed { path });
        }
        outcome => outcome?,
    };
    let facts = database_facts(source, &report);
    let changed = source.assert_unchanged().is_err();
    Ok(Ok(ReadDatabase { report, facts, changed }))
}

fn database_facts(source: &FileSource, report: &Report) -> Option<DatabaseFacts> {
    let status = report.status.as_ref()?;
    let (mut members, mut removed) = (BTreeSet::new(), BTreeSet::new());
    if let Ok(OpenedStore::Store(store)) = Store::open(source) {
        // The scan has already reported what cannot be read.
        members.extend(store.member_ids("members").unwrap_or_default());
        removed.extend(store.member_ids("members_removed").unwrap_or_default());
    }
    Some(DatabaseFacts {
        consistent_index: status.consistent_index.unwrap_or_default(),
        starts_without_snap: starts_without_snap(&status.version),
        members,
        removed,
        // etcd 3.4 writes no term.
        names_members: status.term.is_some(),
    })
}

/// Whether this version of etcd starts without a `.snap` file: 3.7 reads the members from the log.
fn starts_without_snap(storage_version: &str) -> bool {
    version::parse(storage_version).is_some_and(|version| version >= (3, 7, 0))
}

fn read_snaps(files: &MemberFiles, listing: &Listing, options: &VerifyOptions<'_>) -> Result<Vec<SnapFile>, Error> {
    let mut snaps = Vec::new();
    for (path, name) in &listing.snaps {
        let source = open_source(path)?;
        let contents = read_snap(&source, options.progress).map_err(|error| PathlessError::Scan(error).at(path))?;
        snaps.push(SnapFile { file: files.snap_name(path), name: *name, contents });
    }
    Ok(snaps)
}

/// Reads the log; also returns whether its last segment was written to meanwhile.
fn read_log(
    files: &MemberFiles,
    listing: &Listing,
    options: &VerifyOptions<'_>,
) -> Result<(WriteAheadLog, bool), Error> {
    let mut log = WriteAheadLog::default();
    let mut changed = false;
    for (place, found) in listing.segments.iter().enumerate() {
        let source = open_source(&found.path)?;
        options.progress.begin(Stage::Read, Some(source.len()));
        let position = if place + 1 == listing.segments.len() { SegmentPosition::Last } else { SegmentPosition::Inner };
        let segment =
            Segment { file: files.segment_name(&found.path), sequence: found.sequence, index: found.index, position };
        let read = read_segment(&mut log, &segment, &source, options.progress);
        read.map_err(|error| PathlessError::Scan(error).at(&found.path))?;
        changed = source.assert_unchanged().is_err();
    }
    Ok((log, changed))
}

fn open_source(path: &Path) -> Result<FileSource, Error> {
    let file = member_files::open(path)?;
    FileSource::new(file, path).map_err(|cause| Error::Open { path: path.to_owned(), cause })
}
