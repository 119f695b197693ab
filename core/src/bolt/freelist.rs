//! The freelist: the ids of pages that hold no data.
//!
//! ```text
//! ├ header (count) ┼ page id u64, ascending … ┤       count 0xFFFF: the first u64 is the real count
//! ```

use crate::bolt::page::{Header, PageDefect, PageKind, needed_overflow, overflow_fits};
use crate::bolt::page_id::PageId;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::PageReader;
use crate::bolt::sizes::HEADER;
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::offset::Offset;
use crate::source::Source;

/// Number of page ids read at a time, so that a long list needs no large buffer.
const IDS_PER_READ: u64 = 8192;

/// Reads the freelist that begins at `page`: adds the free pages to `free`, the freelist's own pages to `used`, and its
/// damage to `findings`.
///
/// # Errors
/// The same errors as [`PageReader::unit`].
pub fn read<S: Source + ?Sized>(
    reader: &mut PageReader<'_, S>,
    page: PageId,
    used: &PageSet,
    free: &PageSet,
    findings: &mut Findings,
) -> Result<(), Error> {
    let offset = reader.geometry().offset(page);
    let mut report = |defect: PageDefect| {
        let at = offset.plus(defect.at as u64);
        let finding = Finding::new(defect.code, defect.message).page(page).offset(at);
        findings.push(Finding { because: defect.because, ..finding });
    };
    let invalid = |at: usize, message: String| PageDefect::new(Code::FreelistInvalid, at, message);
    let (header, first_word) = match reader.first(page)? {
        Err(defect) => {
            let text = format!("the meta page points to the freelist here, but {}", defect.message);
            report(PageDefect { because: defect.because, ..invalid(0, text) });
            return Ok(());
        }
        Ok((header, bytes)) => (header, crate::int_readers::u64_le(bytes, HEADER).unwrap_or(0)),
    };
    if header.kind() != Some(PageKind::Freelist) {
        report(invalid(8, format!("the meta page points to the freelist here, but this is {}", header.describe())));
        return Ok(());
    }
    if header.id != page {
        report(PageDefect::new(Code::PageIdMismatch, 0, header.wrong_id(page)));
    }
    if let Err(defect) = reader.geometry().check(page, header.overflow) {
        report(PageDefect { because: defect.because, ..invalid(12, defect.message) });
        return Ok(());
    }
    let (count, ids_start) = count_and_start(header, first_word);
    let end = count.saturating_mul(8).saturating_add(ids_start);
    let size = reader.geometry().page_size;
    let capacity = u64::from(header.overflow).saturating_add(1).saturating_mul(u64::from(size));
    if end > capacity {
        report(invalid(10, format!("the freelist claims {count} page ids, which do not fit its {capacity} bytes")));
        return Ok(());
    }
    let end_in_memory = usize::try_from(end).unwrap_or(usize::MAX);
    if !overflow_fits(header.overflow, end_in_memory, size) {
        report(PageDefect::new(
            Code::PageOverflow,
            12,
            format!("the freelist claims {} overflow pages for {end} bytes of page ids", header.overflow),
        ));
    }
    let fits = overflow_fits(header.overflow, end_in_memory, size);
    let own_overflow = if fits { u64::from(header.overflow) } else { needed_overflow(end_in_memory, size) };
    for own_page in page.up_to(page.plus(own_overflow).next()) {
        used.insert(own_page);
    }
    read_ids(reader, offset.plus(ids_start), count, free, &mut |at, defect| {
        let mut finding = Finding::new(defect.code, defect.message).page(page);
        finding.offset = Some(at);
        findings.push(finding);
    })
}

/// Returns the number of page ids, and the offset of the first one within the page, in bytes.
fn count_and_start(header: Header, first_word: u64) -> (u64, u64) {
    const FIRST: u64 = HEADER as u64;
    if header.count == u16::MAX { (first_word, FIRST.saturating_add(8)) } else { (u64::from(header.count), FIRST) }
}

/// Adds `count` page ids, stored from `offset` on, to `free`; calls `report` for each damage with its file offset.
fn read_ids<S: Source + ?Sized>(
    reader: &mut PageReader<'_, S>,
    offset: Offset,
    count: u64,
    free: &PageSet,
    report: &mut dyn FnMut(Offset, PageDefect),
) -> Result<(), Error> {
    let (high_water, present) = (reader.geometry().high_water, reader.geometry().present);
    let mut previous = PageId::ZERO;
    let mut ids_read = 0;
    while ids_read < count {
        let batch = count.saturating_sub(ids_read).min(IDS_PER_READ);
        let at = offset.plus(ids_read.saturating_mul(8));
        let bytes = reader.bytes(at, usize::try_from(batch.saturating_mul(8)).unwrap_or(0))?;
        for (index, id) in bytes.chunks_exact(8).enumerate() {
            let id = PageId::new(crate::int_readers::u64_le(id, 0).unwrap_or(0));
            let id_offset = at.plus((index as u64).saturating_mul(8));
            if id < PageId::FIRST || id >= high_water {
                let message =
                    format!("the freelist lists page {id}, but only pages 2 to {} can be free", high_water.previous());
                report(id_offset, PageDefect::new(Code::FreelistRange, 0, message));
            } else if id < present && !free.insert(id) {
                report(
                    id_offset,
                    PageDefect::new(Code::FreelistDuplicate, 0, format!("the freelist lists page {id} twice")),
                );
            } else if id < previous {
                report(
                    id_offset,
                    PageDefect::new(
                        Code::FreelistOrder,
                        0,
                        format!("the freelist lists page {id} after page {previous}"),
                    ),
                );
            }
            previous = id;
        }
        ids_read = ids_read.saturating_add(batch);
    }
    Ok(())
}
