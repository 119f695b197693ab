//! Examines the bytes at and after a damaged record, to find out whether a crash can explain the damage.

use crate::crc::PartialCrc;
use crate::data_dir::protobuf_stream::{ByteSpan, MessageError, hash};
use crate::data_dir::read_window::WINDOW_LEN;
use crate::data_dir::segment::SegmentReader;
use crate::data_dir::wal_record::{AtOffset, ENTRY, Frame, METADATA, SNAPSHOT, STATE, WalRecord};
use crate::error::Error;
use crate::limits::MAX_RESYNC_BYTES;
use crate::source::Source;

/// Size of a sector, which a disk writes completely or not at all, in bytes.
const SECTOR: u64 = 512;

/// The bytes after a damaged record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BytesAfter {
    /// End of the last non-zero byte.
    pub end: u64,
    /// Whether they contain records that etcd wrote after it had synced the damaged record.
    pub has_later_records: bool,
}

impl<S: Source + ?Sized> SegmentReader<'_, S> {
    /// Whether a sector of a record holds only zeros. etcd concludes from it that the sector was never written.
    pub(super) fn has_empty_sector(&mut self, frame: Frame) -> Result<bool, Error> {
        let mut start = frame.body.start;
        while start < frame.end {
            let end = start.saturating_add(SECTOR.saturating_sub(start % SECTOR)).min(frame.end);
            if self.is_zero(ByteSpan { start, end })? {
                return Ok(true);
            }
            start = end;
        }
        Ok(false)
    }

    /// Whether a span, at most as long as a window, holds only zeros.
    pub(super) fn is_zero(&mut self, span: ByteSpan) -> Result<bool, Error> {
        let len = usize::try_from(span.len()).unwrap_or(WINDOW_LEN);
        Ok(self.window.bytes(span.start, len)?.iter().all(|byte| *byte == 0))
    }

    /// The end of the last non-zero byte after `from`; `from` if all are zero.
    pub(super) fn last_byte(&mut self, from: u64) -> Result<u64, Error> {
        let (mut at, mut end) = (from, from);
        while at < self.window.len() {
            let bytes = self.window.bytes(at, WINDOW_LEN)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at.saturating_add(last as u64).saturating_add(1);
            }
            at = at.saturating_add(bytes.len().max(1) as u64);
        }
        Ok(end)
    }

    /// Searches for records from offset `from` on. A record counts if the next record continues its CRC. `damaged_kind`
    /// is the type of the damaged record, if it is known.
    ///
    /// etcd writes entries and then a state, and syncs them before it writes the next entries. So if an entry, a state
    /// and another entry follow each other, everything before the second entry was synced, and is no interrupted write.
    pub(super) fn search_after(&mut self, from: u64, damaged_kind: Option<u64>) -> Result<BytesAfter, Error> {
        let end = self.last_byte(from)?;
        let mut hash_budget = MAX_RESYNC_BYTES;
        // Frames begin at multiples of eight bytes.
        let mut at = from.checked_next_multiple_of(8).unwrap_or(u64::MAX);
        while at < end && hash_budget > 0 {
            let followed = self.follow_crcs(at, end, damaged_kind, &mut hash_budget)?;
            if followed.has_later_records {
                return Ok(BytesAfter { end, has_later_records: true });
            }
            at = followed.end.max(at.saturating_add(8));
        }
        Ok(BytesAfter { end, has_later_records: false })
    }

    /// Follows the records from `at` while each continues the CRC of the one before.
    fn follow_crcs(
        &mut self,
        at: u64,
        end: u64,
        damaged_kind: Option<u64>,
        hash_budget: &mut u64,
    ) -> Result<BytesAfter, Error> {
        let mut followed = BytesAfter { end: at, has_later_records: false };
        let Some((frame, first)) = self.read_canonical(at, end)? else { return Ok(followed) };
        *hash_budget = hash_budget.saturating_sub(WINDOW_LEN as u64);
        let (mut next, mut crc) = (frame.end, first.crc);
        // Number of records of the sequence entry, state, entry found so far.
        let mut sequence_step = if damaged_kind == Some(ENTRY) { 1 } else { 0 };
        let mut kinds = Some(first.kind);
        while let Some((frame, record)) = self.read_canonical(next, end)? {
            let Some(left) = hash_budget.checked_sub(record.data.len().saturating_add(64)) else {
                *hash_budget = 0;
                break;
            };
            *hash_budget = left;
            let data: PartialCrc = hash(&mut self.window, record.data, &self.log.combiner)?;
            if self.log.combiner.join(crc, data.crc, data.len) != record.crc {
                break;
            }
            for kind in kinds.take().into_iter().chain([record.kind]) {
                sequence_step = match (sequence_step, kind) {
                    (0, ENTRY) => 1,
                    (1, STATE) => 2,
                    (2, ENTRY) => {
                        followed.has_later_records = true;
                        return Ok(followed);
                    }
                    (sequence_step, _) => sequence_step,
                };
            }
            (next, crc) = (frame.end, record.crc);
            followed.end = next;
        }
        Ok(followed)
    }

    /// Reads the record at `at`; `None` if there is none, or if it differs from what etcd writes.
    fn read_canonical(&mut self, at: u64, end: u64) -> Result<Option<(Frame, WalRecord)>, Error> {
        let AtOffset::Frame(frame) = Frame::read(&mut self.window, at)? else { return Ok(None) };
        if !frame.is_canonical || frame.body.end > end || frame.end > self.window.len() {
            return Ok(None);
        }
        match WalRecord::read(&mut self.window, frame.body) {
            Ok(record) if record.is_canonical && (METADATA..=SNAPSHOT).contains(&record.kind) => {
                Ok(Some((frame, record)))
            }
            Ok(_) | Err(MessageError::Malformed) => Ok(None),
            Err(MessageError::Failed(error)) => Err(error),
        }
    }
}
