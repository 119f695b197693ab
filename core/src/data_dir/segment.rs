//! Reads one segment of the write-ahead log: its records, whose CRCs each continue the one before, and its end.
//!
//! ```text
//! ├ crc: that of the previous segment ┼ metadata ┼ state … entries, states, snapshots … ┼ zeros, in the last segment ┤
//! ```

use crate::data_dir::log::{TornRecord, WriteAheadLog};
use crate::data_dir::protobuf_stream::{ByteSpan, MessageError, hash};
use crate::data_dir::read_window::{ReadWindow, WINDOW_LEN};
use crate::data_dir::wal_record::{
    AtOffset, CONF_CHANGE, CRC, ENTRY, EntryHeader, Frame, LengthByFields, METADATA, SNAPSHOT, STATE, WalRecord,
    conf_change, length_by_fields, read_numbers,
};
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{MAX_SEGMENT, MAX_SMALL_RECORD};
use crate::offset::Offset;
use crate::progress::ScanProgress;
use crate::source::Source;

/// Position of a segment in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentPosition {
    /// Another segment follows.
    Inner,
    /// The last segment, which etcd writes to: its end may be unfinished.
    Last,
}

/// A segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Path of the file, relative to the data directory.
    pub file: String,
    /// Sequence number in the file's name.
    pub sequence: u64,
    /// Index of the first entry that the segment may hold, as the file's name says.
    pub index: u64,
    /// Position in the log.
    pub position: SegmentPosition,
}

/// Reads a segment into the log. Segments must be read in the order of their sequence numbers.
///
/// # Errors
/// A read fails, or `progress` requests a stop. Damage becomes a finding of the log.
pub fn read<S: Source + ?Sized>(
    log: &mut WriteAheadLog,
    segment: &Segment,
    source: &S,
    progress: &dyn ScanProgress,
) -> Result<(), Error> {
    let mut reader =
        SegmentReader { window: ReadWindow::new(source, progress), log, segment, number: 0, has_searched_after: false };
    reader.begin();
    if source.len() > MAX_SEGMENT {
        let text = format!("the file has {} bytes, more than a segment can have", source.len());
        reader.report(Finding::new(Code::WalRecordBroken, text));
        reader.log.next_crc = None;
        return Ok(());
    }
    reader.run()
}

/// A damaged record.
struct DamagedRecord {
    /// The damage, as a clause.
    text: String,
    /// Its frame, if its length is plausible.
    frame: Option<Frame>,
    /// Its fields, if they can be decoded.
    record: Option<WalRecord>,
    /// Whether an interrupted write can explain it.
    looks_torn: bool,
    /// Whether etcd treats it as an interrupted write, and cuts it off.
    etcd_treats_as_torn: bool,
}

/// Reads one segment.
pub(super) struct SegmentReader<'r, S: ?Sized> {
    pub(super) window: ReadWindow<'r, S>,
    pub(super) log: &'r mut WriteAheadLog,
    segment: &'r Segment,
    /// Number of records read from this segment.
    number: u64,
    /// Whether the rest of the file after a damaged record was searched for records, which is done only once.
    has_searched_after: bool,
}

impl<S: Source + ?Sized> SegmentReader<'_, S> {
    fn begin(&mut self) {
        let Segment { sequence, index, .. } = *self.segment;
        match self.log.sequence {
            None => self.log.first_segment_index = index,
            Some(before) if before.checked_add(1) == Some(sequence) => {}
            Some(before) if before == sequence => {
                let text = format!("two segments have the number {sequence:x}; etcd does not start");
                self.report(Finding::new(Code::WalChainBroken, text));
                self.log.next_crc = None;
            }
            Some(before) => {
                let text = format!(
                    "segment {:x} before this one is missing: entries are lost, and etcd does not start",
                    before.saturating_add(1)
                );
                self.report(Finding::new(Code::WalSegmentMissing, text));
                self.log.next_crc = None;
            }
        }
        self.log.sequence = Some(sequence);
        self.log.segments = self.log.segments.saturating_add(1);
    }

    fn report(&mut self, finding: Finding) {
        self.log.findings.push(&self.segment.file, finding);
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut at = 0;
        loop {
            match Frame::read(&mut self.window, at)? {
                AtOffset::FileEnd => break,
                AtOffset::Zeros => {
                    self.check_after_end(at)?;
                    break;
                }
                AtOffset::CutLength => {
                    let text = "the file ends within the length of a record".to_owned();
                    let looks_torn = true;
                    let damaged =
                        DamagedRecord { text, frame: None, record: None, looks_torn, etcd_treats_as_torn: true };
                    self.report_damaged(at, &damaged)?;
                    break;
                }
                AtOffset::Frame(frame) => match self.read_record(frame)? {
                    Ok(record) => {
                        self.add_record(at, frame, record)?;
                        at = frame.end;
                    }
                    Err(damaged) => match self.report_damaged(at, &damaged)? {
                        Some(next) => at = next,
                        None => break,
                    },
                },
            }
            self.number = self.number.saturating_add(1);
        }
        if at == 0 && self.number == 0 {
            self.report(Finding::new(Code::WalRecordBroken, "the segment has no records"));
            self.log.next_crc = None;
        }
        Ok(())
    }

    /// Reads a record and checks its CRC. (The first record of a segment only holds the CRC of the previous segment.)
    fn read_record(&mut self, frame: Frame) -> Result<Result<WalRecord, DamagedRecord>, Error> {
        if frame.end > self.window.len() {
            return self.judge_past_end(frame).map(Err);
        }
        let record = match WalRecord::read(&mut self.window, frame.body) {
            Ok(record) => record,
            Err(MessageError::Failed(error)) => return Err(error),
            Err(MessageError::Malformed) => {
                let torn = self.has_empty_sector(frame)?;
                let text = "these bytes are not a record".to_owned();
                let damaged = DamagedRecord {
                    text,
                    frame: Some(frame),
                    record: None,
                    looks_torn: torn,
                    etcd_treats_as_torn: torn,
                };
                return Ok(Err(damaged));
            }
        };
        if record.kind == CRC {
            return Ok(Ok(record));
        }
        let Some(next_crc) = self.log.next_crc else { return Ok(Ok(record)) };
        let data = hash(&mut self.window, record.data, &self.log.combiner)?;
        let actual = self.log.combiner.join(next_crc, data.crc, data.len);
        if actual == record.crc {
            self.log.next_crc = Some(actual);
            return Ok(Ok(record));
        }
        let torn = self.has_empty_sector(frame)?;
        let text = format!("the CRC of the log up to here is {actual:08x}, but the record claims {:08x}", record.crc);
        let record = Some(record);
        Ok(Err(DamagedRecord { text, frame: Some(frame), record, looks_torn: torn, etcd_treats_as_torn: torn }))
    }

    /// Judges a record that ends beyond the end of the file: either the file was cut off, or the record's length is
    /// wrong.
    fn judge_past_end(&mut self, frame: Frame) -> Result<DamagedRecord, Error> {
        let looks_torn = match length_by_fields(&mut self.window, frame.body.start)? {
            LengthByFields::Unknown => true,
            LengthByFields::Bytes(0) => self.last_byte(frame.body.start)? <= frame.body.start,
            LengthByFields::Bytes(len) => len == frame.body.len(),
        };
        let text = format!("a record of {} bytes reaches beyond the end of the file", frame.body.len());
        Ok(DamagedRecord { text, frame: None, record: None, looks_torn, etcd_treats_as_torn: true })
    }

    /// Reports a damaged record; returns the offset to continue at, if reading can continue.
    fn report_damaged(&mut self, at: u64, damaged: &DamagedRecord) -> Result<Option<u64>, Error> {
        let next = damaged.frame.filter(|_| damaged.record.is_some()).map(|frame| frame.end);
        let is_last = self.segment.position == SegmentPosition::Last;
        let mut consequence = match damaged.record {
            None if is_last => "etcd does not start, or cuts off the log here",
            _ => "etcd does not start",
        };
        if is_last && damaged.etcd_treats_as_torn && !self.has_searched_after {
            self.has_searched_after = true;
            let kind = damaged.record.map(|record| record.kind);
            let from = next.unwrap_or(at.saturating_add(8));
            let after = self.search_after(from, kind)?;
            if damaged.looks_torn && !after.has_later_records {
                let bytes = after.end.max(at).saturating_sub(at);
                self.log.torn = Some(TornRecord { file: self.segment.file.clone(), offset: Offset::new(at), bytes });
                return Ok(None);
            }
            consequence = "etcd takes this for the end of the log, and cuts off the rest";
        }
        let text = format!("{}; {consequence}", damaged.text);
        self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
        self.log.is_broken = true;
        // The records after this one can be checked nevertheless, because they continue the CRC that this one claims.
        self.log.next_crc = damaged.record.map(|record| record.crc);
        Ok(next)
    }

    /// Checks the bytes after the end of the log.
    fn check_after_end(&mut self, at: u64) -> Result<(), Error> {
        let after = self.search_after(at, None)?;
        if after.end <= at {
            return Ok(());
        }
        let bytes = after.end.saturating_sub(at);
        if after.has_later_records {
            let text = "the log ends here, but records that were written later follow: the records between are lost, and etcd erases the rest";
            self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
            self.log.is_broken = true;
            self.log.next_crc = None;
        } else {
            let text = format!("{bytes} bytes after the end of the log are not all zero; etcd erases them");
            self.report(Finding::new(Code::WalRecordOdd, text).offset(Offset::new(at)));
        }
        Ok(())
    }

    /// Adds a record with a correct CRC to the log.
    fn add_record(&mut self, at: u64, frame: Frame, record: WalRecord) -> Result<(), Error> {
        self.log.records = self.log.records.saturating_add(1);
        let required = match self.number {
            0 => Some((CRC, "the CRC of the previous segment")),
            1 => Some((METADATA, "the ids of the member and the cluster")),
            _ => None,
        };
        if let Some((_, name)) = required.filter(|(kind, _)| *kind != record.kind) {
            let text =
                format!("record {} of a segment must hold {name}, but this one has type {}", self.number, record.kind);
            self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
        }
        match self.add_contents(at, record) {
            Ok(Ok(())) => self.check_ignored_bits(at, frame, record),
            Ok(Err(finding)) => {
                self.report(finding.offset(Offset::new(at)));
                Ok(())
            }
            Err(MessageError::Malformed) => {
                let text =
                    format!("the data of this record of type {} cannot be decoded; etcd stops here", record.kind);
                self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
                Ok(())
            }
            Err(MessageError::Failed(error)) => Err(error),
        }
    }

    /// Reports bits of a record that etcd ignores, if they differ from what etcd writes.
    fn check_ignored_bits(&mut self, at: u64, frame: Frame, record: WalRecord) -> Result<(), Error> {
        if !(frame.is_canonical
            && record.is_canonical
            && self.is_zero(ByteSpan { start: frame.body.end, end: frame.end })?)
        {
            let text = "bits of this record that etcd ignores differ from what it writes";
            self.report(Finding::new(Code::WalRecordOdd, text).offset(Offset::new(at)));
        }
        Ok(())
    }

    fn add_contents(&mut self, at: u64, record: WalRecord) -> Result<Result<(), Finding>, MessageError> {
        if record.kind != ENTRY && record.data.len() > MAX_SMALL_RECORD {
            return Err(MessageError::Malformed);
        }
        match record.kind {
            METADATA => {
                let ids = read_numbers(&mut self.window, record.data)?;
                let len = usize::try_from(record.data.len()).unwrap_or(WINDOW_LEN);
                let bytes = self.window.bytes(record.data.start, len)?;
                Ok(self.log.add_metadata(bytes, ids))
            }
            ENTRY => {
                let entry = EntryHeader::read(&mut self.window, record.data)?;
                let outcome = self.log.add_entry(entry, &self.segment.file, Offset::new(at));
                if entry.kind == CONF_CHANGE
                    && outcome.is_ok()
                    && let Some(change) = conf_change(&mut self.window, entry)?
                {
                    self.log.add_conf_change(change);
                }
                Ok(outcome)
            }
            STATE => read_numbers(&mut self.window, record.data).map(|state| self.log.add_state(state)),
            SNAPSHOT => read_numbers(&mut self.window, record.data).map(|mark| self.log.add_snapshot(mark)),
            CRC => Ok(self.check_crc_record(record)),
            other => Ok(Err(Finding::new(
                Code::WalRecordBroken,
                format!("this record has the unknown type {other}; etcd does not start"),
            ))),
        }
    }

    /// Checks the first record of a segment, which holds the CRC of all earlier segments.
    fn check_crc_record(&mut self, record: WalRecord) -> Result<(), Finding> {
        let before = self.log.next_crc.or((self.segment.sequence == 0).then_some(0));
        self.log.next_crc = Some(record.crc);
        if self.number > 0 {
            let text = "the head record of a segment is in the middle of one";
            return Err(Finding::new(Code::WalRecordBroken, text));
        }
        match before {
            Some(before) if before != record.crc => Err(Finding::new(
                Code::WalChainBroken,
                format!(
                    "this segment continues a log with the CRC {:08x}, but the log before it has {before:08x}; etcd does not start",
                    record.crc
                ),
            )),
            _ => Ok(()),
        }
    }
}
