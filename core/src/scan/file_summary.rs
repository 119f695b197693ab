//! A quick summary of a file, and the report about a file that is not a database.

use crate::bolt::page_id::PageId;
use crate::offset::Offset;
use serde::Serialize;

use crate::bolt::meta::MetaPages;
use crate::bolt::page_set::PageSet;
use crate::bolt::reader::Geometry;
use crate::error::Error;
use crate::finding::{Finding, Findings};
use crate::finding_code::Code;
use crate::limits::MAX_EXCERPT;
use crate::progress::IgnoreProgress;
use crate::report::Report;
use crate::scan::claimed_length::ClaimedLength;
use crate::scan::file_kind::{FileKind, sniff};
use crate::scan::schema_buckets::{BucketListVisitor, ListedBucket};
use crate::scan::subtree::Subtree;
use crate::scan::sweep_cache::SweepCache;
use crate::scan::trailer_hash::{head, is_present};
use crate::scan::walk::Walk;
use crate::source::Source;
use crate::trailer::Trailer;

/// Summary of a file, from a few small reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSummary {
    /// Format of the file.
    pub kind: FileKind,
    /// Length of the file in bytes.
    pub file_size: u64,
    /// Page size in bytes, of a bolt database.
    pub page_size: Option<u32>,
    /// Logical size of the database in bytes.
    pub total_size: Option<u64>,
    /// Transaction id of the live meta page.
    pub txid: Option<u64>,
    /// Names of the top-level buckets, in key order.
    pub buckets: Vec<String>,
    /// Whether the length indicates a trailer.
    pub trailer: bool,
}

/// Reads the meta pages and the root tree. Leaves out what damage makes unreadable.
///
/// # Errors
/// A read fails.
pub fn summarize<S: Source + ?Sized>(source: &S) -> Result<FileSummary, Error> {
    let head = head(source)?;
    let mut summary = FileSummary {
        kind: sniff(&head),
        file_size: source.len(),
        page_size: None,
        total_size: None,
        txid: None,
        buckets: Vec::new(),
        trailer: is_present(source.len()) && source.len() <= ClaimedLength::of(&head).read_limit(),
    };
    let Some(metas) = MetaPages::find(&head) else { return Ok(summary) };
    let (_, live) = metas.live();
    summary.page_size = Some(live.page_size);
    summary.total_size = live.logical_size();
    summary.txid = Some(live.txid);
    let pages_in_file = source.len().checked_div(u64::from(live.page_size)).unwrap_or(0);
    let geometry = Geometry {
        page_size: live.page_size,
        high_water: live.high_water,
        present: PageId::new(pages_in_file).min(live.high_water),
    };
    let used = PageSet::new(geometry.present.get())?;
    let (mut cache, mut unused_findings) = (SweepCache::default(), Findings::default());
    let mut root = BucketListVisitor { listed: Vec::new(), findings: &mut unused_findings };
    let mut walk = Walk::new(source, geometry, &used, &mut cache, &IgnoreProgress);
    walk.visit(&Subtree::root(live.root, (PageId::ZERO, Offset::START)), &mut root)?;
    let name = |entry: &ListedBucket| {
        String::from_utf8_lossy(entry.name.get(..MAX_EXCERPT).unwrap_or(&entry.name)).into_owned()
    };
    summary.buckets = root.listed.iter().map(name).collect();
    Ok(summary)
}

/// Creates the report about a file that has no valid meta page: what kind of file it is, by its first bytes `head`.
/// `len` is the known length of the file in bytes.
#[must_use]
pub fn refusal_report(head: &[u8], len: u64) -> Report {
    let mut findings = Findings::default();
    let kind = sniff(head);
    let finding = match kind {
        FileKind::BrokenBolt => Finding::new(Code::NoValidMeta, "neither meta page 0 nor meta page 1 is valid")
            .page(PageId::ZERO)
            .offset(Offset::new(16)),
        kind => Finding::new(Code::NotASnapshot, kind.describe()),
    };
    findings.push(finding);
    let trailer = Trailer { present: kind == FileKind::BrokenBolt && is_present(len), ..Trailer::default() };
    Report { verdict: findings.verdict(), findings, trailer, status: None, lost: None, decrypted: None }
}
