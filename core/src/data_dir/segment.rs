//! Reads one segment of the write-ahead log in pieces: its frames, the chain of CRCs, and its end.
//!
//! ```text
//! ├ crc: the chain of the segment before ┼ metadata ┼ state … entries, states, snapshots … ┼ zeros, in the last segment ┤
//! ```

use crate::data_dir::log::{Torn, WriteAheadLog};
use crate::data_dir::protobuf_stream::{ByteSpan, MessageError, hash};
use crate::data_dir::wal_record::{
    CONF_CHANGE, CRC, ENTRY, EntryHead, Frame, METADATA, Next, OwnLength, SNAPSHOT, STATE, WalRecord, conf_change,
    numbers, own_length,
};
use crate::data_dir::window::{WINDOW, Window};
use crate::error::Error;
use crate::finding::Finding;
use crate::finding_code::Code;
use crate::limits::{MAX_SEGMENT, MAX_SMALL_RECORD};
use crate::offset::Offset;
use crate::progress::Watch;
use crate::source::Source;

/// Position of a segment in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
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
    pub role: Role,
}

/// Reads a segment into the log. Segments must be read in the order of their sequence numbers.
///
/// # Errors
/// A read fails, or `watch` requests a stop. Damage becomes a finding of the log.
pub fn read<S: Source + ?Sized>(
    log: &mut WriteAheadLog,
    segment: &Segment,
    source: &S,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let mut reader =
        SegmentReader { window: Window::new(source, watch), log, segment, number: 0, has_looked_behind: false };
    reader.begin();
    if source.len() > MAX_SEGMENT {
        let text = format!("the file has {} bytes, more than a segment can have", source.len());
        reader.report(Finding::new(Code::WalRecordBroken, text));
        reader.log.chain = None;
        return Ok(());
    }
    reader.run()
}

/// A damaged record, and what is known about it.
struct DamagedRecord {
    what: String,
    /// Its frame, if its length is plausible.
    frame: Option<Frame>,
    /// Its fields, if they can be decoded.
    record: Option<WalRecord>,
    /// Whether it looks like an incomplete write.
    looks_torn: bool,
    /// Whether etcd treats it as an incomplete write.
    torn_to_etcd: bool,
}

/// Reads one segment.
pub(super) struct SegmentReader<'r, S: ?Sized> {
    pub(super) window: Window<'r, S>,
    pub(super) log: &'r mut WriteAheadLog,
    segment: &'r Segment,
    /// Number of records read from this segment.
    number: u64,
    /// Whether the bytes after a damaged record were searched: they are the rest of the file, so one search is enough.
    has_looked_behind: bool,
}

impl<S: Source + ?Sized> SegmentReader<'_, S> {
    fn begin(&mut self) {
        let Segment { sequence, index, .. } = *self.segment;
        match self.log.sequence {
            None => self.log.opened_at = index,
            Some(before) if before.checked_add(1) == Some(sequence) => {}
            Some(before) if before == sequence => {
                let text = format!("two segments have the number {sequence:x}; etcd does not start");
                self.report(Finding::new(Code::WalChainBroken, text));
                self.log.chain = None;
            }
            Some(before) => {
                let text = format!(
                    "segment {:x} before this one is missing: entries are lost, and etcd does not start",
                    before.saturating_add(1)
                );
                self.report(Finding::new(Code::WalSegmentMissing, text));
                self.log.chain = None;
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
                Next::FileEnd => break,
                Next::Zeros => {
                    self.tail(at)?;
                    break;
                }
                Next::Stub => {
                    let what = "the file ends within the length of a record".to_owned();
                    let looks_torn = true;
                    let trouble = DamagedRecord { what, frame: None, record: None, looks_torn, torn_to_etcd: true };
                    self.settle(at, &trouble)?;
                    break;
                }
                Next::Frame(frame) => match self.record(frame)? {
                    Ok(record) => {
                        self.take(at, frame, record)?;
                        at = frame.end;
                    }
                    Err(trouble) => match self.settle(at, &trouble)? {
                        Some(next) => at = next,
                        None => break,
                    },
                },
            }
            self.number = self.number.saturating_add(1);
        }
        if at == 0 && self.number == 0 {
            self.report(Finding::new(Code::WalRecordBroken, "the segment has no records"));
            self.log.chain = None;
        }
        Ok(())
    }

    /// Reads a record and compares its CRC; the CRC of a segment's first record is that of the previous segment.
    fn record(&mut self, frame: Frame) -> Result<Result<WalRecord, DamagedRecord>, Error> {
        if frame.end > self.window.len() {
            return self.beyond(frame).map(Err);
        }
        let record = match WalRecord::read(&mut self.window, frame.body) {
            Ok(record) => record,
            Err(MessageError::Failed(error)) => return Err(error),
            Err(MessageError::Malformed) => {
                let torn = self.has_empty_sector(frame)?;
                let what = "these bytes are not a record".to_owned();
                let trouble =
                    DamagedRecord { what, frame: Some(frame), record: None, looks_torn: torn, torn_to_etcd: torn };
                return Ok(Err(trouble));
            }
        };
        if record.kind == CRC {
            return Ok(Ok(record));
        }
        let Some(chain) = self.log.chain else { return Ok(Ok(record)) };
        let data = hash(&mut self.window, record.data, &self.log.combiner)?;
        let actual = self.log.combiner.join(chain, data.crc, data.len);
        if actual == record.crc {
            self.log.chain = Some(actual);
            return Ok(Ok(record));
        }
        let torn = self.has_empty_sector(frame)?;
        let what = format!("the CRC of the log up to here is {actual:08x}, but the record claims {:08x}", record.crc);
        let record = Some(record);
        Ok(Err(DamagedRecord { what, frame: Some(frame), record, looks_torn: torn, torn_to_etcd: torn }))
    }

    /// Judges a record that ends beyond the file: the file was cut off, or the record's length is wrong.
    fn beyond(&mut self, frame: Frame) -> Result<DamagedRecord, Error> {
        let looks_torn = match own_length(&mut self.window, frame.body.start)? {
            OwnLength::Unknown => true,
            OwnLength::Bytes(0) => self.last_byte(frame.body.start)? <= frame.body.start,
            OwnLength::Bytes(len) => len == frame.body.len(),
        };
        let what = format!("a record of {} bytes reaches beyond the end of the file", frame.body.len());
        Ok(DamagedRecord { what, frame: None, record: None, looks_torn, torn_to_etcd: true })
    }

    /// Reports a damaged record; returns the offset to continue at, if reading can continue.
    fn settle(&mut self, at: u64, trouble: &DamagedRecord) -> Result<Option<u64>, Error> {
        let next = trouble.frame.filter(|_| trouble.record.is_some()).map(|frame| frame.end);
        let is_last = self.segment.role == Role::Last;
        let mut consequence = match trouble.record {
            None if is_last => "etcd does not start, or cuts off the log here",
            _ => "etcd does not start",
        };
        if is_last && trouble.torn_to_etcd && !self.has_looked_behind {
            self.has_looked_behind = true;
            let kind = trouble.record.map(|record| record.kind);
            let from = next.unwrap_or(at.saturating_add(8));
            let behind = self.behind(from, kind)?;
            if trouble.looks_torn && !behind.is_later {
                let bytes = behind.end.max(at).saturating_sub(at);
                self.log.torn = Some(Torn { file: self.segment.file.clone(), offset: Offset::new(at), bytes });
                return Ok(None);
            }
            consequence = "etcd takes this for the end of the log, and cuts off the rest";
        }
        let text = format!("{}; {consequence}", trouble.what);
        self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
        self.log.is_broken = true;
        // The records after this one can be checked nevertheless: each continues the CRC that this one claims.
        self.log.chain = trouble.record.map(|record| record.crc);
        Ok(next)
    }

    /// Checks the bytes after the end of the log.
    fn tail(&mut self, at: u64) -> Result<(), Error> {
        let behind = self.behind(at, None)?;
        if behind.end <= at {
            return Ok(());
        }
        let bytes = behind.end.saturating_sub(at);
        if behind.is_later {
            let text = "the log ends here, but records that were written later follow: the records between are lost, and etcd erases the rest";
            self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
            self.log.is_broken = true;
            self.log.chain = None;
        } else {
            let text = format!("{bytes} bytes after the end of the log are not all zero; etcd erases them");
            self.report(Finding::new(Code::WalRecordOdd, text).offset(Offset::new(at)));
        }
        Ok(())
    }

    /// Adds a record with a correct CRC to the log.
    fn take(&mut self, at: u64, frame: Frame, record: WalRecord) -> Result<(), Error> {
        self.log.records = self.log.records.saturating_add(1);
        let due = match self.number {
            0 => Some((CRC, "the CRC of the previous segment")),
            1 => Some((METADATA, "the ids of the member and the cluster")),
            _ => None,
        };
        if let Some((_, name)) = due.filter(|(kind, _)| *kind != record.kind) {
            let text =
                format!("record {} of a segment must hold {name}, but this one has type {}", self.number, record.kind);
            self.report(Finding::new(Code::WalRecordBroken, text).offset(Offset::new(at)));
        }
        match self.contents(at, record) {
            Ok(Ok(())) => self.look_at_the_rest(at, frame, record),
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

    /// Checks the bits that etcd ignores against what etcd writes.
    fn look_at_the_rest(&mut self, at: u64, frame: Frame, record: WalRecord) -> Result<(), Error> {
        if !(frame.is_plain && record.is_plain && self.is_zero(ByteSpan { start: frame.body.end, end: frame.end })?) {
            let text = "bits of this record that etcd ignores differ from what it writes";
            self.report(Finding::new(Code::WalRecordOdd, text).offset(Offset::new(at)));
        }
        Ok(())
    }

    fn contents(&mut self, at: u64, record: WalRecord) -> Result<Result<(), Finding>, MessageError> {
        if record.kind != ENTRY && record.data.len() > MAX_SMALL_RECORD {
            return Err(MessageError::Malformed);
        }
        match record.kind {
            METADATA => {
                let ids = numbers(&mut self.window, record.data)?;
                let len = usize::try_from(record.data.len()).unwrap_or(WINDOW);
                let bytes = self.window.bytes(record.data.start, len)?;
                Ok(self.log.metadata(bytes, ids))
            }
            ENTRY => {
                let entry = EntryHead::read(&mut self.window, record.data)?;
                let outcome = self.log.entry(entry, &self.segment.file, Offset::new(at));
                if entry.kind == CONF_CHANGE
                    && outcome.is_ok()
                    && let Some(change) = conf_change(&mut self.window, entry)?
                {
                    self.log.conf_change(change);
                }
                Ok(outcome)
            }
            STATE => numbers(&mut self.window, record.data).map(|state| self.log.state(state)),
            SNAPSHOT => numbers(&mut self.window, record.data).map(|mark| self.log.mark(mark)),
            CRC => Ok(self.head(record)),
            other => Ok(Err(Finding::new(
                Code::WalRecordBroken,
                format!("this record has the unknown type {other}; etcd does not start"),
            ))),
        }
    }

    /// Checks the first record of a segment, which holds the CRC of all earlier segments.
    fn head(&mut self, record: WalRecord) -> Result<(), Finding> {
        let before = self.log.chain.or((self.segment.sequence == 0).then_some(0));
        self.log.chain = Some(record.crc);
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
