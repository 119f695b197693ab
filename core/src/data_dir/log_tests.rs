//! Tests with sound logs that are built here, and with damaged copies of them.

use etcdsnap_proto::{etcdserverpb, raftpb, walpb};
use prost::Message;

use super::judgement::{DatabaseFacts, DirectoryParts, SnapFile, judge};
use super::wal_record::{CRC, ENTRY, METADATA, SNAPSHOT, STATE};
use super::{RaftSnapshot, Segment, SegmentPosition, SnapshotPosition, WriteAheadLog, read_segment};
use crate::crc::crc32c;
use crate::finding_code::Code;
use crate::progress::IgnoreProgress;
use crate::severity::{Severity, Verdict};

const MEMBER: u64 = 0x8e9e_05c5_2164_694d;
const CLUSTER: u64 = 0xcdf8_1819_4e3a_8c32;

/// Writes records as etcd does.
#[derive(Default, Clone)]
struct LogWriter {
    bytes: Vec<u8>,
    hashed: Vec<u8>,
    /// Offset of each record.
    starts: Vec<usize>,
}

impl LogWriter {
    fn record(&mut self, kind: u64, data: Option<Vec<u8>>) {
        self.starts.push(self.bytes.len());
        self.hashed.extend(data.as_deref().unwrap_or_default());
        let crc = Some(crc32c(&self.hashed));
        let record = walpb::Record { r#type: Some(kind as i64), crc, data }.encode_to_vec();
        let padding = (8 - record.len() % 8) % 8;
        let top = if padding == 0 { 0 } else { 0x80 | padding as u64 };
        self.bytes.extend((record.len() as u64 | top << 56).to_le_bytes());
        self.bytes.extend(&record);
        self.bytes.resize(self.bytes.len() + padding, 0);
    }

    fn head(&mut self) {
        self.record(CRC, None);
        let ids = etcdserverpb::Metadata { node_id: Some(MEMBER), cluster_id: Some(CLUSTER) };
        self.record(METADATA, Some(ids.encode_to_vec()));
    }

    fn entries(&mut self, indexes: std::ops::RangeInclusive<u64>, term: u64) {
        for index in indexes {
            let data = Some(format!("entry {index}").into_bytes());
            let entry = raftpb::Entry { r#type: Some(0), term: Some(term), index: Some(index), data };
            self.record(ENTRY, Some(entry.encode_to_vec()));
        }
    }

    fn conf_change(&mut self, index: u64, term: u64, removes: bool) {
        let change = [&[8, 1, 16, u8::from(removes), 24][..], &varint_of(MEMBER), &[34, 2, b'{', b'}']].concat();
        let entry = raftpb::Entry { r#type: Some(1), term: Some(term), index: Some(index), data: Some(change) };
        self.record(ENTRY, Some(entry.encode_to_vec()));
    }

    fn state(&mut self, term: u64, commit: u64) {
        let state = raftpb::HardState { term: Some(term), vote: Some(MEMBER), commit: Some(commit) };
        self.record(STATE, Some(state.encode_to_vec()));
    }

    fn snapshot(&mut self, index: u64, term: u64) {
        let snapshot = walpb::Snapshot { index: Some(index), term: Some(term), conf_state: None };
        self.record(SNAPSHOT, Some(snapshot.encode_to_vec()));
    }

    /// The bytes so far; the next segment continues the CRC.
    fn cut(&mut self) -> Vec<u8> {
        self.starts.clear();
        std::mem::take(&mut self.bytes)
    }
}

fn varint_of(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}

/// Writes entries 1 to 20 of term 2, committed up to 18, with a snapshot at 10.
fn one_segment() -> LogWriter {
    let mut log = LogWriter::default();
    log.head();
    log.snapshot(0, 0);
    log.entries(1..=12, 2);
    log.state(2, 12);
    log.snapshot(10, 2);
    log.entries(13..=16, 2);
    log.state(2, 15);
    log.entries(17..=20, 2);
    log.state(2, 18);
    log
}

/// Writes the same log as three segments.
fn three_segments() -> Vec<Vec<u8>> {
    let mut log = LogWriter::default();
    log.head();
    log.snapshot(0, 0);
    log.entries(1..=8, 2);
    log.state(2, 8);
    let first = log.cut();
    log.head();
    log.entries(9..=12, 2);
    log.state(2, 12);
    log.snapshot(10, 2);
    let second = log.cut();
    log.head();
    log.entries(13..=20, 2);
    log.state(2, 18);
    vec![first, second, log.cut()]
}

fn read(segments: &[(u64, u64, &[u8])]) -> WriteAheadLog {
    let mut log = WriteAheadLog::default();
    for (index_in_log, (sequence, index, bytes)) in segments.iter().enumerate() {
        let position = if index_in_log + 1 == segments.len() { SegmentPosition::Last } else { SegmentPosition::Inner };
        let file = format!("member/wal/{sequence:016x}-{index:016x}.wal");
        let segment = Segment { file, sequence: *sequence, index: *index, position };
        read_segment(&mut log, &segment, *bytes, &IgnoreProgress).unwrap();
    }
    log
}

fn read_one(bytes: &[u8]) -> WriteAheadLog {
    read(&[(0, 0, bytes)])
}

fn snap(index: u64, term: u64) -> SnapFile {
    let contents = Ok(RaftSnapshot { index, term, members: [MEMBER].into() });
    SnapFile {
        file: format!("member/snap/{term:016x}-{index:016x}.snap"),
        name: SnapshotPosition { index, term },
        contents,
    }
}

fn database(consistent_index: u64) -> DatabaseFacts {
    DatabaseFacts { consistent_index, members: [MEMBER].into(), ..DatabaseFacts::default() }
}

/// Returns the codes of all findings about a directory with these parts.
fn codes(log: &WriteAheadLog, database: &DatabaseFacts, snaps: &[SnapFile]) -> Vec<Code> {
    let parts = DirectoryParts {
        database: Some(database),
        log,
        log_folder: "member/wal",
        snaps,
        snap_databases: &[],
        is_in_use: false,
    };
    let judgement = judge(&parts);
    log.findings.counts().keys().chain(judgement.findings.counts().keys()).copied().collect()
}

/// Appends zeros, like those that etcd preallocates after the records of a segment.
fn with_preallocated_zeros(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len() + 2048, 0);
    bytes
}

#[test]
fn a_sound_log_has_no_findings() {
    let log = read_one(&with_preallocated_zeros(&one_segment().bytes));
    assert_eq!(log.findings.verdict(), Verdict::Sound, "{:?}", log.findings);
    assert_eq!((log.first_index, log.last_index, log.last_term), (Some(1), Some(20), 2));
    assert_eq!((log.term, log.commit, log.records), (2, Some(18), 27));
    assert_eq!(log.snapshots, [SnapshotPosition { index: 0, term: 0 }, SnapshotPosition { index: 10, term: 2 }]);
    let owner = log.owner.unwrap();
    assert_eq!((owner.member, owner.cluster), (MEMBER, CLUSTER));
    let (database, snaps) = (database(14), [snap(10, 2)]);
    assert_eq!(codes(&log, &database, &snaps), []);
    let judgement = judge(&DirectoryParts {
        database: Some(&database),
        log: &log,
        log_folder: "member/wal",
        snaps: &snaps,
        snap_databases: &[],
        is_in_use: false,
    });
    assert_eq!((judgement.unapplied, judgement.uncommitted), (Some(4), 2));
    assert_eq!(judgement.start, Some(SnapshotPosition { index: 10, term: 2 }));
}

#[test]
fn the_crc_continues_from_segment_to_segment() {
    let parts = three_segments();
    let last = with_preallocated_zeros(&parts[2]);
    let [first, second] = [&parts[0][..], &parts[1][..]];
    let log = read(&[(0, 0, first), (1, 9, second), (2, 13, &last)]);
    assert_eq!(log.findings.verdict(), Verdict::Sound, "{:?}", log.findings);
    assert_eq!((log.last_index, log.commit), (Some(20), Some(18)));
    // Without the first segment, which etcd removes after a snapshot, the log is complete only with that snapshot.
    let log = read(&[(1, 9, second), (2, 13, &last)]);
    assert_eq!(codes(&log, &database(18), &[snap(10, 2)]), []);
    assert_eq!(codes(&log, &database(18), &[]), [Code::SnapMissing]);
    let log = read(&[(0, 0, first), (2, 13, &last)]);
    assert!(codes(&log, &database(18), &[]).contains(&Code::WalSegmentMissing));
    // A segment from another time whose name fits.
    let log = read(&[(0, 0, first), (1, 13, &last)]);
    assert!(codes(&log, &database(18), &[snap(10, 2)]).contains(&Code::WalChainBroken));
    // An inner segment may not be torn.
    let log = read(&[(0, 0, first), (1, 9, &second[..second.len() - 3]), (2, 13, &last)]);
    assert!(log.findings.has(Code::WalRecordBroken), "{:?}", log.findings);
    assert!(log.torn.is_none());
}

#[test]
fn every_flipped_bit_is_found() {
    let whole = one_segment().bytes;
    for bit in 0..whole.len() * 8 {
        let mut bytes = with_preallocated_zeros(&whole);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let log = read_one(&bytes);
        assert!(!codes(&log, &database(18), &[snap(10, 2)]).is_empty(), "bit {bit} of {}", whole.len() * 8);
    }
}

#[test]
fn flipped_bits_in_the_middle_are_not_a_torn_end() {
    let writer = one_segment();
    let middle = writer.starts[18];
    for bit in 0..middle * 8 {
        let mut bytes = with_preallocated_zeros(&writer.bytes);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let log = read_one(&bytes);
        assert!(log.torn.is_none(), "bit {bit}: {:?}", log.torn);
    }
}

#[test]
fn records_before_a_torn_end_are_read() {
    let writer = one_segment();
    let starts = &writer.starts;
    for cut in starts[5]..writer.bytes.len() {
        let log = read_one(&writer.bytes[..cut]);
        let at_a_border = starts.contains(&cut);
        assert_eq!(log.torn.is_some(), !at_a_border, "cut at {cut}: {:?}", log.torn);
        assert_eq!(log.findings.verdict(), Verdict::Sound, "cut at {cut}: {:?}", log.findings);
        if let Some(torn) = &log.torn {
            assert_eq!(torn.offset.get() as usize, *starts.iter().rfind(|start| **start < cut).unwrap());
        }
    }
}

#[test]
fn a_sector_that_was_never_written_is_torn() {
    let mut writer = one_segment();
    let entry = raftpb::Entry { r#type: Some(0), term: Some(2), index: Some(21), data: Some(vec![7; 3000]) };
    writer.record(ENTRY, Some(entry.encode_to_vec()));
    let start = *writer.starts.last().unwrap();
    let sector = (start + 1024).next_multiple_of(512);
    let mut bytes = with_preallocated_zeros(&writer.bytes);
    bytes[sector..sector + 512].fill(0);
    let log = read_one(&bytes);
    assert_eq!(log.torn.map(|torn| torn.offset.get() as usize), Some(start));
    assert_eq!((log.last_index, log.findings.verdict()), (Some(20), Verdict::Sound));
    // Records that were written later follow, so the sector was lost after it had been synced.
    writer.state(2, 20);
    writer.entries(22..=23, 2);
    let mut bytes = with_preallocated_zeros(&writer.bytes);
    bytes[sector..sector + 512].fill(0);
    let log = read_one(&bytes);
    assert!(log.findings.has(Code::WalRecordBroken) && log.torn.is_none(), "{log:?}");
}

#[test]
fn a_hole_before_later_records_is_damage() {
    let mut writer = LogWriter::default();
    writer.head();
    writer.snapshot(0, 0);
    for round in 0..40 {
        writer.entries(round * 10 + 1..=round * 10 + 10, 1);
        writer.state(1, round * 10 + 10);
    }
    for hole in [1024, 4096] {
        let mut bytes = with_preallocated_zeros(&writer.bytes);
        bytes[hole..hole + 1024].fill(0);
        let log = read_one(&bytes);
        assert!(log.findings.has(Code::WalRecordBroken) && log.torn.is_none(), "hole at {hole}: {log:?}");
    }
    // A hole that begins where a record does, which etcd takes for the end of the log.
    let mut bytes = with_preallocated_zeros(&writer.bytes);
    let (from, to) = (writer.starts[100], writer.starts[130]);
    bytes[from..to].fill(0);
    assert!(read_one(&bytes).findings.has(Code::WalRecordBroken));
}

#[test]
fn bytes_after_the_end_are_a_warning() {
    let whole = one_segment().bytes;
    let mut bytes = with_preallocated_zeros(&whole);
    bytes[whole.len() + 100] = 1;
    let log = read_one(&bytes);
    assert_eq!(log.findings.verdict(), Verdict::Warnings);
    assert!(log.findings.has(Code::WalRecordOdd));
}

#[test]
fn rewritten_entries_replace_the_old_ones() {
    let mut writer = one_segment();
    writer.entries(19..=19, 3);
    writer.state(3, 19);
    let log = read_one(&with_preallocated_zeros(&writer.bytes));
    assert_eq!((log.last_index, log.last_term, log.commit), (Some(19), 3, Some(19)));
    assert_eq!(codes(&log, &database(18), &[snap(10, 2)]), []);
}

#[test]
fn parts_that_do_not_belong_together_are_found() {
    let log = read_one(&with_preallocated_zeros(&one_segment().bytes));
    let sound = [snap(10, 2)];
    assert_eq!(codes(&log, &database(21), &sound), [Code::WalBehindDatabase]);
    assert_eq!(codes(&log, &database(9), &sound), [Code::SnapDatabaseMissing]);
    assert_eq!(codes(&log, &database(18), &[]), [Code::SnapFileMissing]);
    let newer = DatabaseFacts { starts_without_snap: true, ..database(18) };
    assert_eq!(codes(&log, &newer, &[]), []);
    let foreign = DatabaseFacts { members: [1, 2].into(), ..database(18) };
    assert_eq!(codes(&log, &foreign, &[]), [Code::DirectoryIdentity, Code::SnapFileMissing]);
    // A restore by etcd 3.4 leaves the old members in the database, and a later etcd does not.
    assert_eq!(codes(&log, &foreign, &sound), []);
    let newer_foreign = DatabaseFacts { names_members: true, ..foreign };
    assert_eq!(codes(&log, &newer_foreign, &sound), [Code::DirectoryIdentity]);
    let unreadable = |index| SnapFile { contents: Err("cut off".into()), ..snap(index, 2) };
    assert_eq!(codes(&log, &database(18), &[snap(10, 2), unreadable(17)]), [Code::SnapUnfinished]);
}

#[test]
fn an_unreadable_snap_file_is_damage_only_if_etcd_needs_it() {
    let log = read_one(&with_preallocated_zeros(&one_segment().bytes));
    let unreadable = SnapFile { contents: Err("cut off".into()), ..snap(10, 2) };
    assert_eq!(Code::SnapBroken.severity(), Severity::Warning);
    assert_eq!(codes(&log, &database(18), std::slice::from_ref(&unreadable)), [Code::SnapBroken]);
    let mut later = LogWriter::default();
    later.head();
    later.snapshot(10, 2);
    later.entries(11..=18, 2);
    later.state(2, 18);
    let later = read(&[(1, 8, &with_preallocated_zeros(&later.bytes))]);
    assert_eq!(codes(&later, &database(18), &[unreadable]), [Code::SnapMissing, Code::SnapBroken]);
}

#[test]
fn the_contents_of_a_snap_file_count_and_not_its_name() {
    let log = read_one(&with_preallocated_zeros(&one_segment().bytes));
    let misnamed = SnapFile { name: SnapshotPosition { index: 255, term: 255 }, ..snap(10, 2) };
    let parts = DirectoryParts {
        database: Some(&database(18)),
        log: &log,
        log_folder: "member/wal",
        snaps: &[misnamed],
        snap_databases: &[],
        is_in_use: false,
    };
    let judgement = judge(&parts);
    assert_eq!(judgement.start, Some(SnapshotPosition { index: 10, term: 2 }));
    assert_eq!(judgement.findings.counts().keys().copied().collect::<Vec<_>>(), [Code::SnapBroken]);
}

#[test]
fn entries_that_the_database_lacks_may_add_or_remove_the_member() {
    let with_change = |removes, commit: u64| {
        let mut log = LogWriter::default();
        log.head();
        log.snapshot(0, 0);
        log.entries(1..=12, 2);
        log.conf_change(13, 2, removes);
        log.entries(14..=18, 2);
        log.state(2, commit);
        read_one(&with_preallocated_zeros(&log.bytes))
    };
    let others = |index| DatabaseFacts { members: [1, 2].into(), names_members: true, ..database(index) };
    assert_eq!(codes(&with_change(false, 18), &others(12), &[]), []);
    assert_eq!(codes(&with_change(false, 18), &others(13), &[]), [Code::DirectoryIdentity]);
    assert_eq!(codes(&with_change(true, 18), &database(12), &[]), [Code::DirectoryMemberRemoved]);
    // The removal was not committed.
    assert_eq!(codes(&with_change(true, 12), &database(12), &[]), []);
    let removed = DatabaseFacts { removed: [MEMBER].into(), members: [1, 2].into(), ..database(18) };
    let mut log = one_segment();
    log.state(2, 20);
    let log = read_one(&with_preallocated_zeros(&log.bytes));
    assert_eq!(codes(&log, &removed, &[]), [Code::DirectoryMemberRemoved, Code::SnapFileMissing]);
    // A restore by etcd 3.4 also leaves the removed members in the database; its snapshot has the new members.
    assert_eq!(codes(&log, &removed, &[snap(10, 2)]), []);
}

#[test]
fn a_log_with_all_entries_can_rebuild_the_database() {
    let log_is_complete = |log: &WriteAheadLog, snaps: &[SnapFile]| {
        let parts =
            DirectoryParts { database: None, log, log_folder: "wal", snaps, snap_databases: &[], is_in_use: false };
        judge(&parts).log_is_complete
    };
    let mut log = LogWriter::default();
    log.head();
    log.snapshot(0, 0);
    log.entries(1..=12, 2);
    log.state(2, 12);
    let whole = with_preallocated_zeros(&log.bytes);
    assert!(log_is_complete(&read_one(&whole), &[]));
    let mut damaged = whole.clone();
    damaged[log.starts[6] + 20] ^= 1;
    assert!(!log_is_complete(&read_one(&damaged), &[]));
    // etcd needs the database of a snapshot.
    assert!(!log_is_complete(&read_one(&with_preallocated_zeros(&one_segment().bytes)), &[snap(10, 2)]));
    let mut log = LogWriter::default();
    log.head();
    log.snapshot(0, 0);
    log.entries(2..=12, 2);
    log.state(2, 12);
    assert!(!log_is_complete(&read_one(&with_preallocated_zeros(&log.bytes)), &[]));
}

#[test]
fn two_segments_with_the_same_number_are_found() {
    let segment = one_segment().bytes;
    let log = read(&[(0, 0, &segment), (0, 1, &with_preallocated_zeros(&segment))]);
    let first = &log.findings.list()[0];
    assert_eq!(first.finding.code, Code::WalChainBroken);
    assert!(!log.findings.has(Code::WalSegmentMissing), "{:?}", log.findings);
}

#[test]
fn a_commit_index_after_the_last_entry_is_damage() {
    let mut writer = one_segment();
    writer.state(2, 25);
    let log = read_one(&with_preallocated_zeros(&writer.bytes));
    assert_eq!(codes(&log, &database(18), &[snap(10, 2)]), [Code::WalEntriesMissing]);
    let mut writer = one_segment();
    writer.entries(25..=26, 2);
    let log = read_one(&with_preallocated_zeros(&writer.bytes));
    assert_eq!(codes(&log, &database(18), &[snap(10, 2)]), [Code::WalEntriesMissing]);
    // Rewriting an entry within the gap does not fill the gap.
    let mut back = writer.clone();
    back.entries(23..=23, 2);
    assert_eq!(
        codes(&read_one(&with_preallocated_zeros(&back.bytes)), &database(18), &[snap(10, 2)]),
        [Code::WalEntriesMissing]
    );
    back.entries(21..=26, 2);
    assert_eq!(codes(&read_one(&with_preallocated_zeros(&back.bytes)), &database(18), &[snap(10, 2)]), []);
    // A snapshot from the leader covers a gap before it.
    writer.snapshot(24, 2);
    writer.state(2, 26);
    let log = read_one(&with_preallocated_zeros(&writer.bytes));
    assert_eq!(codes(&log, &database(24), &[snap(24, 2)]), []);
}

#[test]
fn reading_arbitrary_bytes_ends() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let writer = one_segment();
    for round in 0..4000 {
        let mut bytes = if round % 2 == 0 { with_preallocated_zeros(&writer.bytes) } else { vec![0; 600] };
        for _ in 0..1 + next() % 8 {
            let at = next() as usize % bytes.len();
            let len = (next() as usize % 40).min(bytes.len() - at);
            for byte in &mut bytes[at..at + len] {
                *byte = if round % 3 == 0 { (next() % 256) as u8 } else { [0, 0xff, 8, 0x80][next() as usize % 4] };
            }
        }
        let log = read(&[(0, 0, &bytes), (1, 5, &bytes)]);
        let _ = codes(&log, &database(next()), &[snap(10, 2)]);
        let _ = super::read_snap(&bytes[..], &IgnoreProgress).unwrap();
    }
}
