//! Examines the bytes at and after a damaged record: whether a crash can explain them.

use crate::crc::CrcRun;
use crate::data_dir::protobuf_stream::{ByteSpan, MessageError, hash};
use crate::data_dir::segment::SegmentReader;
use crate::data_dir::wal_record::{ENTRY, Frame, METADATA, Next, SNAPSHOT, STATE, WalRecord};
use crate::data_dir::window::WINDOW;
use crate::error::Error;
use crate::limits::MAX_RESYNC;
use crate::source::Source;

/// Unit that a disk writes completely or not at all, in bytes.
const SECTOR: u64 = 512;

/// The bytes after a damaged record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Behind {
    /// End of the last non-zero byte.
    pub end: u64,
    /// Whether they contain records written after this one had been synced.
    pub is_later: bool,
}

impl<S: Source + ?Sized> SegmentReader<'_, S> {
    /// Whether a sector of a record holds only zeros: etcd concludes that it was never written.
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
        let len = usize::try_from(span.len()).unwrap_or(WINDOW);
        Ok(self.window.bytes(span.start, len)?.iter().all(|byte| *byte == 0))
    }

    /// The end of the last non-zero byte after `from`; `from` if all are zero.
    pub(super) fn last_byte(&mut self, from: u64) -> Result<u64, Error> {
        let (mut at, mut end) = (from, from);
        while at < self.window.len() {
            let bytes = self.window.bytes(at, WINDOW)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = at.saturating_add(last as u64).saturating_add(1);
            }
            at = at.saturating_add(bytes.len().max(1) as u64);
        }
        Ok(end)
    }

    /// Searches for records after the place where reading ended. A record counts if the next one continues its CRC.
    ///
    /// etcd writes entries and then a state together, and syncs them before it writes more. So anything before the
    /// sequence entry, state, entry had been synced when the second entry was written, and is not an incomplete write.
    pub(super) fn behind(&mut self, from: u64, broken: Option<u64>) -> Result<Behind, Error> {
        let end = self.last_byte(from)?;
        let mut room = MAX_RESYNC;
        // Frames begin at multiples of eight bytes.
        let mut at = from.checked_next_multiple_of(8).unwrap_or(u64::MAX);
        while at < end && room > 0 {
            let proven = self.proven_from(at, end, broken, &mut room)?;
            if proven.is_later {
                return Ok(Behind { end, is_later: true });
            }
            at = proven.end.max(at.saturating_add(8));
        }
        Ok(Behind { end, is_later: false })
    }

    /// Follows the records from `at` while each continues the CRC of the one before.
    fn proven_from(&mut self, at: u64, end: u64, broken: Option<u64>, room: &mut u64) -> Result<Behind, Error> {
        let mut proven = Behind { end: at, is_later: false };
        let Some((frame, first)) = self.possible(at, end)? else { return Ok(proven) };
        *room = room.saturating_sub(WINDOW as u64);
        let (mut next, mut crc) = (frame.end, first.crc);
        // How much of the sequence entry, state, entry was seen.
        let mut stage = if broken == Some(ENTRY) { 1 } else { 0 };
        let mut kinds = Some(first.kind);
        while let Some((frame, record)) = self.possible(next, end)? {
            let Some(left) = room.checked_sub(record.data.len().saturating_add(64)) else {
                *room = 0;
                break;
            };
            *room = left;
            let data: CrcRun = hash(&mut self.window, record.data, &self.log.combiner)?;
            if self.log.combiner.join(crc, data.crc, data.len) != record.crc {
                break;
            }
            for kind in kinds.take().into_iter().chain([record.kind]) {
                stage = match (stage, kind) {
                    (0, ENTRY) => 1,
                    (1, STATE) => 2,
                    (2, ENTRY) => {
                        proven.is_later = true;
                        return Ok(proven);
                    }
                    (stage, _) => stage,
                };
            }
            (next, crc) = (frame.end, record.crc);
            proven.end = next;
        }
        Ok(proven)
    }

    /// Reads the record at `at`, if it is exactly as etcd writes one.
    fn possible(&mut self, at: u64, end: u64) -> Result<Option<(Frame, WalRecord)>, Error> {
        let Next::Frame(frame) = Frame::read(&mut self.window, at)? else { return Ok(None) };
        if !frame.is_plain || frame.body.end > end || frame.end > self.window.len() {
            return Ok(None);
        }
        match WalRecord::read(&mut self.window, frame.body) {
            Ok(record) if record.is_plain && (METADATA..=SNAPSHOT).contains(&record.kind) => Ok(Some((frame, record))),
            Ok(_) | Err(MessageError::Malformed) => Ok(None),
            Err(MessageError::Failed(error)) => Err(error),
        }
    }
}
